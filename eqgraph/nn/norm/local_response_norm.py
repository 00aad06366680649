"""Local response normalization that commutes with rotations and inversion."""

from collections.abc import Iterator

import torch
from torch import Tensor

from eqgraph.o3 import Irreps
from eqgraph.ops.library import devices
from eqgraph.ops.local_responses import LocalResponse, Run

from .by_kernels import by_kernels
from .layout import sum_components, to_components
from .nodes import Nodes
from .norm import Norm
from .options import check_choice
from .row_blocks import in_row_blocks
from .type_blocks import TypeBlocks

_LARGEST_SIZE, _LARGEST_DIM = 32, 9
"""Of what kernels are written: they list the irreps that are near, and shuffle the components of one."""


class LocalResponseNorm(Norm):
    """Divide each irrep by a power of the mean square of its neighbors among the irreps of the same type.

    y_c = x_c / (k + α / size · Σ_{c' near c} q_c')^β,  q = |x|² / (2l + 1) ("component") or |x|² ("norm")

    The irreps of each type (l, p) stand in the order in which they appear, whatever entries they are in. Near c are the size // 2
    before it, itself, and the (size - 1) // 2 after it; beyond the ends q is zero.

    Args:
        irreps: irreps of the input.
        size: how many irreps are near, c counted.
        alpha: α.
        beta: β.
        k: greater than zero, so that the output is smooth where all are zero.
        normalization: "component" or "norm".

    Raises:
        ValueError: if size or k is not positive, for an unknown normalization, or an input that does not fit.

    Example:
        >>> norm = LocalResponseNorm("4x0e + 1x1o", size=2)
        >>> norm, norm(torch.randn(10, 7)).shape
        (LocalResponseNorm (4x0e+1x1o, size=2, alpha=0.0001, beta=0.75, k=1.0), torch.Size([10, 7]))

    Reference: Krizhevsky et al. 2012, section 3.3 ("ImageNet classification with deep convolutional neural networks"); the window is
    that of torch.nn.LocalResponseNorm, which this is on scalars.
    """

    is_local = True

    def __init__(
        self,
        irreps: Irreps | str,
        size: int,
        alpha: float = 1e-4,
        beta: float = 0.75,
        k: float = 1.0,
        normalization: str = "component",
    ) -> None:
        super().__init__(irreps)
        check_choice(self, "normalization", normalization, ("component", "norm"))
        if size < 1 or not k > 0:
            raise ValueError(
                f"LocalResponseNorm: expected size >= 1 and k > 0, got size={size} and k={k}. With k = 0 zero is divided by zero where "
                "all features near are zero; use a small k."
            )
        self.size, self.alpha, self.beta, self.k, self.normalization = size, alpha, beta, k, normalization
        self.types = TypeBlocks(self.irreps)
        for number, (mul, _, _) in enumerate(self.types.types):
            offset = torch.arange(mul).unsqueeze(1) - torch.arange(mul)  # of the neighbor (row) from the irrep (column)
            near = (offset >= -(size // 2)) & (offset <= (size - 1) // 2)
            self.register_buffer(f"_near_{number}", near, persistent=False)
        has_kernel = beta == 0.75 and size <= _LARGEST_SIZE and all(ir.dim <= _LARGEST_DIM for _, ir in self.irreps)
        self._response = LocalResponse(tuple(self._runs()), size, k) if has_kernel else None

    def _runs(self) -> Iterator[Run]:
        share, kinds = self.alpha / self.size, sorted({ir for mul, ir in self.irreps if mul})
        positions = [0] * len(kinds)
        for (start, mul, dim, _), (_, ir) in zip(self.layout.blocks, self.irreps, strict=True):
            if mul:
                kind = kinds.index(ir)
                divisor = dim if self.normalization == "component" else 1
                yield Run(start, mul, dim, kind, positions[kind], share / divisor)
                positions[kind] += mul

    def extra_repr(self) -> str:
        return f"size={self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"

    def normalize(self, x: Tensor, nodes: Nodes) -> Tensor:
        if self._response is None:
            return self._by_formula(x)
        return by_kernels(
            self._by_formula,
            lambda x: devices(x).local_response(x, self._response),
            lambda g, x: (devices(x).local_response_backward(g, x, self._response),),
            x,
        )

    def _by_formula(self, x: Tensor) -> Tensor:
        return in_row_blocks(self.normalize_rows, x, gradient=self.gradient)

    def normalize_rows(self, x: Tensor) -> Tensor:
        """Each row on its own."""
        parts = zip(self.types.split(x), self._windows(x.dtype), self.types.types, strict=True)
        return self.types.join(
            [part * to_components(self._power(self._sums(part, near)), dim) for part, near, (_, dim, _) in parts]
        )

    def gradient(self, g: Tensor, x: Tensor) -> tuple[Tensor]:
        """That of normalize_rows, in fewer passes than autograd's: with y = x f, f = s^-β, df = -β f / s ds."""
        out = []
        with torch.no_grad():
            parts = zip(self.types.split(g), self.types.split(x), self._windows(x.dtype), self.types.types, strict=True)
            for of_output, part, near, (_, dim, _) in parts:
                sums = self._sums(part, near)
                factors = self._power(sums)
                of_sums = sum_components(of_output * part, dim).mul_(factors).div_(sums).mul_(-2 * self.beta)
                result = of_output * to_components(factors, dim)
                out.append(result.addcmul_(part, to_components(of_sums @ near.T, dim)))
            return (self.types.join(out),)

    def _sums(self, part: Tensor, near: Tensor) -> Tensor:
        """(rows, mul (2l + 1)) of one type -> (rows, mul): k + α / size Σ q."""
        return torch.addmm(part.new_full((1,), self.k), sum_components(part.square(), part.shape[1] // len(near)), near)

    def _windows(self, dtype: torch.dtype) -> list[Tensor]:
        """For each type (mul, mul): how much |x|² of an irrep (row) counts in the sum about another (column)."""
        return [
            getattr(self, f"_near_{number}").to(dtype)
            * (self.alpha / self.size / (dim if self.normalization == "component" else 1))
            for number, (_, dim, _) in enumerate(self.types.types)
        ]

    def _power(self, sums: Tensor) -> Tensor:
        if self.beta == 0.75:  # square roots are many times faster than powers
            root = sums.rsqrt()
            return root * root.sqrt()
        return sums.pow(-self.beta)
