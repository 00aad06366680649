import copy
import itertools
import warnings

import pytest
import torch

from eqgraph import nn, o3
from eqgraph.testing import assert_equivariant

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from e3nn import nn as e3nn_nn

IRREPS = ["2x0e + 1x1o", "3x1o + 2x0e + 2x0o + 1x0e + 1x2e", "2x1o + 1x1e", "1x0o"]


@pytest.mark.parametrize("irreps", IRREPS)
@pytest.mark.parametrize(
    ("affine", "reduce", "normalization", "instance", "include_bias"),
    list(itertools.product([True, False], ["mean", "max"], ["component", "norm"], [True, False], [True, False])),
)
def test_same_numbers_as_e3nn_over_three_steps(irreps, affine, reduce, normalization, instance, include_bias):
    kwargs = {
        "affine": affine,
        "reduce": reduce,
        "normalization": normalization,
        "instance": instance,
        "include_bias": include_bias,
    }
    ours, theirs = nn.BatchNorm(irreps, **kwargs).double(), e3nn_nn.BatchNorm(irreps, **kwargs).double()
    for parameter, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.nn.init.normal_(parameter)
        other.data.copy_(parameter.data)
    for _ in range(3):
        x = 2 + ours.irreps.randn(4, 5, -1, dtype=torch.float64)
        a, b = x.clone().requires_grad_(), x.clone().requires_grad_()
        torch.testing.assert_close(ours(a), theirs(b), rtol=1e-10, atol=1e-10)
        ours(a).square().mul(x).sum().backward()
        theirs(b).square().mul(x).sum().backward()
        torch.testing.assert_close(a.grad, b.grad, rtol=1e-8, atol=1e-8)
    for name, buffer in theirs.named_buffers():
        torch.testing.assert_close(getattr(ours, name), buffer)
    torch.testing.assert_close(ours.eval()(x), theirs.eval()(x), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("irreps", IRREPS)
@pytest.mark.parametrize("training", [True, False])
def test_equivariance(irreps, training):
    assert_equivariant(nn.BatchNorm(irreps).double().train(training), irreps, irreps)


def test_scalars_are_those_of_torch_batch_norm():
    ours, theirs = nn.BatchNorm("5x0e"), torch.nn.BatchNorm1d(5)
    x = 3 + 2 * torch.randn(50, 5)
    torch.testing.assert_close(ours(x), theirs(x))


def test_the_example_of_the_source_document():
    irreps_in = o3.Irreps("2x0e + 1x1o")
    assert str(irreps_in) == "2x0e+1x1o"
    x = irreps_in.randn(10, -1)
    bn_layer = nn.BatchNorm(irreps=irreps_in, affine=True)
    assert str(bn_layer) == "BatchNorm (2x0e+1x1o, eps=1e-05, momentum=0.1)"
    y = bn_layer(x)
    assert y.shape == (10, 5)
    torch.testing.assert_close(y[:, :2].mean(0), torch.zeros(2), atol=1e-6, rtol=0)
    # The document prints 1.00; .var() is the unbiased variance, so 10/9 is what comes out.
    torch.testing.assert_close(y[:, 0].var().item(), 10 / 9, rtol=1e-4, atol=0)
    # The document prints 1.00 for one axis; only the mean over the three components is 1.
    torch.testing.assert_close(y[:, 2:].square().mean().item(), 1.0, rtol=1e-4, atol=0)
    assert (y[:, 2:].square().mean(0) - 1).abs().max() > 0.01


def test_second_derivatives():
    norm = nn.BatchNorm("2x0e + 1x1o").double()
    x = torch.randn(4, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(norm, x)


def test_an_empty_batch_teaches_nothing():
    norm = nn.BatchNorm("2x0e + 1x1o")
    assert norm(torch.zeros(0, 5)).shape == (0, 5)
    assert (norm.running_var == 1).all()


def test_reset_parameters():
    norm = nn.BatchNorm("2x0e + 1x1o")
    norm(torch.randn(6, 5))
    torch.nn.init.normal_(norm.weight)
    norm.reset_parameters()
    assert (norm.weight == 1).all()
    assert (norm.running_var == 1).all()
    assert (norm.running_mean == 0).all()


@pytest.mark.parametrize(
    ("kwargs", "message"), [({"reduce": "sum"}, "expected reduce"), ({"normalization": "l2"}, "expected normalization")]
)
def test_unknown_choices_are_refused(kwargs, message):
    with pytest.raises(ValueError, match=message):
        nn.BatchNorm("0e", **kwargs)


def test_input_of_another_width_is_refused():
    with pytest.raises(
        ValueError,
        match=r"expected input of shape \(nodes, 5\) or \(graphs, ..., 5\) for irreps '2x0e\+1x1o', got \(3, 4\)",
    ):
        nn.BatchNorm("2x0e + 1x1o")(torch.randn(3, 4))


def torch_pair(**options):
    """BatchNorm of 5x0e of ours and of torch with the same random parameters."""
    ours, theirs = nn.BatchNorm("5x0e", correction=1, **options).double(), torch.nn.BatchNorm1d(5, **options).double()
    for parameter in theirs.parameters():
        torch.nn.init.normal_(parameter)
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs


@pytest.mark.parametrize("momentum", [0.1, 0.7, 0.0, None])
@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("track_running_stats", [True, False])
def test_same_numbers_as_torch_for_scalars(momentum, affine, track_running_stats):
    ours, theirs = torch_pair(momentum=momentum, affine=affine, track_running_stats=track_running_stats)
    for training in (True, True, True, False, True, False):
        ours.train(training)
        theirs.train(training)
        x = 2 + 3 * torch.randn(8, 5, dtype=torch.float64)
        a, b = x.clone().requires_grad_(), x.clone().requires_grad_()
        out, expected = ours(a), theirs(b)
        torch.testing.assert_close(out, expected, rtol=1e-10, atol=1e-10)
        out.pow(3).sum().backward()
        expected.pow(3).sum().backward()
        torch.testing.assert_close(a.grad, b.grad, rtol=1e-8, atol=1e-8)
        assert ours.state_dict().keys() == theirs.state_dict().keys()
        for name, value in theirs.state_dict().items():
            torch.testing.assert_close(ours.state_dict()[name], value, rtol=1e-10, atol=1e-10)
    for parameter, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(parameter.grad, other.grad, rtol=1e-8, atol=1e-8)
    theirs.load_state_dict(ours.state_dict())  # and back
    assert torch.equal(theirs.running_var, ours.running_var) if track_running_stats else theirs.running_var is None


def test_images_are_rows_for_torch():
    ours, theirs = torch_pair()
    images = torch.nn.BatchNorm2d(5).double()
    images.load_state_dict(theirs.state_dict())
    x = torch.randn(3, 5, 4, 2, dtype=torch.float64)
    torch.testing.assert_close(ours(x.movedim(1, -1)).movedim(-1, 1), images(x), rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(ours.running_var, images.running_var)


def test_no_gradient_reaches_the_running_statistics_and_evaluation_survives_their_change():
    norm = nn.BatchNorm("2x0e + 1x1o")
    x = torch.randn(6, 5, requires_grad=True)
    norm(x)
    assert not norm.running_mean.requires_grad
    assert not norm.running_var.requires_grad
    out = norm.eval()(x)
    norm.running_var.mul_(2)  # as DistributedDataParallel does when it broadcasts buffers
    out.sum().backward()
    assert x.grad.isfinite().all()


def test_a_single_node_may_be_normalized_by_what_was_learned():
    norm = nn.BatchNorm("2x0e + 1x1o", allow_single_element=True)
    norm(torch.randn(6, 5))
    before, x = copy.deepcopy(norm.state_dict()), torch.randn(1, 5)
    out = norm(x)
    assert all(torch.equal(value, before[name]) for name, value in norm.state_dict().items())
    assert torch.equal(out, norm.eval()(x))
    with pytest.raises(ValueError, match="expected more than 1 node in training, got 1"):
        nn.BatchNorm("2x0e")(torch.zeros(1, 2))
    nn.BatchNorm("2x1o")(torch.zeros(1, 6))  # vectors have a length all the same


@pytest.mark.parametrize("irreps", IRREPS)
@pytest.mark.parametrize("kwargs", [{}, {"affine": False}, {"include_bias": False}, {"instance": True}])
def test_checkpoints_of_e3nn_are_loaded(irreps, kwargs):
    theirs = e3nn_nn.BatchNorm(irreps, **kwargs)
    for parameter in theirs.parameters():
        torch.nn.init.normal_(parameter)
    ours = torch.nn.Sequential(nn.BatchNorm(irreps, **kwargs))
    x = ours[0].irreps.randn(6, -1)
    theirs(x)
    saved = torch.nn.Sequential(theirs).state_dict()
    keys = set(saved)
    ours.load_state_dict(saved)
    assert set(saved) == keys  # the checkpoint is left as it was
    for training in (False, True):
        torch.testing.assert_close(ours.train(training)(x), theirs.train(training)(x))
