"""The definition of correct: every op in plain PyTorch, differentiable as often as autograd is asked to."""

import math
from collections.abc import Sequence
from functools import cache
from itertools import pairwise

import torch
from jaxtyping import Float, Int
from torch import Tensor

from .blocks import LinearTable
from .edges import Edges
from .gates import Channels, GateTable
from .paths import PathTable

_FEW_GROUPS = 8
"""Up to so many groups, all matrices are applied to all nodes in one product, which beats fetching the matrix of each node."""


def segment_sum(
    values: Float[Tensor, "items ..."], index: Int[Tensor, " items"], num_segments: int
) -> Float[Tensor, "segments ..."]:
    """out[s] = Σ_{i: index[i] = s} values[i]; segments without items are zero.

    Example:
        >>> segment_sum(torch.tensor([1.0, 2.0, 4.0]), torch.tensor([1, 1, 0]), 3)
        tensor([4., 3., 0.])
    """
    return values.new_zeros(num_segments, *values.shape[1:]).index_add(0, index, values)


def tensor_product(
    blocks: Sequence[Float[Tensor, "edges _ _"]],
    y: Float[Tensor, "edges dim_sh"],
    w: Float[Tensor, "edges num_weights"],
    table: PathTable,
    coefficients: Float[Tensor, "dim_sh entries"],
) -> list[Float[Tensor, "edges _ _"]]:
    """Channel-wise ("uvu") weighted Clebsch-Gordan product of one row of features with one row of harmonics.

    out[p, m3, c] = w[p, c] Σ_{m1, m2} C^p[m1, m2, m3] x[m1, c] y[m2]

    The sum over m2 does not involve channels, so it is done first, for all paths in one matrix product: M = y @ C. What remains is one
    small matrix product per block of x.

    Args:
        blocks: features of each block of the table.
        y: spherical harmonics.
        w: weights.
        table: the paths.
        coefficients: table.edge_matrix_coefficients() in the dtype and on the device of y; the caller keeps them.

    Returns:
        One tensor per block of the output.
    """
    edges = y.shape[0]
    rows = [table.out_blocks[path.out_block].dim for path in table.paths]
    matrices = (y @ coefficients).split(
        [dim * table.blocks[path.block].dim for path, dim in zip(table.paths, rows, strict=True)], dim=1
    )
    weights = w.split([table.mul(path) for path in table.paths], dim=1)
    products: list[dict[int, Tensor]] = [{} for _ in table.out_blocks]
    for index, block in enumerate(blocks):
        members = [i for i, path in enumerate(table.paths) if path.block == index]
        if not members:
            continue
        matrix = torch.cat([matrices[i] for i in members], dim=1)
        matrix = matrix.view(edges, sum(rows[i] for i in members), table.blocks[index].dim)
        for i, product in zip(members, torch.bmm(matrix, block).split([rows[i] for i in members], dim=1), strict=True):
            path = table.paths[i]
            products[path.out_block][path.channel] = product * weights[i].unsqueeze(1)
    return [
        torch.cat([parts[channel] for channel in sorted(parts)], dim=2) if parts else y.new_zeros(edges, block.dim, 0)
        for parts, block in zip(products, table.out_blocks, strict=True)
    ]


def tensor_product_conv(
    x: Float[Tensor, " src_numbers"],
    y: Float[Tensor, "edges dim_sh"],
    w: Float[Tensor, "rows num_weights"],
    edges: Edges,
    table: PathTable,
    coefficients: Float[Tensor, "dim_sh entries"],
) -> Float[Tensor, " dst_numbers"]:
    """Gather, weighted Clebsch-Gordan product, sum to receivers: the operation where the time goes.

    out[i, p, m3, c] = Σ_{e: dst(e) = i} w[row(e), p, c] Σ_{m1, m2} C^p[m1, m2, m3] x[src(e), m1, c] y[e, m2]

    Features are flat, one block (nodes, 2l + 1, mul) after another, so that the features of one block lie together and a linear map
    of them is one matrix product.

    Args:
        x: features of the senders.
        y: spherical harmonics of the edge vectors.
        w: weights, one row per edge or pair of edges.
        edges: senders, receivers and their numbers.
        table: the paths.
        coefficients: table.edge_matrix_coefficients() in the dtype and on the device of y; the caller keeps them.

    Returns:
        Features of the receivers, flat; zero for receivers without edges.
    """
    blocks = [
        part.view(edges.num_src, block.dim, block.mul).index_select(0, edges.src)
        for part, block in zip(
            x.split([edges.num_src * block.size for block in table.blocks]), table.blocks, strict=True
        )
    ]
    messages = tensor_product(blocks, y, w.index_select(0, edges.row), table, coefficients)
    return torch.cat([segment_sum(message, edges.dst, edges.num_dst).flatten() for message in messages])


def solid_harmonics(x: Float[Tensor, "*batch 3"], lmax: int) -> Float[Tensor, "*batch dim_sh"]:
    """Real solid harmonics r^l Y_lm(x/r) for l = 0 ... lmax: homogeneous polynomials, smooth at x = 0.

    With the polar axis along y, z + ix = ρ exp(iφ), and q_l^m the associated Legendre polynomial without Condon-Shortley phase,

        Y_lm = q_l^|m|(y, r²) · (Im (z + ix)^|m|  for m < 0,  1 for m = 0,  Re (z + ix)^m for m > 0),

    normalized such that Σ_m Y_lm² = 2l + 1 on the unit sphere ("component").

    Args:
        x: vectors, in any unit of length.
        lmax: highest degree, at least 0.

    Returns:
        The (lmax + 1)² components, l ascending, m = -l ... l within each l.

    Example:
        >>> solid_harmonics(torch.tensor([0.0, 2.0, 0.0]), 1)
        tensor([1.0000, 0.0000, 3.4641, 0.0000])

    Reference: the recursions of Limpanuparb & Milthorpe 2014, arXiv:1410.1748, in Cartesian form.
    """
    first, polar, third = x.unbind(-1)
    polar, r2 = polar.unsqueeze(-1), x.square().sum(-1, keepdim=True)
    cosines, sines = [torch.ones_like(first)], [torch.zeros_like(first)]
    for _ in range(lmax):  # (z + ix)^m = (z + ix)^(m-1) · (z + ix)
        cosines, sines = (
            [*cosines, third * cosines[-1] - first * sines[-1]],
            [*sines, third * sines[-1] + first * cosines[-1]],
        )

    legendre = [torch.ones_like(polar)]  # legendre[l]: (..., l + 1), normalized q_l^m for m = 0 ... l
    harmonics = [legendre[0]]
    for l in range(1, lmax + 1):
        ratios, diagonal = legendre_recursion(l)
        a, b = x.new_tensor(ratios).unbind(-1)
        below = a * polar * legendre[l - 1]
        if l > 1:  # the m = l - 1 entry has no degree l - 2 term
            below = below + torch.nn.functional.pad(b[:-1] * r2 * legendre[l - 2], (0, 1))
        legendre.append(torch.cat([below, torch.full_like(polar, diagonal)], dim=-1))
        angular = torch.stack([*sines[l:0:-1], *cosines[: l + 1]], dim=-1)
        harmonics.append(angular * torch.cat([legendre[l].flip(-1), legendre[l][..., 1:]], dim=-1))
    return torch.cat(harmonics, dim=-1)


@cache
def legendre_recursion(l: int) -> tuple[tuple[tuple[float, float], ...], float]:
    """Normalized q_l^m = a_m y q_(l-1)^m + b_m r² q_(l-2)^m for m < l, and the constant q_l^l."""

    def norm(degree: int, m: int) -> float:
        factor = 1 if m == 0 else 2
        return math.sqrt(factor * (2 * degree + 1) * math.factorial(degree - m) / math.factorial(degree + m))

    ratios = []
    for m in range(l):
        a = (2 * l - 1) / (l - m) * norm(l, m) / norm(l - 1, m)
        b = -(l + m - 1) / (l - m) * norm(l, m) / norm(l - 2, m) if m <= l - 2 else 0.0
        ratios.append((a, b))
    return tuple(ratios), norm(l, l) * math.prod(range(1, 2 * l, 2))


def linear(x: Tensor, w: Tensor, groups: tuple[Tensor, Tensor], table: LinearTable) -> Tensor:
    """A linear map of each block: see ops.linear."""
    nodes = x.numel() // max(table.dim_in, 1)
    inputs = x.split([nodes * block.size for block in table.blocks])
    group = None
    if len(w) > 1:
        order, ptr = groups
        sorted_group = torch.searchsorted(ptr, torch.arange(nodes, device=x.device), right=True) - 1
        group = torch.empty_like(sorted_group).index_copy(0, order, sorted_group)
    starts, outputs = table.weight_starts, {}
    for (i, o), start, stop in zip(table.paths, starts, starts[1:], strict=False):
        block, out_block = table.blocks[i], table.out_blocks[o]
        rows, matrices = (
            inputs[i].view(nodes, block.dim, block.mul),
            w[:, start:stop].view(len(w), block.mul, out_block.mul),
        )
        y = _times_matrix_of_group(rows, matrices, group).flatten()
        outputs[o] = y + outputs[o] if o in outputs else y
    zeros = [x.new_zeros(nodes * block.size) for block in table.out_blocks]
    return torch.cat([x.new_zeros(0), *(outputs.get(o, zero) for o, zero in enumerate(zeros))])


def _times_matrix_of_group(rows: Tensor, matrices: Tensor, group: Tensor | None) -> Tensor:
    """rows[node] @ matrices[group[node]]."""
    if group is None:
        return rows @ matrices[0]
    if len(matrices) > _FEW_GROUPS:
        return rows @ matrices.index_select(0, group)
    # each node's features stand in the columns of its group, zeros in those of the others
    chosen = (group.unsqueeze(-1) == torch.arange(len(matrices), device=group.device)).to(rows.dtype)
    return (rows.unsqueeze(2) * chosen.view(-1, 1, len(matrices), 1)).flatten(2) @ matrices.flatten(0, 1)


def gate(x: Tensor, table: GateTable) -> Tensor:
    """A gated nonlinearity: see ops.gate."""
    nodes = x.numel() // max(table.dim_in, 1)
    parts = x.split([nodes * block.size for block in table.blocks])
    blocks = [part.view(nodes, block.dim, block.mul) for part, block in zip(parts, table.blocks, strict=True)]
    functions = {"silu": torch.nn.functional.silu, "tanh": torch.tanh}

    def take(place: Channels, mul: int) -> Tensor:
        return blocks[place.block].narrow(2, place.first, mul)

    pieces: list[dict[int, Tensor]] = [{} for _ in table.out_blocks]
    for entry in table.scalars:
        y = entry.constant * functions[entry.function](take(entry.source, entry.mul))
        pieces[entry.target.block][entry.target.first] = y
    for entry in table.gated:
        factor = entry.constant * functions[entry.function](take(entry.gate, entry.mul))
        pieces[entry.target.block][entry.target.first] = factor * take(entry.source, entry.mul)
    out = [torch.cat([piece for _, piece in sorted(those.items())], dim=2).flatten() for those in pieces if those]
    return torch.cat([x.new_zeros(0), *out])


def mlp(h: Tensor, matrices: Tensor, widths: Sequence[int], activated: bool) -> Tensor:
    """Layers of silu: see ops.mlp."""
    for layer, (matrix, shape) in enumerate(
        zip(matrices.split([a * b for a, b in pairwise(widths)]), pairwise(widths), strict=True)
    ):
        h = h @ matrix.view(shape)
        if activated or layer < len(widths) - 2:
            h = torch.nn.functional.silu(h)
    return h
