"""Normalizations that find out from their first batch how wide they are."""

import warnings

from torch import Tensor
from torch.nn.modules.lazy import LazyModuleMixin
from torch.nn.parameter import UninitializedParameter, is_lazy

from eqgraph.o3 import Irreps

from .batch_norm import BatchNorm
from .instance_norm import InstanceNorm
from .layout import Layout


class LazyNorm(LazyModuleMixin):
    """Mixed into a normalization: irreps are a template times a whole number k, which the first batch or a state dict tells.

    Args:
        template: irreps; None: "0e".
        arguments: of the normalization, after its irreps.
        options: of the normalization.

    Attributes:
        template: what was given; None as soon as irreps are known.
    """

    def __init__(self, template: Irreps | str | None = None, *arguments, **options) -> None:
        template = Irreps("0e" if template is None else template)
        if template.dim == 0:
            raise ValueError(
                f"{type(self).__name__}: expected a template of at least one irrep, got '{template}': no multiple of it has features. "
                "Give irreps such as '2x0e + 1x1o', or None for scalars."
            )
        with warnings.catch_warnings():  # some versions of torch call lazy modules new
            warnings.filterwarnings("ignore", "Lazy modules")
            super().__init__(template, *arguments, **options)
        self.template = template
        self._text = f"k × ({template})"
        for name, parameter in list(self._parameters.items()):
            if parameter is not None:
                self._parameters[name] = UninitializedParameter(dtype=parameter.dtype)
        for name in self._sized_buffers():  # torch's uninitialized buffers cannot be copied
            self._buffers[name] = self._buffers[name].new_empty(0)

    def initialize_parameters(self, x: Tensor, *_, **__) -> None:
        """Called with the arguments of the first forward."""
        if self.template is None:
            return
        multiple, rest = divmod(x.shape[-1], self.template.dim)
        if rest or not multiple:
            raise ValueError(
                f"{type(self).__name__}: expected the last axis to be a multiple of {self.template.dim} for the template "
                f"'{self.template}', got {tuple(x.shape)}. Check the template, or the irreps of the layer before."
            )
        self._materialize(multiple)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """As the class that it becomes; nothing as long as there are no parameters."""
        if self.template is None:
            super().reset_parameters()

    def _materialize(self, multiple: int) -> None:
        """Parameters and buffers without values for k = multiple."""
        device = self.layout.copy_of_column.device
        self.irreps = Irreps([(multiple * mul, ir) for mul, ir in self.template])
        self.layout, self._text, self.template = Layout(self.irreps).to(device), str(self.irreps), None
        sizes = {"bias": self.layout.num_scalars, "running_mean": self.layout.num_scalars}
        for name, parameter in self._parameters.items():
            if parameter is not None:
                parameter.materialize((sizes.get(name, self.layout.num_copies),))
        for name in self._sized_buffers():
            self._buffers[name] = self._buffers[name].new_empty(sizes.get(name, self.layout.num_copies))

    def _sized_buffers(self) -> list[str]:
        """Names of the running statistics; empty as long as the width is unknown."""
        return [name for name in ("running_mean", "running_var") if self._buffers[name] is not None]

    def _lazy_load_hook(self, state_dict, prefix, *arguments) -> None:
        for name in ("weight", "running_var"):
            values = state_dict.get(prefix + name)
            if self.template is None or values is None or is_lazy(values) or not len(values):
                continue  # nothing to learn: known, not saved, or saved before its first batch
            multiple, rest = divmod(len(values), self.template.num_irreps)
            if rest or not multiple:
                raise ValueError(
                    f"{type(self).__name__}: expected the size of {prefix}{name} to be a multiple of {self.template.num_irreps} "
                    f"for the template '{self.template}', got {len(values)}. Use the template of the layer that was saved."
                )
            self._materialize(multiple)
        super()._lazy_load_hook(state_dict, prefix, *arguments)


class LazyBatchNorm(LazyNorm, BatchNorm):
    """A BatchNorm that takes its irreps from the width of the first batch, and then is a BatchNorm.

    The irreps are those of the template with all multiplicities times k = width / template.dim: a width alone does not tell what
    transforms how (5 columns may be 5x0e or 2x0e+1x1o). Create optimizers and convert_sync_batchnorm after the first batch.

    Args:
        template: irreps of which the input is a multiple; None: the input is scalars, as in torch.
        arguments: those of BatchNorm after irreps, in order.
        options: those of BatchNorm, by name.

    Raises:
        ValueError: if the width of the first batch, or a state dict, is no multiple of the template.

    Example:
        >>> import torch
        >>> norm = LazyBatchNorm("1x0e + 1x1o")
        >>> y = norm(torch.randn(10, 32))
        >>> norm
        BatchNorm (8x0e+8x1o, eps=1e-05, momentum=0.1)

    Reference: semantics of torch.nn.LazyBatchNorm1d.
    """

    cls_to_become = BatchNorm


class LazyInstanceNorm(LazyNorm, InstanceNorm):
    """An InstanceNorm that takes its irreps from the width of the first batch, and then is an InstanceNorm.

    Args:
        template: irreps of which the input is a multiple, see LazyBatchNorm; None: the input is scalars.
        arguments: those of InstanceNorm after irreps, in order.
        options: those of InstanceNorm, by name.

    Raises:
        ValueError: if the width of the first batch, or a state dict, is no multiple of the template.

    Example:
        >>> import torch
        >>> norm = LazyInstanceNorm("1x0e + 1x1o")
        >>> y = norm(torch.randn(10, 32))
        >>> norm
        InstanceNorm (8x0e+8x1o, eps=1e-05)

    Reference: semantics of torch.nn.LazyInstanceNorm1d.
    """

    cls_to_become = InstanceNorm
