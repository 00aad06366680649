"""The equivariant graph convolution."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch_geometric.nn import MessagePassing

from eqgraph import ops
from eqgraph.o3 import Irreps, wigner_3j
from eqgraph.o3.blocks import from_flat, to_flat

from ..fully_connected import FullyConnectedNet
from .inputs import check_rows, sorted_edges
from .messages import from_rows, messages_are_watched, to_rows

_MAX_STORED_WEIGHTS = 1 << 22
"""More weights than this (16 MB in float32) do not fit in a cache: then they are made inside of the kernel, and never stored."""


class TensorProductConv(MessagePassing):
    """Convolution of node features with spherical harmonics of the edges, weighted by a radial network.

    out_i = 1/sqrt(n̄) Σ_{j → i} Σ_paths  w_path(|r_ij|) · (x_j ⊗ Y(r_ij))_path

    The product is channel-wise ("uvu"): every copy of an irrep of x meets Y on its own, so the output has one block per path, with
    the multiplicity of the input block; an o3.Linear before and after mixes channels. Input of unit variance and n̄ incoming edges give
    output of unit variance.

    Args:
        irreps_in: irreps of the sender features x.
        irreps_sh: irreps of the edge features, multiplicity one each: usually Irreps.spherical_harmonics(lmax).
        filter_ir_out: irreps to produce; all that occur if None.
        num_radial: width of the edge's radial features, the input of the radial network.
        radial_hidden: hidden widths of the radial network.
        avg_num_neighbors: n̄, the average number of incoming edges: a buffer, saved with the weights.
        backend: "auto", or the one backend to run on: "cpu", "gpu" or "reference" (see eqgraph.ops.report).

    Attributes:
        irreps_out: sorted irreps of the output.
        table: ops.PathTable of the product.
        ran: the backend that the last forward ran on, and why.
        paths: (block of irreps_in, block of irreps_sh, irrep of the product) of each path, in the order of the weights: sorted by block
            of irreps_in, then by degree of the product.

    Raises:
        ValueError: if an irrep of irreps_sh has a multiplicity other than one, no path reaches filter_ir_out, or avg_num_neighbors is
            not positive.

    Example:
        >>> conv = TensorProductConv("8x0e + 8x1o", "0e + 1o", filter_ir_out="0e + 1o", num_radial=4, radial_hidden=[16])
        >>> conv
        TensorProductConv(8x0e+8x1o -> 16x0e+16x1o, sh=1x0e+1x1o, paths=4, radial=[4, 16, 32])
        >>> x, edge_index = torch.randn(3, 32), torch.tensor([[0, 1], [1, 2]])
        >>> conv(x, edge_index, torch.randn(2, 4), torch.randn(2, 4)).shape
        torch.Size([3, 64])

    Reference: Thomas et al. 2018, arXiv:1802.08219; in this form Batzner et al. 2022, doi:10.1038/s41467-022-29939-5.
    """

    def __init__(
        self,
        irreps_in: Irreps | str,
        irreps_sh: Irreps | str,
        filter_ir_out: Irreps | str | None = None,
        *,
        num_radial: int = 8,
        radial_hidden: Sequence[int] = (64, 64),
        avg_num_neighbors: float = 1.0,
        backend: str = "auto",
    ) -> None:
        super().__init__(aggr="sum", node_dim=0)
        self.irreps_in, self.irreps_sh = Irreps(irreps_in), Irreps(irreps_sh)
        if backend not in ops.BACKENDS:
            raise ValueError(
                f"TensorProductConv: expected backend to be one of {', '.join(ops.BACKENDS)}, got {backend!r}. Choose one of these."
            )
        self.backend, self.ran = backend, None
        if any(mul != 1 for mul, _ in self.irreps_sh):
            raise ValueError(
                f"TensorProductConv: expected multiplicity one for every irrep of irreps_sh, got '{self.irreps_sh}'. "
                "Use Irreps.spherical_harmonics(lmax)."
            )
        if not (math.isfinite(avg_num_neighbors) and avg_num_neighbors > 0):
            raise ValueError(
                f"TensorProductConv: expected a positive avg_num_neighbors, got {avg_num_neighbors}. Use the mean number of "
                "incoming edges of the training graphs, or 1.0."
            )
        keep = None if filter_ir_out is None else {ir for _, ir in Irreps(filter_ir_out)}
        paths = [
            (i, j, ir)
            for i, (_, ir_in) in enumerate(self.irreps_in)
            for j, (_, ir_sh) in enumerate(self.irreps_sh)
            for ir in ir_in * ir_sh
            if keep is None or ir in keep
        ]
        self.paths = sorted(paths, key=lambda path: (path[0], path[2].l))
        if not self.paths:
            raise ValueError(
                f"TensorProductConv: expected a path from irreps_in='{self.irreps_in}' times irreps_sh='{self.irreps_sh}' to "
                f"filter_ir_out='{filter_ir_out}', found none. Ask for irreps that occur in the product."
            )
        self.irreps_out = Irreps([(self.irreps_in[i].mul, ir) for i, _, ir in self.paths]).sort().irreps.simplify()
        self.table = _path_table(self.irreps_in, self.irreps_sh, self.irreps_out, self.paths)
        self._in_sizes = [(mul, ir.dim) for mul, ir in self.irreps_in]
        self._out_sizes = [(mul, ir.dim) for mul, ir in self.irreps_out]
        self.radial = FullyConnectedNet([num_radial, *radial_hidden, self.table.num_weights], torch.nn.functional.silu)
        self.register_buffer("avg_num_neighbors", torch.tensor(float(avg_num_neighbors)))
        self.register_buffer("_coefficients", torch.empty(0), persistent=False)
        self._fill_coefficients()
        # plain numbers for forward, so that torch.compile need not look into Irreps
        self._dim_in, self._dim_sh, self._num_radial = self.irreps_in.dim, self.irreps_sh.dim, num_radial
        self._texts = {"x": f" ('{self.irreps_in}')", "edge_sh": f" ('{self.irreps_sh}')", "edge_radial": ""}

    def _fill_coefficients(self) -> None:
        self._coefficients = self.table.edge_matrix_coefficients().to(self.avg_num_neighbors)

    def _apply(self, fn, recurse: bool = True) -> "TensorProductConv":
        super()._apply(fn, recurse)
        self._fill_coefficients()  # what was rounded to float32 before .double() would break equivariance from the 8th digit on
        return self

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self.irreps_in} -> {self.irreps_out}, sh={self.irreps_sh}, "
            f"paths={len(self.paths)}, radial={self.radial.hs})"
        )

    def reset_parameters(self) -> None:
        """Draw the radial network anew."""
        super().reset_parameters()
        self.radial.reset_parameters()

    def forward(
        self,
        x: Tensor | tuple[Tensor, Tensor | None],
        edge_index: Tensor | ops.Edges,
        edge_sh: Tensor,
        edge_radial: Tensor,
        size: tuple[int, int] | None = None,
    ) -> Tensor:
        """One round of messages.

        Args:
            x: (nodes, irreps_in.dim), or a pair (x_src, x_dst) where receivers are other nodes than senders; of x_dst only the number
                of rows matters, and it may be None if size is given.
            edge_index: (2, edges) whole numbers, senders in the first row, receivers in the second; sorted once for each such tensor.
                Or ops.Edges that were sorted before.
            edge_sh: (edges, irreps_sh.dim) spherical harmonics of the vectors from sender to receiver.
            edge_radial: (edges, num_radial) radial features, usually a basis times an envelope. With ops.Edges that share weights:
                (rows of the weights, num_radial).
            size: numbers of senders and receivers, if they do not follow from x.

        Returns:
            (receivers, irreps_out.dim).

        Raises:
            ValueError: if a shape does not fit, or the backend that was asked for cannot run.
        """
        x_src, num_dst = self._senders_and_num_receivers(x, size)
        rows = x_src.shape[0]
        check_rows("TensorProductConv", "x", x_src, (rows, self._dim_in), self._texts["x"], self._dtype)
        edges = sorted_edges("TensorProductConv", edge_index, rows, num_dst)
        return from_flat(
            self.forward_flat(to_flat(x_src, self._in_sizes), edges, edge_sh, edge_radial), self._out_sizes
        )

    def forward_flat(self, x: Tensor, edges: ops.Edges, edge_sh: Tensor, edge_radial: Tensor) -> Tensor:
        """The same for features in one vector: see eqgraph.o3.blocks."""
        self._check_edges(edges, edge_sh, edge_radial)
        self.ran = self._choose_backend(edge_sh)
        if messages_are_watched(self):
            self.ran = ops.Backend("reference", "an explainer or a hook watches the messages")
            weight = (self.radial(edge_radial) * self.avg_num_neighbors.rsqrt()).index_select(0, edges.row)
            index, size = torch.stack([edges.src, edges.dst]), (edges.num_src, edges.num_dst)
            out = self.propagate(index, x=(to_rows(x, self._in_sizes), None), sh=edge_sh, weight=weight, size=size)
            return from_rows(out, self._out_sizes)
        if self.ran.name == "reference" or len(edges.first) * self.table.num_weights <= _MAX_STORED_WEIGHTS:
            return self.forward_weighted(x, edges, edge_sh, self.weights(edge_radial))
        widths, matrices = self.radial.hs, self.radial.matrices(self.avg_num_neighbors.rsqrt())
        last = widths[-2] * widths[-1]
        inner, matrix = matrices.split([len(matrices) - last, last])
        hidden = ops.mlp(edge_radial, inner, tuple(widths[:-1]), activated=True, backend=self.ran.name)
        return ops.radial_conv(x, edge_sh, hidden, matrix.view(widths[-2:]), edges.sorted, self.table)

    def weights(self, edge_radial: Tensor) -> Tensor:
        """(rows, num_radial) radial features -> (rows, table.num_weights): one factor per path and channel, in this order."""
        backend, factor = self._choose_backend(edge_radial).name, self.avg_num_neighbors.rsqrt()
        if backend == "reference":
            return self.radial(edge_radial) * factor
        return ops.mlp(edge_radial, self.radial.matrices(factor), tuple(self.radial.hs), backend=backend)

    def forward_weighted(self, x: Tensor, edges: ops.Edges, edge_sh: Tensor, weight: Tensor) -> Tensor:
        """The convolution of features in one vector by given weights, such as those of `weights` times something per edge."""
        self.ran = self._choose_backend(edge_sh)
        if self.ran.name == "reference":
            return ops.tensor_product_conv(x, edge_sh, weight, edges, self.table, self._coefficients)
        return ops.conv(x, edge_sh, weight, edges.sorted, self.table)

    def _choose_backend(self, like: Tensor) -> ops.Backend:
        return ops.choose_backend(self.backend, like.device, like.dtype)

    def message(self, x_j: Tensor, sh: Tensor, weight: Tensor) -> Tensor:
        """(edges, dim) messages, channels last: what PyG's explainers and hooks see."""
        blocks = [
            part.unflatten(1, (dim, mul))
            for part, (mul, dim) in zip(
                x_j.split([mul * dim for mul, dim in self._in_sizes], 1), self._in_sizes, strict=True
            )
        ]
        messages = ops.tensor_product(blocks, sh, weight, self.table, self._coefficients)
        return torch.cat([message.flatten(1) for message in messages], dim=1)

    @staticmethod
    def sorted(edge_index: Tensor, num_src: int, num_dst: int) -> ops.Edges:
        """Sorted edges, kept on the tensor until it changes or is gone."""
        return sorted_edges("TensorProductConv", edge_index, num_src, num_dst)

    def _senders_and_num_receivers(
        self, x: Tensor | tuple[Tensor, Tensor | None], size: tuple[int, int] | None
    ) -> tuple[Tensor, int]:
        x_src, x_dst = x if isinstance(x, tuple | list) else (x, x)
        if size is not None:
            return x_src, size[1]
        if x_dst is None:
            raise ValueError(
                "TensorProductConv: expected the number of receivers, got x=(x_src, None) without size. "
                "Pass size=(num_src, num_dst)."
            )
        return x_src, x_dst.shape[0]

    def _check_edges(self, edges: ops.Edges, edge_sh: Tensor, edge_radial: Tensor) -> None:
        for name, tensor, rows, dim in (
            ("edge_sh", edge_sh, edges.src.shape[0], self._dim_sh),
            ("edge_radial", edge_radial, edges.first.shape[0], self._num_radial),
        ):
            check_rows("TensorProductConv", name, tensor, (rows, dim), self._texts[name], self._dtype)

    @property
    def _dtype(self) -> torch.dtype:
        return self.radial.layer0.weight.dtype


def _path_table(irreps_in: Irreps, irreps_sh: Irreps, irreps_out: Irreps, paths: list[tuple]) -> ops.PathTable:
    """Constants of the paths; sqrt(2 l3 + 1) times the normalized 3j symbol keeps unit variance per component."""
    starts = [where.start for where in irreps_sh.slices()]
    out_blocks = {ir: index for index, (_, ir) in enumerate(irreps_out)}
    channels = [0] * len(irreps_out)
    table = []
    # in the output, paths to the same irrep lie side by side in the order in which sorting leaves them
    for i, j, ir in paths:
        mul = irreps_in[i].mul
        block = out_blocks.get(ir, 0)
        table.append(
            ops.Path(
                i,
                starts[j],
                block,
                channels[block] if mul else 0,
                _coefficients(irreps_in[i].ir.l, irreps_sh[j].ir.l, ir.l),
            )
        )
        channels[block] += mul
    return ops.PathTable(
        blocks=tuple(ops.Block(ir.l, mul) for mul, ir in irreps_in),
        dim_sh=irreps_sh.dim,
        out_blocks=tuple(ops.Block(ir.l, mul) for mul, ir in irreps_out),
        paths=tuple(table),
    )


def _coefficients(l1: int, l2: int, l3: int) -> tuple[tuple[int, int, int, float], ...]:
    tensor = math.sqrt(2 * l3 + 1) * wigner_3j(l1, l2, l3, dtype=torch.float64)
    return tuple((*index, tensor[tuple(index)].item()) for index in tensor.abs().gt(1e-12).nonzero().tolist())
