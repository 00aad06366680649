"""Tests that users can run on layers of their own."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from eqgraph.o3 import Irreps, rand_matrix


def assert_equivariant(
    function: Callable[..., Tensor | Sequence[Tensor]],
    irreps_in: Irreps | str | Sequence[Irreps | str],
    irreps_out: Irreps | str | Sequence[Irreps | str],
    *,
    inputs: Sequence[Tensor] | None = None,
    num_rows: int = 5,
    tolerance: float = 1e-10,
) -> None:
    """Check f(D_in(R) x) = D_out(R) f(x) in float64 for a random improper rotation R.

    Improper rotations generate all of O(3), so one check covers rotations and inversion.

    Args:
        function: takes one (num_rows, dim) float64 tensor per entry of irreps_in; returns one tensor (rows, dim) per entry of
            irreps_out. Modules must have been moved to float64.
        irreps_in: irreps of the inputs; one, or a list for several inputs.
        irreps_out: irreps of the outputs, likewise.
        inputs: the inputs x; drawn from N(0, 1) if None.
        num_rows: rows of the inputs that are drawn.
        tolerance: largest error allowed, relative to the largest entry of the output.

    Raises:
        AssertionError: if the error is larger; the message names the irreps that broke.

    Example:
        >>> from eqgraph import nn
        >>> norm = nn.BatchNorm("2x0e + 1x1o").double()
        >>> assert_equivariant(norm, "2x0e + 1x1o", "2x0e + 1x1o")
    """
    irreps_in, irreps_out = _listed(irreps_in), _listed(irreps_out)
    if inputs is None:
        inputs = [irreps.randn(num_rows, -1, dtype=torch.float64) for irreps in irreps_in]
    rotation = -rand_matrix(dtype=torch.float64)
    turned = [x @ irreps.D_from_matrix(rotation).T for x, irreps in zip(inputs, irreps_in, strict=True)]
    before, after = _outputs(function(*inputs)), _outputs(function(*turned))
    if len(before) != len(irreps_out):
        raise AssertionError(
            f"expected {len(irreps_out)} outputs, one per entry of irreps_out, got {len(before)}. Give the irreps of each."
        )
    if any(y.dtype != torch.float64 for y in before):
        raise AssertionError(
            f"expected float64 outputs, got {[str(y.dtype) for y in before]}: rounding would hide errors. Call .double() on the "
            "module first."
        )
    for index, (y, z, irreps) in enumerate(zip(before, after, irreps_out, strict=True)):
        if y.shape[-1] != irreps.dim:
            raise AssertionError(
                f"output {index}: expected last axis {irreps.dim} ('{irreps}'), got shape {tuple(y.shape)}. Correct irreps_out."
            )
        expected = y @ irreps.D_from_matrix(rotation).T
        scale = max(expected.abs().max().item(), 1e-300) if expected.numel() else 1.0
        broken = [
            f"block {i} ({mul}x{ir}): relative error {error:.1e}"
            for i, ((mul, ir), where) in enumerate(zip(irreps, irreps.slices(), strict=True))
            if mul
            and z.numel()
            and not (error := (z - expected)[..., where].abs().max().item() / scale) <= tolerance  # NaN is broken too
        ]
        if broken:
            raise AssertionError(f"output {index} ('{irreps}') is not equivariant: " + "; ".join(broken))


def _listed(irreps: Irreps | str | Sequence[Irreps | str]) -> list[Irreps]:
    if isinstance(irreps, str | Irreps):
        return [Irreps(irreps)]
    return [Irreps(entry) for entry in irreps]


def _outputs(result: Tensor | Sequence[Tensor]) -> list[Tensor]:
    return [result] if isinstance(result, Tensor) else list(result)
