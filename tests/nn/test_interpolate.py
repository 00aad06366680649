import pytest
import torch
from scipy.spatial import cKDTree
from torch_geometric import EdgeIndex

from eqgraph import nn, o3, ops
from eqgraph.testing import assert_equivariant


def neighbors(coarse, fine, k):
    """Edges and distances, by scipy."""
    index = torch.tensor(cKDTree(coarse.detach().numpy()).query(fine.detach().numpy(), k)[1]).reshape(len(fine), k)
    edge_index = torch.stack([index.flatten(), torch.arange(len(fine)).repeat_interleave(k)])
    return edge_index, (coarse[edge_index[0]] - fine[edge_index[1]]).norm(dim=1)


def points(*nums):
    return [torch.rand(num, 3, dtype=torch.float64) for num in nums]


def test_weights_are_those_of_the_formula():
    coarse, fine = points(10, 6)
    x, (edge_index, edge_len) = torch.randn(10, 4).double(), neighbors(coarse, fine, 4)
    out = nn.interpolate(x, edge_index, edge_len)
    for i in range(6):
        s = (edge_len[edge_index[1] == i] / edge_len[edge_index[1] == i].max()) ** 2
        w = (1 - s) ** 2 / (s + 1e-8)
        torch.testing.assert_close(out[i], (w[:, None] * x[edge_index[0, edge_index[1] == i]]).sum(0) / w.sum())


def test_equivariance_with_points_that_turn():
    coarse, fine = points(10, 6)
    edge_index, _ = neighbors(coarse, fine, 4)

    def function(x, coarse, fine):
        return nn.interpolate(x, edge_index, (coarse[edge_index[0]] - fine[edge_index[1]]).norm(dim=1))

    irreps = "2x0e + 1x0o + 2x1o + 1x2e"
    x = o3.Irreps(irreps).randn(10, -1, dtype=torch.float64)
    assert_equivariant(function, [irreps, "1o", "1o"], irreps, inputs=[x, coarse, fine])


def test_at_coarse_points_features_are_reproduced_and_constants_everywhere():
    coarse, fine = points(10, 6)
    x = torch.randn(10, 4).double()
    torch.testing.assert_close(nn.interpolate(x, *neighbors(coarse, coarse, 4)), x, rtol=0, atol=1e-5)
    constant = torch.ones(10, 1).double()
    torch.testing.assert_close(nn.interpolate(constant, *neighbors(coarse, fine, 3)), torch.ones(6, 1).double())


def test_nothing_jumps_along_a_path_on_which_neighbors_change():
    (coarse,) = points(40)
    x = torch.randn(40, 1).double()

    def largest_step(num):
        t = torch.linspace(0, 1, num, dtype=torch.float64)[:, None]
        edge_index, edge_len = neighbors(coarse, t * torch.ones(3).double(), 4)
        changes = edge_index[0].view(num, 4).sort(1).values.diff(dim=0).any(1).sum()
        assert changes > 5
        return nn.interpolate(x, edge_index, edge_len).diff(dim=0).abs().max()

    assert largest_step(20001) < 0.2 * largest_step(2001)


def test_order_does_not_matter_and_other_forms_of_edges():
    coarse, fine = points(10, 6)
    x, (edge_index, edge_len) = torch.randn(10, 4).double(), neighbors(coarse, fine, 4)
    expected, order = nn.interpolate(x, edge_index, edge_len), torch.randperm(24)
    torch.testing.assert_close(nn.interpolate(x, edge_index[:, order], edge_len[order]), expected)
    for edges in (EdgeIndex(edge_index, sparse_size=(10, 6)), ops.Edges.of(edge_index, 10, 6)):
        assert torch.equal(nn.interpolate(x, edges, edge_len), expected)
    assert torch.equal(nn.interpolate(x, edge_index, edge_len, size=(10, 6)), expected)


def test_one_neighbor_equally_far_neighbors_coinciding_points_and_none():
    x, index = torch.tensor([[1.0], [3.0], [8.0]]), torch.tensor([[2, 0, 1, 0, 2], [0, 1, 1, 3, 3]])
    edge_len = torch.tensor([0.7, 2.0, 2.0, 0.0, 0.0])
    assert nn.interpolate(x, index, edge_len, (3, 5)).flatten().tolist() == [8.0, 2.0, 0.0, 4.5, 0.0]
    none = torch.zeros(2, 0, dtype=torch.int64)
    assert nn.interpolate(x, none, torch.zeros(0)).shape == (0, 1)
    assert nn.interpolate(x, none, torch.zeros(0), (3, 2)).tolist() == [[0.0], [0.0]]


def test_derivatives_are_exact_to_second_order():
    coarse, fine = points(6, 3)
    edge_index, _ = neighbors(coarse, fine, 4)

    def function(x, coarse, fine):
        return nn.interpolate(x, edge_index, (coarse[edge_index[0]] - fine[edge_index[1]]).norm(dim=1))

    inputs = [tensor.requires_grad_() for tensor in (torch.randn(6, 2).double(), coarse, fine)]
    assert torch.autograd.gradcheck(function, inputs)
    assert torch.autograd.gradgradcheck(function, inputs)
    index = torch.tensor([[0, 1], [0, 0]])
    for lengths in ([0.5, 0.5], [0.0, 0.0], [0.0, 1.0]):
        edge_len = torch.tensor(lengths).requires_grad_()
        (gradient,) = torch.autograd.grad(nn.interpolate(torch.tensor([[1.0], [2.0]]), index, edge_len), edge_len)
        assert gradient.isfinite().all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            (torch.randn(3), torch.zeros(2, 1).long(), torch.ones(1)),
            r"interpolate: expected x of shape \(3, dim\), got \(3,\)",
        ),
        (
            (torch.randn(3, 1), torch.zeros(2, 1).long(), torch.ones(2)),
            r"expected edge_len of shape \(1,\), one distance .* got \(2,\)",
        ),
        (
            (torch.randn(3, 1), torch.zeros(2, 1), torch.ones(1)),
            r"interpolate: expected edge_index of shape \(2, edges\)",
        ),
        ((torch.randn(3, 1), torch.tensor([[3], [0]]), torch.ones(1)), r"expected senders in 0 ... 2, got 3 ... 3"),
    ],
)
def test_what_does_not_fit_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        nn.interpolate(*arguments)
