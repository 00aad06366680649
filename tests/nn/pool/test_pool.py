import copy

import pytest
import torch
from torch_geometric import EdgeIndex
from torch_geometric.data import Data
from torch_geometric.loader import DataLoader
from torch_geometric.nn import Sequential, global_add_pool, global_max_pool, global_mean_pool

from eqgraph import nn, o3, ops
from eqgraph.nn.pool.reduction import HOW
from eqgraph.testing import assert_equivariant

IRREPS = "2x0e + 1x0o + 2x1o + 1x1e + 1x2e"
BATCH = torch.tensor([3, 0, 3, 1, 0, 0, 3, 1, 1, 0])
"""Nodes in no order; graphs 2 and 4 have no nodes."""


def rows(irreps=IRREPS, num=10):
    return o3.Irreps(irreps).randn(num, -1, dtype=torch.float64)


@pytest.mark.parametrize("how", HOW)
def test_equivariance(how):
    pool = nn.GlobalPool(IRREPS, how).double()
    assert_equivariant(lambda x: pool(x, BATCH, 5), IRREPS, IRREPS, inputs=[rows()])
    assert_equivariant(pool, IRREPS, IRREPS)


def test_sums_means_and_maxima_of_scalars_are_those_of_torch_geometric():
    x = rows("5x0e")
    for how, theirs in (("sum", global_add_pool), ("mean", global_mean_pool), ("max", global_max_pool)):
        pool = nn.GlobalPool("5x0e", how)
        torch.testing.assert_close(pool(x, BATCH, 5), theirs(x, BATCH, 5), rtol=1e-14, atol=1e-14)
        torch.testing.assert_close(pool(x, BATCH), theirs(x, BATCH))
        torch.testing.assert_close(pool(x), theirs(x, None))


def test_maxima_of_vectors_are_the_longest():
    x = rows("2x1o + 1x0o")
    out = nn.GlobalPool("2x1o + 1x0o", "max")(x, BATCH, 5)
    for graph in (0, 1, 3):
        mine = x[graph == BATCH]
        for copy_, where in enumerate((slice(0, 3), slice(3, 6), slice(6, 7))):
            longest = mine[:, where].norm(dim=1).argmax()
            assert torch.equal(out[graph, where], mine[longest, where]), copy_
    assert (out[[2, 4]] == 0).all()


def test_copies_that_tie_count_in_equal_parts_and_get_equal_gradients():
    x = torch.tensor([[0.0, 2, 1], [0, 0, 3], [3.0, 0, 3], [0, 0, 0]], dtype=torch.float64)
    x = torch.cat([x[:, 2:], x[:, :2], torch.zeros(4, 1).double()], 1)  # 0e, 1o
    x[1, 1:] = torch.tensor([0.0, 3.0, 1e-16], dtype=torch.float64)
    x.requires_grad_()
    out = nn.GlobalPool("0e + 1o", "max")(x)
    assert out.tolist() == [[3.0, 1.5, 1.5, 5e-17]]
    (gradient,) = torch.autograd.grad(out.sum(), x)
    assert gradient.tolist() == [[0] * 4, [0.5] * 4, [0.5] * 4, [0] * 4]


def test_a_symmetric_cloud_is_pooled_alike_in_all_orientations():
    """Six vectors to the faces of a cube tie, whatever rounding does to their lengths."""
    x = torch.cat([torch.eye(3), -torch.eye(3)]).double() + 0.0
    x[:, 1] *= 1.5  # of those two, the sum is zero
    pool = nn.GlobalPool("1x1o", "max")
    for _ in range(20):
        turned = x @ o3.rand_matrix(dtype=torch.float64).T
        assert pool(turned).abs().max() < 1e-14
        assert pool(turned.float()).abs().max() < 1e-6


def test_attention_is_a_softmax_of_a_function_of_invariants():
    pool = nn.GlobalPool(IRREPS, "attention").double()
    x = rows()
    scores, out = pool.score(pool.invariants(x)), pool(x, BATCH, 5)
    for graph in (0, 1, 3):
        mine = graph == BATCH
        torch.testing.assert_close(out[graph], (torch.softmax(scores[mine], 0) * x[mine]).sum(0))
    assert (out[[2, 4]] == 0).all()


@pytest.mark.parametrize("how", HOW)
def test_order_does_not_matter_and_graphs_do_not_meet(how):
    pool, x, order = nn.GlobalPool(IRREPS, how).double(), rows(), torch.randperm(10)
    expected = pool(x, BATCH, 5)
    torch.testing.assert_close(pool(x[order], BATCH[order], 5), expected, rtol=1e-13, atol=1e-13)
    clouds = [Data(z=x[graph == BATCH], num_nodes=int((graph == BATCH).sum())) for graph in (0, 1, 3)]
    (together,) = DataLoader(clouds, batch_size=3)
    torch.testing.assert_close(pool(together.z, together.batch), expected[[0, 1, 3]], rtol=1e-13, atol=1e-13)
    torch.testing.assert_close(pool(clouds[2].z), expected[3:4], rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("how", HOW)
def test_derivatives_are_exact_to_second_order(how):
    pool, x = nn.GlobalPool("1x0e + 1x1o", how, hidden=4).double(), rows("1x0e + 1x1o", 5).requires_grad_()
    batch = torch.tensor([0, 1, 0, 1, 1])
    assert torch.autograd.gradcheck(lambda x: pool(x, batch, 2), x)
    assert torch.autograd.gradgradcheck(lambda x: pool(x, batch, 2), x)


@pytest.mark.parametrize("how", HOW)
def test_neighbors_of_receivers_are_groups(how):
    pool = nn.NeighborPool(IRREPS, how).double()
    edge_index, x = torch.stack([torch.randint(10, (12,)), torch.randint(4, (12,))]), rows()
    groups = nn.GlobalPool(IRREPS, how).double()
    groups.load_state_dict(pool.state_dict())
    expected = groups(x[edge_index[0]], edge_index[1], 5)
    for edges in (edge_index, EdgeIndex(edge_index, sparse_size=(10, 5)), ops.Edges.of(edge_index, 10, 5)):
        assert torch.equal(pool(x, edges, size=(10, 5)), expected)
    assert torch.equal(pool(x, ops.Edges.of(edge_index, 10, 5)), expected)
    assert torch.equal(pool(x, edge_index), expected[: edge_index[1].max() + 1])
    assert_equivariant(lambda x: pool(x, edge_index, (10, 5)), IRREPS, IRREPS, inputs=[x])


@pytest.mark.parametrize("how", HOW)
def test_nothing_to_pool(how):
    none = torch.zeros(0, dtype=torch.int64)
    x = torch.zeros(0, 17, requires_grad=True)
    out = nn.GlobalPool(IRREPS, how)(x, none, 2)
    assert torch.equal(out, torch.zeros(2, 17))
    out.sum().backward()
    assert nn.GlobalPool(IRREPS, how)(x, none).shape == (0, 17)
    assert nn.GlobalPool(IRREPS, how)(x).shape == (1, 17)
    assert torch.equal(nn.NeighborPool(IRREPS, how)(rows().float(), none.view(2, 0), (10, 3)), torch.zeros(3, 17))
    assert nn.GlobalPool("0x0e", how)(torch.zeros(3, 0), torch.tensor([0, 1, 0])).shape == (2, 0)


def test_not_a_number_is_not_hidden():
    x = rows().index_fill(0, torch.tensor([1]), torch.nan)
    for how in HOW:
        assert nn.GlobalPool(IRREPS, how).double()(x, BATCH)[0].isnan().all()


def test_inside_torch_geometric_sequential():
    model = Sequential("x, batch", [(nn.GlobalPool("4x0e", "max"), "x, batch -> x"), torch.nn.Linear(4, 2)])
    assert model(torch.randn(10, 4), BATCH).shape == (4, 2)


def test_repr_and_new_weights():
    pool = nn.GlobalPool("2x0e", "attention")
    assert repr(pool) == "GlobalPool(2x0e, how='attention')"
    before = copy.deepcopy(pool.state_dict())
    pool.reset_parameters()
    assert not any(torch.equal(before[key], value) for key, value in pool.state_dict().items())
    nn.GlobalPool("2x0e", "mean").reset_parameters()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: nn.GlobalPool("2x0e", "min"),
            "GlobalPool: expected how to be one of mean, sum, max, attention, got 'min'",
        ),
        (
            lambda: nn.GlobalPool("2x0e")(torch.randn(3, 3)),
            r"GlobalPool: expected features of shape \(rows, 2\) .* got \(3, 3\)",
        ),
        (
            lambda: nn.GlobalPool("2x0e")(torch.randn(3, 2), torch.zeros(2).long()),
            r"GlobalPool: expected the group of each row as 3 whole numbers, got shape \(2,\)",
        ),
        (
            lambda: nn.NeighborPool("2x0e")(torch.randn(3, 2), torch.zeros(2, 4)),
            r"NeighborPool: expected edge_index of shape \(2, edges\) with whole numbers",
        ),
        (
            lambda: nn.NeighborPool("2x0e")(torch.randn(3, 2), torch.zeros(2, 4).long(), (4, 2)),
            r"NeighborPool: expected x of shape \(4, 2\) \('2x0e'\), got \(3, 2\)",
        ),
        (
            lambda: nn.NeighborPool("2x0e")(torch.randn(3, 2), torch.tensor([[3], [0]])),
            r"expected senders in 0 ... 2, got 3 ... 3",
        ),
        (
            lambda: nn.GlobalPool("2x0e")(torch.randn(3, 2), torch.tensor([0, 1, 2]), 2),
            r"GlobalPool: expected groups in 0 ... 1, got 0 ... 2. Check batch and batch_size",
        ),
    ],
)
def test_what_does_not_fit_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
