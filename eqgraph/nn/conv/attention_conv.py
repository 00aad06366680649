"""Attention over the neighbors of a node, for features of any irreps."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch_geometric.nn import MessagePassing

from eqgraph import ops
from eqgraph.o3 import Irreps, Linear
from eqgraph.o3.blocks import cut, from_flat, to_flat

from ..activation import EdgeSoftmax
from .inputs import check_rows, sorted_edges
from .messages import from_rows, messages_are_watched, to_rows
from .tensor_product_conv import TensorProductConv


class AttentionConv(MessagePassing):
    """Multi-head attention whose keys and values are convolutions with spherical harmonics of the edges.

    k_ij = (W_k x_j) ⊗ Y(r_ij),   v_ij = (W_v x_j) ⊗ Y(r_ij)                  with weights from radial networks, as in TensorProductConv
    a_ij = c_ij exp(z_ij) / (Σ_j c_ij exp(z_ij) + ε),   z_ij = ⟨W_q x_i, k_ij⟩ / sqrt(dim)
    out_i = W_out Σ_{j → i} a_ij v_ij

    for each head, which owns the same share of the channels of every irrep. ⟨,⟩ sums over all irreps, so that z is invariant. Receivers
    without edges get zero. There is no self-connection and no sum over x_i: add the input of the layer if you want it.

    Args:
        irreps_in: irreps of the features x of senders (and of receivers, see irreps_dst).
        irreps_sh: irreps of the edge features, multiplicity one each: usually Irreps.spherical_harmonics(lmax).
        irreps_out: irreps wanted; those that no value can have are left out (see attribute irreps_out).
        num_radial: width of the edge's radial features.
        num_heads: number of heads.
        irreps_key: what x_j is reduced to before it meets Y to make the keys: multiplicities are multiples of num_heads. None: one copy
            per head of each irrep of irreps_in.
        irreps_value: the same for the values. None: irreps_in, with multiplicities rounded up to multiples of num_heads.
        irreps_dst: irreps of the features of the receivers; None: irreps_in.
        radial_hidden: hidden widths of the two radial networks.
        softcap: bound on the size of z, see EdgeSoftmax.
        eps: ε, used only together with an envelope c, see EdgeSoftmax.
        backend: see TensorProductConv.

    Attributes:
        irreps_out: irreps of the output.
        key, value: TensorProductConv, the two products.

    Raises:
        ValueError: if num_heads is not positive or does not divide a multiplicity of irreps_key or irreps_value, if no product of
            senders and harmonics has an irrep of the receivers (no logits) or of irreps_out (no values), or a shape does not fit.

    Example:
        >>> conv = AttentionConv("8x0e + 8x1o", "0e + 1o", "16x0e + 8x1o", num_radial=4, num_heads=2)
        >>> conv
        AttentionConv(8x0e+8x1o -> 16x0e+8x1o, heads=2, key=4x0e+4x1o, value=16x0e+16x1o)
        >>> x, edge_index = torch.randn(3, 32), torch.tensor([[0, 1], [1, 2]])
        >>> conv(x, edge_index, torch.randn(2, 4), torch.randn(2, 4)).shape
        torch.Size([3, 40])

    Reference: Fuchs et al. 2020, arXiv:2006.10503; Liao & Smidt 2023, arXiv:2206.11990. The envelope is that of EdgeSoftmax.
    """

    def __init__(
        self,
        irreps_in: Irreps | str,
        irreps_sh: Irreps | str,
        irreps_out: Irreps | str,
        num_radial: int,
        *,
        num_heads: int = 4,
        irreps_key: Irreps | str | None = None,
        irreps_value: Irreps | str | None = None,
        irreps_dst: Irreps | str | None = None,
        radial_hidden: Sequence[int] = (64, 64),
        softcap: float | None = None,
        eps: float = 1e-16,
        backend: str = "auto",
    ) -> None:
        super().__init__(aggr="sum", node_dim=0)
        self.irreps_in, self.irreps_sh = Irreps(irreps_in), Irreps(irreps_sh)
        self.irreps_dst = self.irreps_in if irreps_dst is None else Irreps(irreps_dst)
        if num_heads < 1:
            raise ValueError(f"AttentionConv: expected num_heads of at least 1, got {num_heads}. Use 1, 4 or 8.")
        self.num_heads = num_heads
        if irreps_key is None:
            irreps_key = [(num_heads, ir) for ir in sorted({ir for mul, ir in self.irreps_in if mul})]
        if irreps_value is None:
            irreps_value = [(-(-mul // num_heads) * num_heads, ir) for mul, ir in self.irreps_in]
        irreps_key = self._divisible("irreps_key", Irreps(irreps_key))
        irreps_value = self._divisible("irreps_value", Irreps(irreps_value))
        self._check_reached("irreps_dst", irreps_key, self.irreps_dst)
        self._check_reached("irreps_out", irreps_value, Irreps(irreps_out))

        radial = {"num_radial": num_radial, "radial_hidden": radial_hidden, "backend": backend}
        self.linear_key, self.linear_value = Linear(self.irreps_in, irreps_key), Linear(self.irreps_in, irreps_value)
        self.key = TensorProductConv(irreps_key, irreps_sh, self.irreps_dst, **radial)
        self.value = TensorProductConv(irreps_value, irreps_sh, irreps_out, **radial)
        for conv in (self.key, self.value):
            conv.explain = False  # explainers shall see the messages of this layer, each of them once
        self.query = Linear(self.irreps_dst, self.key.irreps_out)
        self.softmax = EdgeSoftmax(softcap, eps)
        made = {ir for _, ir in self.value.irreps_out}
        self.irreps_out = Irreps([(mul, ir) for mul, ir in Irreps(irreps_out) if ir in made])
        self.linear_out = Linear(self.value.irreps_out, self.irreps_out)
        self.backend = backend

        for block, heads in enumerate(self._heads_of_keys()):
            self.register_buffer(f"_key_heads_{block}", heads, persistent=False)
        self.register_buffer("_value_heads", self._heads_of_weights(), persistent=False)
        # plain numbers for forward, so that torch.compile need not look into Irreps
        self._scale = math.sqrt(num_heads / self.key.irreps_out.dim)
        self._texts = {"x_src": f" ('{self.irreps_in}')", "x_dst": f" ('{self.irreps_dst}')"}
        self._dims = {"x_src": self.irreps_in.dim, "x_dst": self.irreps_dst.dim}
        self._src_sizes, self._dst_sizes, self._key_sizes, self._value_sizes, self._product_sizes, self._out_sizes = (
            [(mul, ir.dim) for mul, ir in irreps]
            for irreps in (
                self.irreps_in,
                self.irreps_dst,
                self.key.irreps_out,
                irreps_value,
                self.value.irreps_out,
                self.irreps_out,
            )
        )

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self.irreps_in} -> {self.irreps_out}, heads={self.num_heads}, key={self.key.irreps_out}, "
            f"value={self.value.irreps_out})"
        )

    def reset_parameters(self) -> None:
        """Draw all weights anew."""
        super().reset_parameters()
        for layer in (self.linear_key, self.linear_value, self.key, self.value, self.query, self.linear_out):
            layer.reset_parameters()

    def forward(
        self,
        x: Tensor | tuple[Tensor, Tensor | None],
        edge_index: Tensor | ops.Edges,
        edge_sh: Tensor,
        edge_radial: Tensor,
        envelope: Tensor | None = None,
        size: tuple[int, int] | None = None,
    ) -> Tensor:
        """One round of attention.

        Args:
            x: (nodes, irreps_in.dim), or a pair (x_src, x_dst) of features of senders and of receivers.
            edge_index: (2, edges) whole numbers, senders in the first row, receivers in the second; or ops.Edges.
            edge_sh: (edges, irreps_sh.dim) spherical harmonics of the vectors from sender to receiver.
            edge_radial: (edges, num_radial) radial features, which need not vanish at the cutoff if there is an envelope. With
                ops.Edges that share weights: (rows of the weights, num_radial).
            envelope: (edges,) c, smooth and zero at the cutoff, so that edges come and go smoothly; None: 1.
            size: numbers of senders and receivers; only checked.

        Returns:
            (receivers, irreps_out.dim).
        """
        x_src, x_dst = x if isinstance(x, tuple | list) else (x, x)
        self._check_nodes(x_src, x_dst, size)
        edges = sorted_edges("AttentionConv", edge_index, x_src.shape[0], x_dst.shape[0])
        out = self.forward_flat(
            to_flat(x_src, self._src_sizes),
            to_flat(x_dst, self._dst_sizes),
            edges,
            edge_sh,
            edge_radial,
            envelope,
        )
        return from_flat(out, self._out_sizes)

    def forward_flat(
        self,
        x_src: Tensor,
        x_dst: Tensor,
        edges: ops.Edges,
        edge_sh: Tensor,
        edge_radial: Tensor,
        envelope: Tensor | None = None,
    ) -> Tensor:
        """The same for features in one vector: see eqgraph.o3.blocks."""
        self._check_edges(edges, edge_sh, edge_radial)
        edges, edge_radial = _with_own_rows(edges, edge_radial)
        attention = self._attention(x_src, x_dst, edges, edge_sh, edge_radial, envelope)  # (edges, heads)
        value = self.linear_value.forward_flat(x_src, self.backend)
        watched = messages_are_watched(self)
        if self.num_heads == 1 and not watched:
            out = self.value.forward_flat(value, edges, edge_sh * attention, edge_radial)
        else:
            weight = self.value.weights(edge_radial) * (attention @ self._value_heads.to(attention.dtype))
            if watched:
                index, size = torch.stack([edges.src, edges.dst]), (edges.num_src, edges.num_dst)
                rows = to_rows(value, self._value_sizes)
                out = self.propagate(index, x=(rows, None), sh=edge_sh, weight=weight, size=size)
                out = from_rows(out, self._product_sizes)
            else:
                out = self.value.forward_weighted(value, edges, edge_sh, weight)
        return self.linear_out.forward_flat(out, self.backend)

    def message(self, x_j: Tensor, sh: Tensor, weight: Tensor) -> Tensor:
        """(edges, dim) messages a_ij v_ij, channels last: what PyG's explainers and hooks see."""
        return self.value.message(x_j, sh, weight)

    def _attention(
        self,
        x_src: Tensor,
        x_dst: Tensor,
        edges: ops.Edges,
        edge_sh: Tensor,
        edge_radial: Tensor,
        envelope: Tensor | None,
    ) -> Tensor:
        """(edges, heads) a_ij."""
        num_edges = edges.src.shape[0]
        each = torch.stack([edges.src, torch.arange(num_edges, device=edges.src.device)])
        own = ops.Edges.of(
            each, edges.num_src, num_edges
        )  # every edge is its own receiver: a sum over one edge is the key
        key = self.key.forward_flat(self.linear_key.forward_flat(x_src, self.backend), own, edge_sh, edge_radial)
        query = self.query.forward_flat(x_dst, self.backend)
        logits = edge_sh.new_zeros(num_edges, self.num_heads)
        for number, (q, k) in enumerate(zip(cut(query, self._key_sizes), cut(key, self._key_sizes), strict=True)):
            heads = getattr(self, f"_key_heads_{number}").to(k.dtype)
            logits = logits + (q.index_select(0, edges.dst) * k).flatten(1) @ heads
        return self.softmax(self._scale * logits, edges.dst, edges.num_dst, envelope)

    def _heads_of_keys(self) -> list[Tensor]:
        """For each block of keys ((2l + 1) mul, heads): one where a column belongs to a head."""
        heads = [torch.zeros(mul, self.num_heads) for mul, _ in self.key.irreps_out]
        for path in self.key.table.paths:
            mul = self.key.table.mul(path)
            heads[path.out_block][path.channel : path.channel + mul] = _members(mul, self.num_heads)
        return [part.repeat(ir.dim, 1) for part, (_, ir) in zip(heads, self.key.irreps_out, strict=True)]

    def _heads_of_weights(self) -> Tensor:
        """(heads, num_weights): one where a weight of the values belongs to a head."""
        table = self.value.table
        return torch.cat([_members(table.mul(path), self.num_heads) for path in table.paths]).T.contiguous()

    def _divisible(self, name: str, irreps: Irreps) -> Irreps:
        if any(mul % self.num_heads for mul, _ in irreps):
            raise ValueError(
                f"AttentionConv: expected multiplicities of {name} that are multiples of num_heads={self.num_heads}, got '{irreps}'. "
                "Change them, or num_heads."
            )
        return irreps

    def _check_reached(self, name: str, irreps_in: Irreps, wanted: Irreps) -> None:
        reached = {ir for mul, a in irreps_in for _, b in self.irreps_sh for ir in a * b if mul}
        if not reached & {ir for mul, ir in wanted if mul}:
            raise ValueError(
                f"AttentionConv: expected an irrep of {name}='{wanted}' in the product of '{irreps_in}' and irreps_sh="
                f"'{self.irreps_sh}', which has {', '.join(map(str, sorted(reached))) or 'none'}. Raise lmax of the harmonics, or add "
                "irreps."
            )

    def _check_nodes(self, x_src: Tensor, x_dst: Tensor | None, size: tuple[int, int] | None) -> None:
        if x_dst is None:
            raise ValueError(
                "AttentionConv: expected features of the receivers, which ask for attention, got x=(x_src, None). Pass (x_src, x_dst)."
            )
        for name, tensor in (("x_src", x_src), ("x_dst", x_dst)):
            shape, dtype = (tensor.shape[0], self._dims[name]), self.linear_out.weight.dtype
            check_rows("AttentionConv", name, tensor, shape, self._texts[name], dtype)
        if size is not None and tuple(size) != (x_src.shape[0], x_dst.shape[0]):
            raise ValueError(
                f"AttentionConv: expected size ({x_src.shape[0]}, {x_dst.shape[0]}) as x has rows, got {tuple(size)}. Leave it out."
            )

    def _check_edges(self, edges: ops.Edges, edge_sh: Tensor, edge_radial: Tensor) -> None:
        dtype = self.linear_out.weight.dtype
        shape = (edges.src.shape[0], self.value._dim_sh)
        check_rows("AttentionConv", "edge_sh", edge_sh, shape, self.value._texts["edge_sh"], dtype)
        shape = (edges.first.shape[0], self.value._num_radial)
        check_rows("AttentionConv", "edge_radial", edge_radial, shape, "", dtype)


def _members(mul: int, num_heads: int) -> Tensor:
    """(mul, heads): one where a channel belongs to a head."""
    return torch.eye(num_heads).repeat_interleave(mul // num_heads, 0)


def _with_own_rows(edges: ops.Edges, edge_radial: Tensor) -> tuple[ops.Edges, Tensor]:
    """An edge and its reverse may share a row of radial features, but never their attention."""
    if edges.first.shape[0] == edges.src.shape[0]:
        return edges, edge_radial
    own = ops.Edges.of(torch.stack([edges.src, edges.dst]), edges.num_src, edges.num_dst)
    return own, edge_radial.index_select(0, edges.row)
