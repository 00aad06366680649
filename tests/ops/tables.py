"""Path tables and arguments for the tests of the operators."""

import torch
from torch import Tensor

from eqgraph import ops
from eqgraph.o3 import wigner_3j


def path_table(blocks: list[tuple[int, int]], degrees_sh: list[int], max_out: int | None = None) -> ops.PathTable:
    """All paths from blocks (l, mul) times one harmonic of each degree to degrees up to max_out."""
    found = []
    for index, (l1, _) in enumerate(blocks):
        start = 0
        for l2 in degrees_sh:
            for l3 in range(abs(l1 - l2), l1 + l2 + 1):
                if max_out is None or l3 <= max_out:
                    tensor = wigner_3j(l1, l2, l3, dtype=torch.float64)
                    terms = tuple((*i, tensor[tuple(i)].item()) for i in tensor.nonzero().tolist())
                    found.append((index, start, l3, terms))
            start += 2 * l2 + 1
    degrees = sorted({l3 for *_, l3, _ in found})
    channels = dict.fromkeys(degrees, 0)
    paths = []
    for index, start, l3, terms in found:
        paths.append(ops.Path(index, start, degrees.index(l3), channels[l3], terms))
        channels[l3] += blocks[index][1]
    return ops.PathTable(
        tuple(ops.Block(*block) for block in blocks),
        sum(2 * l + 1 for l in degrees_sh),
        tuple(ops.Block(l, channels[l]) for l in degrees),
        tuple(paths),
    )


def random_edges(num_src: int, num_dst: int, num_edges: int) -> ops.Edges:
    """Edges in no order, several between the same nodes among them."""
    return ops.Edges.of(
        torch.stack([torch.randint(max(num_src, 1), (num_edges,)), torch.randint(max(num_dst, 1), (num_edges,))]),
        num_src,
        num_dst,
    )


def random_pairs(num_nodes: int, num_pairs: int, num_single: int = 0) -> ops.Edges:
    """Edges in no order, in both directions but for some."""
    one, other = torch.randint(num_nodes, (2, num_pairs + num_single))
    src, dst = torch.cat([one, other[:num_pairs]]), torch.cat([other, one[:num_pairs]])
    number = len(src)
    reverse = torch.full((number,), -1)
    reverse[:num_pairs] = torch.arange(num_pairs) + num_pairs + num_single
    reverse[num_pairs + num_single :] = torch.arange(num_pairs)
    shuffle = torch.randperm(number)
    place = shuffle.argsort()
    reverse = torch.where(reverse[shuffle] < 0, -1, place[reverse[shuffle]])
    return ops.Edges.of(torch.stack([src, dst])[:, shuffle], num_nodes, num_nodes, reverse)


def random_arguments(table: ops.PathTable, edges: ops.Edges, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    """x, y and w."""
    return (
        torch.randn(edges.num_src * table.dim_in, dtype=dtype),
        torch.randn(len(edges.src), table.dim_sh, dtype=dtype),
        torch.randn(len(edges.first), table.num_weights, dtype=dtype),
    )
