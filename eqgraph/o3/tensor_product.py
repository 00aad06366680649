"""Bilinear maps that commute with rotations and inversion: sums of weighted Clebsch-Gordan products."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from .irreps import Irreps, IrrepsLike
from .tensor_product_plan import Instruction, plan_tensor_product
from .weights import PathWeights
from .wigner import wigner_3j

_PAIRED = ("uuw", "uuu", "uvu<v", "u<vw")  # copies meet one to one; in the other modes each meets all


class TensorProduct(PathWeights):
    """Couple two features by a list of paths; each takes one entry of either input to one entry of the output.

    With z = C(x, y) the product in which C couples the irreps of two copies, the modes of a path are

        uvw    z_uv,  out_w = Σ_uv W_uvw z_uv        uuw    z_u = C(x_u, y_u),  out_w = Σ_u W_uw z_u
        uvu    z_uv,  out_u = Σ_v W_uv z_uv          uuu    z_u = C(x_u, y_u),  out_u = W_u z_u
        uvv    z_uv,  out_v = Σ_u W_uv z_uv          uvu<v  z_uv with u < v only,  out_uv = W_uv z_uv
        uvuv   z_uv,  out_uv = W_uv z_uv             u<vw   z_uv with u < v only,  out_w = Σ_uv W_uvw z_uv

    and without weights W is 1. Inputs and weights of variance 1 give outputs of variance 1, see `plan_tensor_product`.

    Args:
        irreps_in1: irreps of the first input.
        irreps_in2: irreps of the second input.
        irreps_out: irreps of the output.
        instructions: paths (i_in1, i_in2, i_out, connection_mode, has_weight[, path_weight]). path_weight, 1 by
            default, multiplies the variance of the path.
        in1_var: variance of each entry of irreps_in1, by default 1.
        in2_var: variance of each entry of irreps_in2, by default 1.
        out_var: variance wanted of each entry of irreps_out, by default 1.
        irrep_normalization: "component" (default), "norm" or "none": what has variance 1, components or norms.
        path_normalization: "element" (default): each product that adds to an output counts the same; "path": each path
            does; or "none".
        internal_weights: whether the module owns its weights; by default yes, if it has any and they are shared.
        shared_weights: whether all samples have the same weights; False means that they are passed to `forward`.

    Attributes:
        instructions: the paths, with coefficients.
        weight: (weight_numel,) the weights of each path that has any, row by row.
        output_mask: (dim,) ones, and zeros where the output is always zero.

    Raises:
        ValueError: if a path is not possible, a list of variances has the wrong length, a name is unknown, or internal
            weights shall not be shared.
        IndexError: if an instruction points outside the irreps.

    Example:
        >>> cross = TensorProduct("8x1o", "8x1o", "8x1e", [(0, 0, 0, "uuu", False)])
        >>> cross
        TensorProduct(8x1o x 8x1o -> 8x1e | 8 paths | 0 weights)
        >>> cross(torch.randn(10, 24), torch.randn(24)).shape
        torch.Size([10, 24])

    Reference: Geiger & Smidt 2022, arXiv:2207.09453, section 5.
    """

    def __init__(
        self,
        irreps_in1: IrrepsLike,
        irreps_in2: IrrepsLike,
        irreps_out: IrrepsLike,
        instructions: Sequence[tuple],
        in1_var: Sequence[float] | None = None,
        in2_var: Sequence[float] | None = None,
        out_var: Sequence[float] | None = None,
        irrep_normalization: str | None = None,
        path_normalization: str | None = None,
        internal_weights: bool | None = None,
        shared_weights: bool | None = None,
    ):
        irreps_in1, irreps_in2, irreps_out = Irreps(irreps_in1), Irreps(irreps_in2), Irreps(irreps_out)
        plan = plan_tensor_product(
            irreps_in1,
            irreps_in2,
            irreps_out,
            instructions,
            in1_var,
            in2_var,
            out_var,
            irrep_normalization,
            path_normalization,
        )
        super().__init__(internal_weights, shared_weights, [ins.path_shape if ins.has_weight else None for ins in plan])
        self.irreps_in1, self.irreps_in2, self.irreps_out, self.instructions = irreps_in1, irreps_in2, irreps_out, plan
        self._register("weight", torch.randn(self.weight_numel))
        written = {ins.i_out for ins in plan if ins.path_weight != 0 and 0 not in ins.path_shape}
        mask = [float(i in written) for i, mul_ir in enumerate(irreps_out) for _ in range(mul_ir.dim)]
        self.register_buffer("output_mask", torch.tensor(mask))

        # plain numbers for forward, so that torch.compile need not look into Irreps
        self._blocks = tuple([(mul, ir.dim) for mul, ir in irreps] for irreps in (irreps_in1, irreps_in2, irreps_out))
        tables = [self._table(ins) for ins in plan]
        self._table_shapes = [table.shape for table in tables]
        self.register_buffer("_tables", torch.empty(0), persistent=False)
        self._fill_tables()

    def forward(
        self,
        x: Float[Tensor, "*#batch dim_in1"],
        y: Float[Tensor, "*#batch dim_in2"],
        weight: Tensor | Sequence[Tensor] | None = None,
    ) -> Float[Tensor, "*batch_out dim_out"]:
        """The product of x and y.

        Args:
            x: features of irreps_in1.
            y: features of irreps_in2.
            weight: (..., weight_numel), in place of the module's own; or a list with the weights (..., *path_shape) of
                each path that has any. Leading axes broadcast with those of x and y.

        Raises:
            ValueError: if x, y or weight has the wrong shape, or the module has no weights and none are given.
        """
        if isinstance(weight, list | tuple):
            shapes = [shape for shape in self._path_shapes if shape is not None]
            weight = torch.cat([w.flatten(-len(shape)) for w, shape in zip(weight, shapes, strict=True)], dim=-1)
        weight = self._own_or_given("weight", weight, self.weight_numel)
        xs, ys = self._split(x, 0), self._split(y, 1)
        batch = torch.broadcast_shapes(x.shape[:-1], y.shape[:-1], weight.shape[:-1])

        weights = weight.split(self.path_sizes, dim=-1)
        tables = self._tables.split([rows * cols for rows, cols in self._table_shapes])
        outputs: list[Tensor | None] = [None] * len(self._blocks[2])
        for ins, w, table, shape in zip(self.instructions, weights, tables, self._table_shapes, strict=True):
            z = _couple(ins.connection_mode, xs[ins.i_in1], ys[ins.i_in2], table.view(shape))
            z = _weigh(ins.connection_mode, z, w.unflatten(-1, ins.path_shape) if ins.has_weight else None)
            outputs[ins.i_out] = z if outputs[ins.i_out] is None else outputs[ins.i_out] + z

        blocks = [
            x.new_zeros(*batch, mul * dim) if z is None else z.expand(*batch, mul, dim).flatten(-2)
            for z, (mul, dim) in zip(outputs, self._blocks[2], strict=True)
        ]
        return blocks[0] if len(blocks) == 1 else torch.cat([x.new_zeros(*batch, 0), *blocks], dim=-1)

    def right(
        self, y: Float[Tensor, "*batch dim_in2"], weight: Tensor | None = None
    ) -> Float[Tensor, "*batch_out dim_in1 dim_out"]:
        """The matrix of the linear map from x to the product: forward(x, y) = x @ right(y).

        Args:
            y: features of irreps_in2.
            weight: (..., weight_numel), in place of the module's own.

        Raises:
            ValueError: as `forward`.
        """
        units = torch.eye(self.irreps_in1.dim, dtype=y.dtype, device=y.device)
        return self(units, y.unsqueeze(-2), None if weight is None else weight.unsqueeze(-2))

    def __repr__(self) -> str:
        num_paths = sum(torch.Size(ins.path_shape).numel() for ins in self.instructions)
        return (
            f"{self._get_name()}({self.irreps_in1.simplify()} x {self.irreps_in2.simplify()} -> "
            f"{self.irreps_out.simplify()} | {num_paths} paths | {self.weight_numel} weights)"
        )

    def _split(self, features: Tensor, which: int) -> list[Tensor]:
        """The entries of an input, each (..., mul, 2l + 1)."""
        sizes = [mul * dim for mul, dim in self._blocks[which]]
        if features.shape[-1] != sum(sizes):
            raise ValueError(
                f"{self._get_name()}: expected input {which + 1} of shape (..., {sum(sizes)}) for "
                f"'{(self.irreps_in1, self.irreps_in2)[which]}', got {tuple(features.shape)}. Check its irreps."
            )
        blocks = features.split(sizes, dim=-1)
        return [block.unflatten(-1, shape) for block, shape in zip(blocks, self._blocks[which], strict=True)]

    def _table(self, ins: Instruction) -> Tensor:
        """The coupling of a path times its coefficient, as the matrix that `_couple` multiplies by."""
        ir1, ir2, ir_out = self.irreps_in1[ins.i_in1].ir, self.irreps_in2[ins.i_in2].ir, self.irreps_out[ins.i_out].ir
        table = ins.path_weight * wigner_3j(ir1.l, ir2.l, ir_out.l, torch.float64)
        return table.flatten(0, 1) if ins.connection_mode in _PAIRED else table.transpose(0, 1).flatten(1)

    def _fill_tables(self) -> None:
        tables = [self._table(ins).flatten() for ins in self.instructions]
        self._tables = torch.cat([torch.empty(0, dtype=torch.float64), *tables]).to(self.output_mask)

    def _apply(self, fn, recurse: bool = True) -> "TensorProduct":
        super()._apply(fn, recurse)
        self._fill_tables()  # a table that was float32 before .double() would break equivariance from the 8th digit on
        return self


def _couple(mode: str, x: Tensor, y: Tensor, table: Tensor) -> Tensor:
    """(..., u, i), (..., v, j) -> (..., u, v, k), or (..., u, k) for the modes in which copies meet one to one."""
    if mode in _PAIRED:
        if "<" in mode:
            u, v = torch.triu_indices(x.shape[-2], x.shape[-2], offset=1, device=x.device)
            x, y = x.index_select(-2, u), y.index_select(-2, v)
        return (x.unsqueeze(-1) * y.unsqueeze(-2)).flatten(-2) @ table  # (..., u, i j) @ (i j, k)
    if x.shape[-1] == 1:  # scalars: C is a multiple of the identity
        return x.unsqueeze(-2) * (y @ table).unsqueeze(-3)
    if y.shape[-1] == 1:
        return (x @ table.view(x.shape[-1], -1)).unsqueeze(-2) * y.unsqueeze(-3)
    matrix = (y @ table).unflatten(-1, (x.shape[-1], -1)).transpose(-3, -2)  # (..., i, v, k)
    return (x @ matrix.flatten(-2)).unflatten(-1, matrix.shape[-2:])


def _weigh(mode: str, z: Tensor, w: Tensor | None) -> Tensor:
    """Multiply by weights, and sum over copies: (..., copies of the output, k)."""
    if mode == "uvw":
        return _mix(z.flatten(-3, -2), w.flatten(-3, -2))
    if mode == "u<vw" or (mode == "uuw" and w is not None):
        return _mix(z, w)
    if w is not None:
        z = w.unsqueeze(-1) * z
    match mode:
        case "uvu":
            return z.sum(-2)
        case "uvv":
            return z.sum(-3)
        case "uuw":
            return z.sum(-2, keepdim=True)
        case "uvuv":
            return z.flatten(-3, -2)
        case _:
            return z


def _mix(z: Tensor, w: Tensor) -> Tensor:
    """(..., u, k), (..., u, w) -> (..., w, k)."""
    return (z.mT @ w).mT
