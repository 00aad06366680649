"""AlphaDropout and FeatureAlphaDropout: 0e as in torch, everything else keeps its mean square."""

import pytest
import torch

from eqgraph import nn

PROBABILITIES = [0.1, 0.3, 0.5, 0.8]


@pytest.mark.parametrize("p", PROBABILITIES)
def test_scalars_take_the_two_values_of_torch(p):
    x = torch.full((1000, 4), 0.7, dtype=torch.float64)
    ours, theirs = nn.AlphaDropout("4x0e", p)(x).unique(), torch.nn.AlphaDropout(p)(x).unique()
    torch.testing.assert_close(ours, theirs)
    assert len(ours) == 2


def test_the_number_of_the_source_document():
    # dropped 0e come out as a α' + b, not as α' = -1.758
    y = nn.AlphaDropout("1x0e", 0.3)(torch.full((1000, 1), 5.0, dtype=torch.float64))
    alpha, p = -1.7580993408473766, 0.3
    expected = alpha * (1 - p) / ((1 - p) * (1 + p * alpha**2)) ** 0.5
    torch.testing.assert_close(y.min().item(), expected)


@pytest.mark.parametrize("make", [nn.AlphaDropout, nn.FeatureAlphaDropout])
@pytest.mark.parametrize("p", PROBABILITIES)
def test_mean_and_variance_of_what_selu_gives_are_kept(make, p):
    x = torch.nn.functional.selu(torch.randn(200_000, 5))
    y = make("5x0e", p)(x, torch.arange(200_000), 200_000)
    theirs = torch.nn.AlphaDropout(p)(x)
    for out in (y, theirs):
        torch.testing.assert_close(out.mean().item(), 0.0, atol=1e-2, rtol=0)
        torch.testing.assert_close(out.var().item(), 1.0, atol=1e-2, rtol=0)


@pytest.mark.parametrize("p", PROBABILITIES)
def test_other_irreps_keep_their_mean_of_zero_and_mean_square(p):
    layer = nn.AlphaDropout("1x0o + 2x1o + 1x2e", p)
    x = layer.irreps.randn(100_000, -1)
    y = layer(x)
    for part in y.split([1, 3, 3, 5], 1):
        torch.testing.assert_close(part.mean().item(), 0.0, atol=1e-2, rtol=0)
        torch.testing.assert_close(part.square().mean().item(), 1.0, atol=3e-2, rtol=0)
    kept = y != 0
    torch.testing.assert_close(y[kept], x[kept] * (1 - p) ** -0.5)
    torch.testing.assert_close(kept.float().mean().item(), 1 - p, atol=1e-2, rtol=0)
    assert torch.equal(kept[:, 1:4], kept[:, 1:2].expand(-1, 3))
    assert torch.equal(kept[:, 7:], kept[:, 7:8].expand(-1, 5))


def test_pseudoscalars_change_sign():
    layer, x = nn.AlphaDropout("3x0o", 0.5), torch.randn(10, 3)
    outs = []
    for sign in (1, -1):
        torch.manual_seed(0)
        outs.append(layer(sign * x))
    assert torch.equal(outs[0], -outs[1])


def test_features_of_a_graph_are_dropped_together_as_in_torch():
    x = torch.full((1000, 4, 6), 0.7)
    theirs = torch.nn.FeatureAlphaDropout(0.4)(x.transpose(1, 2)).transpose(1, 2)  # images of 4 pixels
    ours = nn.FeatureAlphaDropout("6x0e", 0.4)(x.flatten(0, 1), torch.arange(4000) // 4, 1000).view(1000, 4, 6)
    for y in (ours, theirs):
        assert (y == y[:, :1]).all()
    torch.testing.assert_close(ours.unique(), theirs.unique())
    torch.testing.assert_close(ours.mean(), theirs.mean(), atol=0.05, rtol=0)
