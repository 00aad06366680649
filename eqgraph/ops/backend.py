"""Which implementation of the operators a layer runs on, and why."""

import importlib.util
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import NamedTuple

import torch

BACKENDS = ("auto", "reference", "cpu", "gpu")
_DTYPES = (torch.float32, torch.float64)
_INSTALLED = {package: importlib.util.find_spec(package) is not None for package in ("llvmlite", "triton")}

_reference_only = False


class Backend(NamedTuple):
    """An implementation: "reference" (plain PyTorch), "cpu" (compiled by LLVM) or "gpu" (Triton)."""

    name: str
    reason: str


class LayerBackend(NamedTuple):
    """A row of `report`."""

    layer: str
    kind: str
    backend: str
    reason: str


class Report(tuple[LayerBackend, ...]):
    """Rows of LayerBackend, which print as a table."""

    def __str__(self) -> str:
        rows = [("layer", "kind", "backend", "reason"), *self]
        widths = [max(len(row[i]) for row in rows) for i in range(3)]
        return "\n".join("  ".join([*(c.ljust(w) for c, w in zip(row, widths, strict=False)), row[3]]) for row in rows)


def choose_backend(requested: str, device: torch.device, dtype: torch.dtype) -> Backend:
    """The backend to run on; "auto" takes the kernels of the device, or else the reference with one warning.

    Args:
        requested: "auto", "reference", "cpu" or "gpu".
        device: where the tensors are.
        dtype: of the features.

    Raises:
        ValueError: if the backend that is asked for cannot run there.

    Example:
        >>> choose_backend("auto", torch.device("cpu"), torch.float32)
        Backend(name='cpu', reason='float32 on cpu')
    """
    if requested not in BACKENDS:
        raise ValueError(
            f"Expected backend to be one of {', '.join(BACKENDS)}, came {requested!r}. Choose one of these."
        )
    if requested == "reference" or _reference_only:
        return Backend("reference", "asked for")
    if torch.is_autocast_enabled(device.type):
        dtype = torch.float32  # the operators' rule
    obstacle = _obstacle(requested, device, dtype)
    kernels = requested if requested != "auto" else "gpu" if device.type == "cuda" else "cpu"
    if obstacle is None:
        reason = f"{str(dtype).removeprefix('torch.')} on {device.type}"
        return Backend(kernels, reason if requested == "auto" else f"asked for, {reason}")
    if requested != "auto":
        raise ValueError(f"Expected to run backend '{requested}', came: {obstacle}. Use backend='auto' or 'reference'.")
    _warn(obstacle)
    return Backend("reference", obstacle)


@contextmanager
def reference_only() -> Iterator[None]:
    """Within it every layer runs on the reference, whatever it was built for: to find out whether kernels are right.

    Example:
        >>> with reference_only():
        ...     choose_backend("auto", torch.device("cpu"), torch.float32).name
        'reference'
    """
    global _reference_only
    before, _reference_only = _reference_only, True
    try:
        yield
    finally:
        _reference_only = before


def report(model: torch.nn.Module) -> Report:
    """Which backend each layer ran on in its last forward, and why.

    Example:
        >>> from eqgraph.nn import TensorProductConv
        >>> print(report(TensorProductConv("2x0e", "0e")))
        layer  kind               backend  reason
               TensorProductConv  none     has not run yet
    """
    rows = []
    for name, module in model.named_modules():
        if hasattr(module, "ran"):
            backend = module.ran or Backend("none", "has not run yet")
            rows.append(LayerBackend(name, type(module).__name__, *backend))
    return Report(rows)


def _obstacle(requested: str, device: torch.device, dtype: torch.dtype) -> str | None:
    """Why kernels cannot run, None if they can."""
    if device.type not in ("cpu", "cuda"):
        return f"there are no kernels for device '{device.type}'"
    if requested in ("cpu", "gpu") and requested != ("gpu" if device.type == "cuda" else "cpu"):
        return f"the tensors are on device '{device.type}'"
    if dtype not in _DTYPES:
        return f"kernels compute in float32 and float64, the features are {str(dtype).removeprefix('torch.')}"
    package = "llvmlite" if device.type == "cpu" else "triton"
    if not _INSTALLED[package]:
        return f"the package {package} is not installed"
    return None


@cache
def _warn(reason: str) -> None:
    warnings.warn(f"eqgraph runs on its slow reference implementation: {reason}.", RuntimeWarning, stacklevel=2)
