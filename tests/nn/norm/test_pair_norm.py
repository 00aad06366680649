"""PairNorm and MeanSubtractionNorm against torch_geometric, where it is right."""

import pytest
import torch
from torch_geometric import nn as pyg

from eqgraph import nn

BATCH = torch.tensor([0, 2, 0, 1, 2, 2, 0, 1, 1, 0, 2])


def compared(ours, theirs, batch, rtol=1e-10):
    """Values and gradients."""
    x = 2 + torch.randn(len(BATCH), 5, dtype=torch.float64)
    a, b = x.clone().requires_grad_(), x.clone().requires_grad_()
    out, expected = ours(a, batch), theirs(b, batch)
    torch.testing.assert_close(out, expected, rtol=rtol, atol=rtol)
    out.square().mul(x).sum().backward()
    expected.square().mul(x).sum().backward()
    torch.testing.assert_close(a.grad, b.grad, rtol=rtol, atol=rtol)


@pytest.mark.parametrize("batch", [None, BATCH])
@pytest.mark.parametrize("scale", [1.0, 3.0])
@pytest.mark.parametrize("eps", [1e-5, 0.1])
def test_scalars_are_those_of_torch_geometric(batch, scale, eps):
    compared(nn.PairNorm("5x0e", scale, eps=eps), pyg.PairNorm(scale, eps=eps), batch)


@pytest.mark.parametrize("batch", [None, BATCH])
def test_rows_on_their_own_are_nearly_those_of_torch_geometric(batch):
    # torch_geometric divides by |x| + eps: the two meet as eps goes to zero
    compared(nn.PairNorm("5x0e", 2.0, True, eps=1e-12), pyg.PairNorm(2.0, True, eps=1e-12), batch, rtol=1e-9)


def test_rows_on_their_own_have_forces_where_torch_geometric_has_none():
    # all nodes alike: |x| has no derivative at zero, and the second derivatives of torch_geometric are not numbers
    x = torch.ones(3, 2, dtype=torch.float64, requires_grad=True)
    for norm, exists in ((nn.PairNorm("2x0e", scale_individually=True), True), (pyg.PairNorm(1.0, True), False)):
        (gradient,) = torch.autograd.grad(norm(x).pow(2).sum() + norm(x)[0].sum(), x, create_graph=True)
        (second,) = torch.autograd.grad(gradient.square().sum(), x)
        assert second.isfinite().all() == exists


def test_squared_distances_keep_their_mean():
    norm = nn.PairNorm("2x0e + 1x1o + 1x2e", 3.0, eps=0.0).double()
    x = norm.irreps.randn(20, -1, dtype=torch.float64)
    y = norm(100 * x + 7)
    torch.testing.assert_close(torch.cdist(y, y).square().mean().item(), 2 * 3.0**2)
    individual = nn.PairNorm("2x0e + 1x1o + 1x2e", 3.0, scale_individually=True, eps=0.0)(x)
    torch.testing.assert_close(individual.norm(dim=1), torch.full((20,), 3.0, dtype=torch.float64))


@pytest.mark.parametrize("batch", [None, BATCH])
def test_subtracted_means_are_those_of_torch_geometric(batch):
    compared(nn.MeanSubtractionNorm("5x0e"), pyg.MeanSubtractionNorm(), batch)


def test_means_of_vectors_are_those_of_their_graph():
    norm = nn.MeanSubtractionNorm("1x1o")
    y = norm(torch.tensor([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0], [5.0, 5.0, 5.0]]), torch.tensor([0, 0, 1]))
    assert y.tolist() == [[-1, 0, 1], [1, 0, -1], [0, 0, 0]]


def test_text():
    assert (
        str(nn.PairNorm("1x0e + 1x1o", 2, True)) == "PairNorm (1x0e+1x1o, scale=2, scale_individually=True, eps=1e-05)"
    )
    assert str(nn.MeanSubtractionNorm("1x0e")) == "MeanSubtractionNorm (1x0e)"
