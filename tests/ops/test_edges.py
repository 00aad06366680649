import itertools
import weakref

import pytest
import torch
from ops.tables import random_edges, random_pairs

from eqgraph import ops


@pytest.mark.parametrize("edges", [random_edges(5, 4, 30), random_pairs(6, 20, 3), random_edges(2, 3, 0)])
def test_every_edge_is_visited_once_with_its_receiver(edges):
    order, ptr = edges.sorted.order, edges.sorted.ptr
    assert sorted(order.tolist()) == list(range(len(edges.src)))
    for phase in ptr:
        for receiver in range(edges.num_dst):
            assert (edges.dst[order[phase[receiver] : phase[receiver + 1]].long()] == receiver).all()
    assert ptr[0, 0] == 0
    assert ptr[-1, -1] == len(edges.src)


def test_edges_that_share_weights_are_reverses_in_different_phases():
    edges = random_pairs(6, 20, 3)
    assert edges.sorted.ptr.shape == (2, 7)
    assert len(edges.first) == 23
    for phase in edges.sorted.ptr:
        rows = edges.row[edges.sorted.order[phase[0] : phase[-1]].long()]
        assert len(rows.unique()) == len(rows)
    assert torch.equal(edges.row[edges.first], torch.arange(23))
    for e, first in enumerate(edges.first[edges.row].tolist()):
        assert first == e or (edges.src[e], edges.dst[e]) == (edges.dst[first], edges.src[first])


def test_sorted_edges_stay_in_their_order():
    edges = ops.Edges.of(torch.tensor([[2, 0, 1, 0], [0, 0, 1, 2]]), 3, 3)
    assert edges.sorted.order.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("num_edges", [0, 100, 500, 5000])
def test_chunks_cover_all_receivers_and_know_their_senders(num_edges):
    edges = random_edges(30, 40, num_edges)
    chunks = edges.sorted.chunks.tolist()
    assert len(chunks) == min(max(num_edges // 256, 1), 8)
    assert chunks[0][0] == 0
    assert chunks[-1][1] == 40
    for (_, stop, *_), (start, *_) in itertools.pairwise(chunks):
        assert start == stop
    for start, stop, low, high in chunks:
        senders = edges.src[(edges.dst >= start) & (edges.dst < stop)]
        assert not len(senders) or (low, high) == (senders.min(), senders.max() + 1)


@pytest.mark.parametrize("edge_index", [[[0, 3], [0, 0]], [[0, 0], [-1, 0]]])
def test_indices_out_of_range_are_refused(edge_index):
    with pytest.raises(ValueError, match=r"expected (senders|receivers) in 0 \.\.\. \d, got"):
        ops.Edges.of(torch.tensor(edge_index), 3, 2)


def test_int32_indices_are_welcome():
    edge_index = torch.tensor([[0, 1], [1, 0]])
    for ours, other in zip(ops.Edges.of(edge_index.int(), 2, 2)[:4], ops.Edges.of(edge_index, 2, 2)[:4], strict=True):
        assert torch.equal(ours, other)


def test_sorted_edges_are_remembered_until_the_tensor_changes():
    edge_index = torch.tensor([[0, 1], [1, 0]])
    edges = ops.sorted_edges(edge_index, 2, 2)
    assert ops.sorted_edges(edge_index, 2, 2) is edges
    assert ops.sorted_edges(edge_index, 2, 3).num_dst == 3
    assert ops.sorted_edges(edge_index.clone(), 2, 2) is not edges
    edge_index[0, 0] = 1
    assert ops.sorted_edges(edge_index, 2, 2).src.tolist() == [1, 1]


def test_sorted_edges_do_not_keep_the_tensor_alive():
    edge_index = torch.tensor([[0, 1], [1, 0]])
    edges, alive = ops.sorted_edges(edge_index, 2, 2), weakref.ref(edge_index)
    del edge_index
    assert edges.num_src == 2
    assert alive() is None


@pytest.mark.parametrize("num_edges", [0, 10, 3000])
@pytest.mark.parametrize("shared", [False, True])
def test_a_subset_is_what_sorting_its_edges_gives(num_edges, shared):
    generator = torch.Generator().manual_seed(0)
    num_nodes = 50
    forth = torch.randint(num_nodes, (2, num_edges), generator=generator)
    edge_index = torch.cat([forth, forth.flip(0)], dim=1)
    reverse = torch.arange(2 * num_edges).roll(num_edges)
    reverse[:2] = reverse[num_edges : num_edges + 2] = -1  # edges without a reverse
    shuffled = torch.randperm(2 * num_edges, generator=generator)
    place = shuffled.argsort()
    edge_index, reverse = edge_index[:, shuffled], reverse[shuffled]
    reverse = torch.where(reverse < 0, -1, place[reverse]) if shared else None
    edges = ops.Edges.of(edge_index, num_nodes, num_nodes, reverse)
    rows = torch.rand(len(edges.first), generator=generator) < 0.6
    wanted = rows[edges.row]
    if shared:
        number = torch.where(wanted, wanted.cumsum(0) - 1, -1)
        reverse = torch.where(reverse < 0, -1, number[reverse])[wanted]
    expected = ops.Edges.of(edge_index[:, wanted], num_nodes, num_nodes, reverse)
    found, kept = edges.subset(rows)
    assert torch.equal(kept, wanted.nonzero().squeeze(1))
    for a, b in zip((*found[:4], *found.sorted), (*expected[:4], *expected.sorted), strict=True):
        if isinstance(a, torch.Tensor):
            assert a.dtype == b.dtype
            assert torch.equal(a, b)
        else:
            assert a == b
