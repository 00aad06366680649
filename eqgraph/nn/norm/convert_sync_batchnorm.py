"""Making the batch normalizations of a model take their statistics over all processes."""

import inspect
import warnings

import torch
import torch.distributed as dist
from torch.nn.modules.lazy import LazyModuleMixin

from eqgraph.o3 import Irreps

from .batch_norm import BatchNorm
from .hetero_batch_norm import HeteroBatchNorm
from .norm import Norm
from .sync_batch_norm import SyncBatchNorm
from .sync_hetero_batch_norm import SyncHeteroBatchNorm
from .synchronized import Synchronized

TORCH = (torch.nn.BatchNorm1d, torch.nn.BatchNorm2d, torch.nn.BatchNorm3d)


def convert_sync_batchnorm(
    module: torch.nn.Module, process_group: "dist.ProcessGroup | None" = None
) -> torch.nn.Module:
    """Replace the batch normalizations in a model by those that take statistics over all processes.

    eqgraph's and e3nn's BatchNorm become SyncBatchNorm, HeteroBatchNorm becomes SyncHeteroBatchNorm, and those of torch become
    torch.nn.SyncBatchNorm, which runs on GPUs only. Parameters stay the same objects, so that optimizers keep working; buffers are
    copied. A layer that occurs several times is still one layer. A subclass with a forward of its own is left alone, with a warning,
    and so is any other layer of this folder that has statistics over the batch.

    Args:
        module: the model; it is changed, and returned, unless it is a batch normalization itself.
        process_group: the processes that share statistics, by default all.

    Returns:
        the model, or what replaces it.

    Raises:
        ValueError: for a lazy batch normalization that has not seen a batch yet.

    Example:
        >>> model = torch.nn.Sequential(BatchNorm("2x0e + 1x1o"), torch.nn.Identity())
        >>> convert_sync_batchnorm(model)[0]
        SyncBatchNorm (2x0e+1x1o, eps=1e-05, momentum=0.1)

    Reference: torch.nn.SyncBatchNorm.convert_sync_batchnorm, for modules of torch.
    """
    return _converted(module, process_group, {})


def _converted(module, group, done: dict[torch.nn.Module, torch.nn.Module]) -> torch.nn.Module:
    """done: what modules that were met before have become."""
    if module not in done:
        done[module] = _replaced(module, group)
        # a normalization that contains others does not call them on a process without nodes, for which the rest would wait
        if done[module] is module and not isinstance(module, Norm):
            for name, child in module._modules.items():
                if child is not None:
                    module._modules[name] = _converted(child, group, done)
    return done[module]


def _replaced(module, group) -> torch.nn.Module:
    """What takes the place of a module, its children aside; often the module."""
    if _is_incomplete(module):
        raise ValueError(
            f"convert_sync_batchnorm: expected layers that know their width, got {type(module).__name__} that has not seen a batch. "
            "Run the model once, then convert it."
        )
    kind = next((kind for kind in type(module).__mro__ if kind in _REPLACED or _is_of_e3nn(kind)), None)
    if kind is None or isinstance(module, Synchronized):
        if isinstance(module, Norm) and module.couples_graphs and not isinstance(module, Synchronized):
            _warn(module, "knows no statistics over processes")
        return module
    if not all(getattr(type(module), name, None) is getattr(kind, name, None) for name in ("forward", "normalize")):
        _warn(module, f"overrides methods of {kind.__name__}, which would be lost")
        return module
    if kind in TORCH:
        return torch.nn.SyncBatchNorm.convert_sync_batchnorm(module, group)
    return _synchronized(module, _REPLACED.get(kind, SyncBatchNorm), group)


def _synchronized(module, kind: type[Synchronized], group) -> Synchronized:
    """A layer of a synchronized class with the options, parameters, statistics and mode of another."""
    options = {name: getattr(module, name) for name in inspect.signature(kind).parameters if hasattr(module, name)}
    options |= {"irreps": Irreps(str(module.irreps)), "process_group": group}
    new = kind(**options)
    for name in ("weight", "bias"):
        setattr(new, name, getattr(module, name, None))
    for name, buffer in new.named_buffers(recurse=False):
        old = getattr(module, name, None)  # e3nn does not count batches
        device = module.running_var.device
        setattr(new, name, buffer.to(device) if old is None else old.detach().clone())
    new.layout.to(next((tensor.device for tensor in [*module.parameters(), *module.buffers()]), None))
    return new.train(module.training)


def _is_incomplete(module) -> bool:
    """Whether a batch normalization is lazy and waits for its first batch."""
    is_lazy = isinstance(module, LazyModuleMixin) and module.cls_to_become in _REPLACED
    return is_lazy and getattr(module, "template", True) is not None  # ours may know its irreps from a state dict


def _is_of_e3nn(kind: type) -> bool:
    """e3nn need not be installed."""
    return kind.__name__ == "BatchNorm" and kind.__module__.startswith("e3nn.")


def _warn(module, reason: str) -> None:
    warnings.warn(
        f"convert_sync_batchnorm: {type(module).__name__} {reason}; it stays as it is, with the statistics of each process.",
        stacklevel=2,
    )


_REPLACED = {BatchNorm: SyncBatchNorm, HeteroBatchNorm: SyncHeteroBatchNorm} | dict.fromkeys(TORCH)
"""Class -> class; torch replaces its own."""
