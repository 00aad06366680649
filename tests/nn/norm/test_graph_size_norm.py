"""Layers that divide by constants or counts: GraphSizeNorm, AvgNumNeighborsNorm, DegreeLayerScale."""

import math

import pytest
import torch
from torch_geometric import nn as pyg

from eqgraph import nn

BATCH = torch.tensor([0, 2, 0, 1, 2, 2, 0, 1, 1, 0, 2])


@pytest.mark.parametrize("batch", [None, BATCH])
def test_sizes_are_those_of_torch_geometric(batch):
    x = torch.randn(len(BATCH), 5, dtype=torch.float64)
    torch.testing.assert_close(nn.GraphSizeNorm("5x0e")(x, batch), pyg.GraphSizeNorm()(x, batch))


def test_sizes_count_what_is_not_masked():
    # torch_geometric has no masks, and 1 / sqrt(0) for graphs that are empty
    x, mask = torch.ones(5, 1), torch.tensor([True, True, False, False, True])
    y = nn.GraphSizeNorm("1x0e")(x, torch.tensor([0, 0, 0, 1, 3]), 5, mask=mask)
    torch.testing.assert_close(y.flatten(), torch.tensor([0.5**0.5, 0.5**0.5, 0.0, 0.0, 1.0]))


def test_sizes_beyond_half_precision():
    # torch_geometric counts nodes in the dtype of x: 70,000 is infinity in float16, and everything comes out zero
    x, batch = torch.ones(70_000, 1, dtype=torch.float16), torch.zeros(70_000, dtype=torch.int64)
    torch.testing.assert_close(nn.GraphSizeNorm("1x0e")(x, batch)[0].item(), 70_000**-0.5, rtol=1e-3, atol=0)
    assert pyg.GraphSizeNorm()(x, batch)[0].item() == 0


def test_energies_of_two_copies():
    x = torch.randn(6, 4, dtype=torch.float64)
    neighbors, sizes = nn.AvgNumNeighborsNorm("1x0e + 1x1o", 7.0), nn.GraphSizeNorm("1x0e + 1x1o")
    twice = torch.cat([x, x])
    torch.testing.assert_close(neighbors(twice)[:, 0].sum(), 2 * neighbors(x)[:, 0].sum())
    torch.testing.assert_close(sizes(twice)[:, 0].sum(), 2**0.5 * sizes(x)[:, 0].sum())  # not extensive, as it says


def test_average_number_of_neighbors():
    norm = nn.AvgNumNeighborsNorm("2x0e + 1x1o", 16)
    x = torch.randn(4, 5)
    torch.testing.assert_close(norm(x), x / 4)
    assert norm.state_dict()["avg_num_neighbors"].item() == 16
    assert norm.half().avg_num_neighbors.dtype == torch.float32
    assert norm.double().avg_num_neighbors.dtype == torch.float64
    assert str(norm) == "AvgNumNeighborsNorm (2x0e+1x1o, avg_num_neighbors=16.0)"


def test_average_number_of_neighbors_of_types():
    norm = nn.AvgNumNeighborsNorm("2x0e + 1x1o", [4, 16.0])
    x, types, batch = torch.randn(4, 5), torch.tensor([1, 0, 0, 1]), torch.tensor([0, 0, 1, 1])
    expected = x / torch.tensor([4.0, 2.0, 2.0, 4.0]).unsqueeze(1)
    torch.testing.assert_close(norm(x, type_vec=types), expected)
    torch.testing.assert_close(norm(x, batch, 2, type_vec=types), expected)
    masked = norm(x, mask=torch.tensor([True, True, True, False]), type_vec=types)
    torch.testing.assert_close(masked[:3], expected[:3])
    assert (masked[3] == 0).all()
    with pytest.raises(ValueError, match=r"expected a type_vec with avg_num_neighbors=\[4.0, 16.0\], got none"):
        norm(x)
    with pytest.raises(ValueError, match=r"expected no type_vec with avg_num_neighbors=16.0, got \(4,\)"):
        nn.AvgNumNeighborsNorm("2x0e + 1x1o", 16.0)(x, type_vec=types)
    with pytest.raises(ValueError, match=r"expected type_vec to be 4 whole numbers.*got \(3,\)"):
        norm(x, type_vec=types[:3])
    with pytest.raises(ValueError, match=r"expected batch to be 4 whole numbers.*got \(3,\)"):
        norm(x, batch[:3], type_vec=types)


@pytest.mark.parametrize("average", [0.0, -1.0, math.inf, math.nan, [], [2.0, 0.0]])
def test_averages_that_are_not_positive_are_refused(average):
    with pytest.raises(ValueError, match="expected a positive avg_num_neighbors"):
        nn.AvgNumNeighborsNorm("1x0e", average)


def test_factors_of_degrees():
    norm = nn.DegreeLayerScale("2x1o + 1x0e + 1x0o + 1x2e + 1x3o", 2.0)
    expected = torch.tensor([2**-0.5, 2**-0.5, 1, 1, 4**-0.5, 6**-0.5])
    torch.testing.assert_close(norm.weight.data, expected)
    x = norm.irreps.randn(3, -1)
    dims = torch.tensor([3, 3, 1, 1, 5, 7])
    torch.testing.assert_close(norm(x), x * expected.repeat_interleave(dims))
    norm.weight.data.normal_()
    norm.reset_parameters()
    torch.testing.assert_close(norm.weight.data, expected)
    torch.testing.assert_close(nn.DegreeLayerScale("1x1o", 8.0).weight.item(), 8**-0.5)
    (gradient,) = torch.autograd.grad(norm(x).sum(), norm.weight)
    torch.testing.assert_close(gradient, torch.stack([part.sum() for part in x.split(dims.tolist(), 1)]))


@pytest.mark.parametrize("factor", [0.0, -2.0, math.inf, math.nan])
def test_factors_that_are_not_positive_are_refused(factor):
    with pytest.raises(ValueError, match="expected a positive scale_factor, got"):
        nn.DegreeLayerScale("1x0e", factor)
