"""Dropout, ChannelDropout, DropPath and GraphDropPath: which numbers share a mask, how often it is zero, and what is kept."""

import math
import warnings

import pytest
import torch

from eqgraph import nn

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from e3nn import nn as e3nn_nn

IRREPS = "2x0e + 2x1o + 1x0o + 1x2e"
DIMS = [1, 1, 3, 3, 1, 5]
MAKE = [nn.Dropout, nn.ChannelDropout, nn.DropPath, nn.GraphDropPath, nn.AlphaDropout, nn.FeatureAlphaDropout]
SCALING = MAKE[:4]
every = pytest.mark.parametrize("make", MAKE)
scaling = pytest.mark.parametrize("make", SCALING)
BATCH = torch.tensor([0, 2, 0, 1, 2, 2, 0, 1, 1, 0, 2])


def masks(layer, rows, **arguments):
    """(rows, irreps) factors of the irreps; every component of one has the same."""
    y = layer(torch.ones(rows, layer.irreps.dim), **arguments)
    parts = y.split(DIMS, 1)
    for part in parts:
        assert (part == part[:, :1]).all()
    return torch.stack([part[:, 0] for part in parts], 1)


def test_each_node_and_irrep_has_its_own_mask_as_in_e3nn():
    for layer in (nn.Dropout(IRREPS, 0.3), e3nn_nn.Dropout(IRREPS, 0.3)):
        drawn = masks(layer, 20_000)
        torch.testing.assert_close(drawn.unique(), torch.tensor([0.0, 1 / 0.7]))
        kept = (drawn > 0).double()
        torch.testing.assert_close(kept.mean(0), torch.full((6,), 0.7).double(), atol=0.02, rtol=0)
        torch.testing.assert_close(kept.T.cov(), 0.21 * torch.eye(6).double(), atol=0.01, rtol=0)
        neighbors = ((kept[1:] - 0.7) * (kept[:-1] - 0.7)).mean(0)
        torch.testing.assert_close(neighbors, torch.zeros(6).double(), atol=0.01, rtol=0)


def test_rows_of_an_axis_in_between_share_a_mask_as_in_e3nn():
    x = torch.ones(50, 4, 3, 14)
    for layer in (nn.Dropout(IRREPS, 0.5), e3nn_nn.Dropout(IRREPS, 0.5), nn.DropPath(IRREPS, 0.5)):
        y = layer(x)
        assert (y == y[:, :1, :1]).all()
        assert len(y[:, 0, 0].unique(dim=0)) > 1
        assert set(y.unique().tolist()) == {0.0, 2.0}


def test_a_batch_vector_makes_no_difference_to_masks_of_nodes():
    for layer in (nn.Dropout(IRREPS), nn.DropPath(IRREPS, 0.5), nn.AlphaDropout(IRREPS)):
        x, outs = torch.randn(len(BATCH), 14), []
        for batch, batch_size in ((None, None), (BATCH, 3), (BATCH, None), (7 * BATCH, None)):
            torch.manual_seed(3)
            outs.append(layer(x, batch, batch_size))
        assert all(torch.equal(out, outs[0]) for out in outs)


def test_only_scalars():
    drawn = masks(nn.Dropout(IRREPS, 0.25, scalars_only=True), 20_000)
    assert (drawn[:, 2:] == 1).all()
    torch.testing.assert_close(drawn[:, :2].unique(), torch.tensor([0.0, 1 / 0.75]))
    torch.testing.assert_close((drawn[:, :2] > 0).float().mean(0), torch.full((2,), 0.75), atol=0.02, rtol=0)
    assert (
        str(nn.Dropout("1x0e", scalars_only=True, inplace=True))
        == "Dropout (1x0e, p=0.5, inplace=True, scalars_only=True)"
    )


@pytest.mark.parametrize("batch", [torch.arange(4000) // 4, torch.arange(4000) % 1000])
def test_channels_share_a_mask_in_each_graph(batch):
    drawn = masks(nn.ChannelDropout(IRREPS, 0.3), 4000, batch=batch, batch_size=1000)
    of_graph = torch.zeros(1000, 6).index_copy(0, batch, drawn)
    assert torch.equal(of_graph[batch], drawn)
    torch.testing.assert_close((of_graph > 0).double().T.cov(), 0.21 * torch.eye(6).double(), atol=0.03, rtol=0)
    assert nn.ChannelDropout(IRREPS)(torch.ones(5, 14)).unique(dim=0).shape == (1, 14)  # one graph


@pytest.mark.parametrize("torch_class", [torch.nn.Dropout1d, torch.nn.Dropout2d, torch.nn.Dropout3d])
def test_channels_are_those_of_images(torch_class):
    # an image of n pixels is a graph of n nodes
    sides = [1] * (int(torch_class.__name__[-2]) - 1) + [4]
    theirs = torch_class(0.4)(torch.ones(1000, 3, *sides)).flatten(2).transpose(1, 2)
    ours = nn.ChannelDropout("3x0e", 0.4)(torch.ones(4000, 3), torch.arange(4000) // 4, 1000).view(1000, 4, 3)
    for y in (ours, theirs):
        assert (y == y[:, :1]).all()
        torch.testing.assert_close(y.unique(), torch.tensor([0.0, 1 / 0.6]))
        torch.testing.assert_close(y.mean(), torch.tensor(1.0), atol=0.06, rtol=0)


def test_paths_are_whole_rows():
    drawn = masks(nn.DropPath(IRREPS, 0.3), 10_000)
    assert (drawn == drawn[:, :1]).all()
    torch.testing.assert_close((drawn[:, 0] > 0).float().mean().item(), 0.7, atol=0.02, rtol=0)
    batch = torch.arange(10_000) % 2500
    drawn = masks(nn.GraphDropPath(IRREPS, 0.3), 10_000, batch=batch, batch_size=2500)
    assert (drawn == drawn[:2500].repeat(4, 1)).all()
    assert (drawn == drawn[:, :1]).all()
    torch.testing.assert_close((drawn[:2500, 0] > 0).float().mean().item(), 0.7, atol=0.04, rtol=0)


@scaling
@pytest.mark.parametrize("p", [0.1, 0.5, 0.8])
def test_the_mean_of_the_output_is_the_input(make, p):
    layer, x = make(IRREPS, p), torch.randn(1, 14)
    mean = layer(x.expand(40_000, 14), torch.arange(40_000), 40_000).mean(0)
    torch.testing.assert_close(mean, x[0], atol=0.06, rtol=0.06)


@every
def test_evaluation_and_a_probability_of_zero_change_nothing(make):
    x = torch.randn(11, 14)
    assert torch.equal(make(IRREPS, 0.5).eval()(x, BATCH), x)
    assert torch.equal(make(IRREPS, 0.0)(x, BATCH), x)
    assert torch.equal(make(IRREPS, 1.0).eval()(x.half()), x.half())


@every
def test_a_probability_of_one_leaves_zeros(make):
    x = torch.randn(11, 14, requires_grad=True)
    y = make(IRREPS, 1.0)(x, BATCH)
    assert (y == 0).all()
    (gradient,) = torch.autograd.grad(y.sum(), x)
    assert (gradient == 0).all()


@every
@pytest.mark.parametrize("p", [-0.1, 1.5, math.nan])
def test_what_is_no_probability_is_refused(make, p):
    with pytest.raises(ValueError, match=rf"{make.__name__}: expected a probability p between 0 and 1, got {p} "):
        make(IRREPS, p)


@every
@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_in_place_is_the_same_in_the_tensor_of_the_input(make, masked, dtype):
    mask = BATCH > 0 if masked else None
    x = torch.randn(11, 14).to(dtype)
    torch.manual_seed(5)
    expected = make(IRREPS, 0.4)(x, BATCH, mask=mask)
    torch.manual_seed(5)
    leaf = x.clone().requires_grad_()
    written = leaf * 1
    out = make(IRREPS, 0.4, inplace=True)(written, BATCH, mask=mask)
    assert out is written
    assert torch.equal(out, expected)
    torch.manual_seed(5)
    other = x.clone().requires_grad_()
    make(IRREPS, 0.4)(other, BATCH, mask=mask).square().sum().backward()
    out.square().sum().backward()
    torch.testing.assert_close(leaf.grad, other.grad)
    kept = written.detach().clone()
    assert torch.equal(make(IRREPS, 0.4, inplace=True).eval()(kept), written)


@every
def test_masked_rows_come_out_zero_and_change_no_others(make):
    x, mask = torch.randn(11, 14), BATCH != 1
    torch.manual_seed(5)
    expected = make(IRREPS, 0.4)(x, BATCH, 3)
    x[~mask] = torch.nan
    for training in (True, False):
        torch.manual_seed(5)
        y = make(IRREPS, 0.4).train(training)(x, BATCH, 3, mask=mask)
        assert (y[~mask] == 0).all()
        torch.testing.assert_close(y[mask], expected[mask] if training else x[mask])


@every
def test_one_seed_is_one_mask_in_every_precision(make):
    outs = []
    for dtype in (torch.float64, torch.float32, torch.bfloat16, torch.float16):
        torch.manual_seed(5)
        outs.append(make(IRREPS, 0.5)(torch.ones(11, 14, dtype=dtype), BATCH))
    assert [out.dtype for out in outs] == [torch.float64, torch.float32, torch.bfloat16, torch.float16]
    for out in outs[1:]:
        torch.testing.assert_close(out.double(), outs[0], rtol=1e-2, atol=1e-2)


@every
def test_text_and_defaults(make):
    default = 0.0 if "Path" in make.__name__ else 0.5
    assert str(make("2x0e + 1x1o")) == f"{make.__name__} (2x0e+1x1o, p={default})"
    assert not list(make("2x0e").state_dict())
