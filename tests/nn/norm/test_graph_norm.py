import pytest
import torch

from eqgraph import nn
from eqgraph.o3 import Irreps

BATCH = torch.tensor([1, 0, 1, 1, 3, 0, 3, 3, 3, 0])
"""Graphs of 3, 3, 0 and 4 nodes, in no order."""


@pytest.mark.parametrize("batch", [BATCH, None], ids=["ragged", "one graph"])
@pytest.mark.parametrize("center_nonscalars", [False, True])
def test_same_numbers_as_torch_geometric_for_scalars(batch, center_nonscalars):
    from torch_geometric.nn import GraphNorm

    ours, theirs = nn.GraphNorm("5x0e", center_nonscalars=center_nonscalars).double(), GraphNorm(5).double()
    for parameter in theirs.parameters():
        torch.nn.init.normal_(parameter)
    ours.load_state_dict(theirs.state_dict())
    x = 2 + torch.randn(10, 5, dtype=torch.float64)
    a, b = x.clone().requires_grad_(), x.clone().requires_grad_()
    out, expected = ours(a, batch), theirs(b, batch)
    torch.testing.assert_close(out, expected, rtol=1e-10, atol=1e-10)
    out.pow(3).sum().backward()
    expected.pow(3).sum().backward()
    torch.testing.assert_close(a.grad, b.grad, rtol=1e-9, atol=1e-9)
    for name, parameter in ours.named_parameters():
        torch.testing.assert_close(parameter.grad, theirs.get_parameter(name).grad, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("normalization", ["component", "norm"])
def test_a_mean_scale_of_one_is_instance_norm(normalization):
    irreps = Irreps("2x0e + 2x1o + 1x0o")
    for center in (False, True):
        ours = nn.GraphNorm(irreps, normalization=normalization, center_nonscalars=center)
        torch.nn.init.ones_(ours.mean_scale)
        theirs = nn.InstanceNorm(irreps, normalization=normalization, center_nonscalars=center)
        x = 1 + torch.randn(10, irreps.dim)
        torch.testing.assert_close(ours(x, BATCH), theirs(x, BATCH))


def test_at_first_only_scalars_are_centred():
    layer = nn.GraphNorm("1x1o + 2x0e + 1x0o", center_nonscalars=True)
    assert layer.mean_scale.tolist() == [0, 1, 1, 0]
    x = 1 + torch.randn(10, 6)
    torch.testing.assert_close(layer(x, BATCH), nn.GraphNorm("1x1o + 2x0e + 1x0o")(x, BATCH))


def test_vectors_by_the_formula():
    layer = nn.GraphNorm("1x1o", eps=0.1, center_nonscalars=True).double()
    torch.nn.init.constant_(layer.mean_scale, 0.3)
    torch.nn.init.constant_(layer.weight, 2)
    x = 1 + torch.randn(4, 3, dtype=torch.float64)
    centred = x - 0.3 * x.mean(0)
    torch.testing.assert_close(layer(x), 2 * centred / (centred.square().mean() + 0.1).sqrt())


def test_reset_parameters():
    layer = nn.GraphNorm("1x1o + 2x0e", center_nonscalars=True)
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter)
    layer.reset_parameters()
    assert layer.mean_scale.tolist() == [0, 1, 1]
    assert (layer.weight == 1).all()
    assert (layer.bias == 0).all()


def test_unknown_normalization_is_refused():
    with pytest.raises(ValueError, match="GraphNorm: expected normalization"):
        nn.GraphNorm("0e", normalization="l2")


@pytest.mark.parametrize("center_nonscalars", [False, True])
def test_gradients_with_padding_are_those_without(center_nonscalars):
    layer = nn.GraphNorm("2x0e + 1x1o", normalization="norm", center_nonscalars=center_nonscalars).double()
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter)
    mask = torch.tensor([True, True, False, True, True, True, False, True, True, True])
    x = torch.randn(10, 5, dtype=torch.float64)
    a, b = x.clone().requires_grad_(), x[mask].clone().requires_grad_()
    inputs = tuple(layer.parameters())
    found = torch.autograd.grad(layer(a, BATCH, 4, mask=mask).pow(3).sum(), (a, *inputs))
    expected = torch.autograd.grad(layer(b, BATCH[mask], 4).pow(3).sum(), (b, *inputs))
    torch.testing.assert_close(found[0][mask], expected[0])
    torch.testing.assert_close(found[1:], expected[1:])


@pytest.mark.parametrize("center_nonscalars", [False, True])
def test_the_gradient_is_the_same_whether_or_not_it_will_be_differentiated(center_nonscalars):
    layer = nn.GraphNorm("2x0e + 2x1o + 1x0o", center_nonscalars=center_nonscalars).double()
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter)
    x = (1 + torch.randn(10, 9, dtype=torch.float64)).requires_grad_()
    inputs, loss = (x, *layer.parameters()), layer(x, BATCH).pow(3).sum()
    derived = torch.autograd.grad(loss, inputs, create_graph=True)
    torch.testing.assert_close(torch.autograd.grad(loss, inputs), tuple(value.detach() for value in derived))
