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
        ValueError, match=r"expected input of shape \(batch, ..., 5\) for irreps '2x0e\+1x1o', got \(3, 4\)"
    ):
        nn.BatchNorm("2x0e + 1x1o")(torch.randn(3, 4))
