"""The most general linear map that commutes with rotations and inversion (Schur's lemma)."""

import math
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from eqgraph import ops

from .irreps import Irreps, IrrepsLike
from .weights import PathWeights


class LinearInstruction(NamedTuple):
    """One path: from entry i_in to entry i_out, by path_weight W with W of shape path_shape = (mul_in, mul_out)."""

    i_in: int
    i_out: int
    path_shape: tuple[int, int]
    path_weight: float


class Linear(PathWeights):
    """Mix the copies of each irrep: y_w = path_weight Σ_u W_uw x_u, summed over all inputs of the same irrep.

    Weights are drawn from N(0, 1), and path_weight makes the variance of the output that of the input. Outputs for
    which there is no input of the same irrep are zero; `output_mask` tells which are not.

    Args:
        irreps_in: irreps of the input.
        irreps_out: irreps of the output.
        f_in: if given, together with f_out, features are (..., f_in, dim) and that axis is mixed too.
        f_out: length of that axis in the output.
        internal_weights: whether the module owns its weights; by default yes, if it has any and they are shared.
        shared_weights: whether all samples have the same weights; False means that they are passed to `forward`.
        instructions: pairs (i_in, i_out) to connect; by default all that have the same irrep.
        biases: whether 0e outputs have a bias; or one bool per entry of irreps_out.
        path_normalization: "element": each input component counts the same; "path": each path counts the same.

    Attributes:
        weight: (weight_numel,) or (f_in, f_out, weight_numel): the W of each instruction, row by row.
        bias: (bias_numel,) or (f_out, bias_numel), zero at first.
        table: ops.LinearTable of the map.
        output_mask: (dim,) ones, and zeros where the output is always zero.

    Raises:
        ValueError: if an instruction joins different irreps, a bias is asked for on anything but 0e, only one of f_in
            and f_out is given, internal weights shall not be shared, or path_normalization is another word.
        IndexError: if an instruction points outside the irreps.

    Example:
        >>> linear = Linear("0e + 1o", "2x0e + 2x1o")
        >>> linear
        Linear(1x0e+1x1o -> 2x0e+2x1o | 4 weights)
        >>> linear(torch.randn(10, 4)).shape
        torch.Size([10, 8])

    Reference: Geiger & Smidt 2022, arXiv:2207.09453, section 4.
    """

    def __init__(
        self,
        irreps_in: IrrepsLike,
        irreps_out: IrrepsLike,
        *,
        f_in: int | None = None,
        f_out: int | None = None,
        internal_weights: bool | None = None,
        shared_weights: bool | None = None,
        instructions: list[tuple[int, int]] | None = None,
        biases: bool | list[bool] = False,
        path_normalization: str = "element",
    ):
        irreps_in, irreps_out = Irreps(irreps_in), Irreps(irreps_out)
        if (f_in is None) != (f_out is None):
            raise ValueError(
                f"Linear: expected both f_in and f_out or none, got f_in={f_in}, f_out={f_out}. Give both."
            )
        plan = _plan(irreps_in, irreps_out, instructions, f_in or 1, path_normalization)
        super().__init__(internal_weights, shared_weights, [ins.path_shape for ins in plan])
        self.irreps_in, self.irreps_out, self.instructions = irreps_in, irreps_out, plan
        self.f_in, self.f_out = f_in, f_out

        self._biased = _biased_entries(irreps_out, biases)
        self.bias_numel = sum(irreps_out[i].mul for i in self._biased)
        if internal_weights is None and self.shared_weights and self.bias_numel > 0:
            self.internal_weights = True
        f = () if f_in is None else (f_in, f_out)
        self._register("weight", torch.randn(*f, self.weight_numel))
        self._register("bias", torch.zeros(*f[1:], self.bias_numel))
        self.register_buffer("scales", torch.empty(0), persistent=False)
        self._fill_scales()

        written = {ins.i_out for ins in plan if math.prod(ins.path_shape) > 0} | set(self._biased)
        mask = [float(i in written) for i, mul_ir in enumerate(irreps_out) for _ in range(mul_ir.dim)]
        self.register_buffer("output_mask", torch.tensor(mask))

        # plain numbers for forward, so that torch.compile need not look into Irreps
        self._in_blocks = [(mul, ir.dim) for mul, ir in irreps_in]
        self._out_blocks = [(mul, ir.dim) for mul, ir in irreps_out]
        self.table = ops.LinearTable(
            tuple(ops.Block(ir.l, mul) for mul, ir in irreps_in),
            tuple(ops.Block(ir.l, mul) for mul, ir in irreps_out),
            tuple((ins.i_in, ins.i_out) for ins in plan),
        )

    def _fill_scales(self) -> None:
        """path_weight of each weight."""
        scales = [ins.path_weight for ins in self.instructions]
        sizes = torch.tensor(self.path_sizes, dtype=torch.int64)
        self.scales = torch.tensor(scales, dtype=torch.float64).repeat_interleave(sizes).to(self.weight)

    def _apply(self, fn, recurse: bool = True) -> "Linear":
        super()._apply(fn, recurse)
        self._fill_scales()  # with all the digits of the new type
        return self

    def forward(
        self,
        features: Float[Tensor, "*batch dim_in"],
        weight: Tensor | None = None,
        bias: Tensor | None = None,
    ) -> Float[Tensor, "*batch_out dim_out"]:
        """Apply the map.

        Args:
            features: (..., dim_in) or (..., f_in, dim_in).
            weight: (..., weight_numel) or (..., f_in, f_out, weight_numel), in place of the module's own.
            bias: (..., bias_numel) or (..., f_out, bias_numel), in place of the module's own.

        Raises:
            ValueError: if features, weight or bias has the wrong shape, or weights are neither owned nor given.
        """
        weight = self._own_or_given("weight", weight, self.weight_numel)
        bias = self._own_or_given("bias", bias, self.bias_numel)
        sizes = [mul * dim for mul, dim in self._in_blocks]
        expected = (sum(sizes),) if self.f_in is None else (self.f_in, sum(sizes))
        batch, shape = features.shape[: -len(expected)], features.shape[-len(expected) :]
        if shape != expected:
            raise ValueError(
                f"Linear: expected features of shape (..., {', '.join(map(str, expected))}) for "
                f"irreps_in='{self.irreps_in}', got {tuple(features.shape)}. Check their irreps."
            )
        if self.f_in is None:
            batch = torch.broadcast_shapes(batch, weight.shape[:-1], bias.shape[:-1])
        else:
            batch = (*torch.broadcast_shapes(batch, weight.shape[:-3], bias.shape[:-2]), self.f_out)

        inputs = features.split(sizes, dim=-1)
        outputs: list[Tensor | None] = [None] * len(self._out_blocks)
        for ins, w in zip(self.instructions, weight.split(self.path_sizes, dim=-1), strict=True):
            if 0 in ins.path_shape:
                continue
            x = inputs[ins.i_in].unflatten(-1, self._in_blocks[ins.i_in])
            w = ins.path_weight * w.unflatten(-1, ins.path_shape)
            y = (x.mT @ w).mT if self.f_in is None else torch.einsum("...fui,...fguw->...gwi", x, w)
            outputs[ins.i_out] = y if outputs[ins.i_out] is None else outputs[ins.i_out] + y

        for i, b in zip(self._biased, bias.split([self._out_blocks[i][0] for i in self._biased], dim=-1), strict=True):
            b = b.unsqueeze(-1)
            outputs[i] = b if outputs[i] is None else outputs[i] + b
        blocks = [
            features.new_zeros(*batch, mul * dim) if y is None else y.expand(*batch, mul, dim).flatten(-2)
            for y, (mul, dim) in zip(outputs, self._out_blocks, strict=True)
        ]
        if len(blocks) == 1:
            return blocks[0]
        return torch.cat([features.new_zeros(*batch, 0), *blocks], dim=-1)

    def forward_flat(self, features: Float[Tensor, " numbers"], backend: str = "auto") -> Float[Tensor, " numbers_out"]:
        """The same map of features in one vector: see eqgraph.o3.blocks.

        Only for weights of the module's own, without f_in and biases.

        Args:
            features: (numbers,) in irreps_in.
            backend: see ops.linear.
        """
        return ops.linear(features, (self.scales * self.weight).unsqueeze(0), None, self.table, backend)

    def __repr__(self) -> str:
        return f"Linear({self.irreps_in} -> {self.irreps_out} | {self.weight_numel} weights)"


def _plan(
    irreps_in: Irreps,
    irreps_out: Irreps,
    instructions: list[tuple[int, int]] | None,
    f_in: int,
    path_normalization: str,
) -> list[LinearInstruction]:
    if path_normalization not in ("element", "path"):
        raise ValueError(
            f"Linear: expected path_normalization 'element' or 'path', got {path_normalization!r}. Choose one."
        )
    if instructions is None:
        instructions = [
            (i_in, i_out)
            for i_in, (_, ir_in) in enumerate(irreps_in)
            for i_out, (_, ir_out) in enumerate(irreps_out)
            if ir_in == ir_out
        ]
    for i_in, i_out in instructions:
        if not (0 <= i_in < len(irreps_in) and 0 <= i_out < len(irreps_out)):
            raise IndexError(
                f"Linear: expected instructions (i_in, i_out) with i_in < {len(irreps_in)} ('{irreps_in}') and "
                f"i_out < {len(irreps_out)} ('{irreps_out}'), got ({i_in}, {i_out}). Count from 0."
            )
        if irreps_in[i_in].ir != irreps_out[i_out].ir:
            raise ValueError(
                f"Linear: expected the same irrep at both ends of a path, got ({i_in}, {i_out}), which joins "
                f"'{irreps_in[i_in]}' to '{irreps_out[i_out]}'. Only equal irreps mix linearly; remove the path."
            )

    plan = []
    for i_in, i_out in instructions:
        mul_in = irreps_in[i_in].mul
        siblings = [irreps_in[i].mul for i, o in instructions if o == i_out]
        terms = f_in * (sum(siblings) if path_normalization == "element" else mul_in * len(siblings))
        plan.append(LinearInstruction(i_in, i_out, (mul_in, irreps_out[i_out].mul), max(terms, 1) ** -0.5))
    return plan


def _biased_entries(irreps_out: Irreps, biases: bool | list[bool]) -> list[int]:
    if isinstance(biases, bool):
        return [i for i, (_, ir) in enumerate(irreps_out) if biases and ir.is_scalar()]
    biases = list(biases)
    if len(biases) != len(irreps_out) or any(
        b and not ir.is_scalar() for b, (_, ir) in zip(biases, irreps_out, strict=True)
    ):
        raise ValueError(
            f"Linear: expected biases to be one bool per entry of irreps_out='{irreps_out}', True for 0e only, "
            f"got {biases}. Pass biases=True for a bias on every 0e."
        )
    return [i for i, b in enumerate(biases) if b]
