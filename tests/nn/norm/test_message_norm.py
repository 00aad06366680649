"""MessageNorm against torch_geometric, away from zero, and what it is at zero."""

import pytest
import torch
from torch_geometric import nn as pyg

from eqgraph import nn, o3


@pytest.mark.parametrize("learn_scale", [True, False])
def test_scalars_are_those_of_torch_geometric(learn_scale):
    # eps of torch_geometric is a bound on |m|; the two meet as eps goes to zero
    ours, theirs = nn.MessageNorm("5x0e", learn_scale, eps=1e-14).double(), pyg.MessageNorm(learn_scale).double()
    for norm in (ours, theirs):
        norm.scale.data.fill_(1.7)
        assert norm.scale.requires_grad == learn_scale
    ours.load_state_dict(theirs.state_dict())
    inputs = torch.randn(2, 6, 5, dtype=torch.float64).unbind()
    results = []
    for norm in (ours, theirs):
        x, messages = (tensor.clone().requires_grad_() for tensor in inputs)
        out = norm(x, messages)
        wanted = [x, messages, *(parameter for parameter in norm.parameters() if parameter.requires_grad)]
        results.append([out, *torch.autograd.grad(out.square().mul(inputs[0]).sum(), wanted)])
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10)


def test_messages_turn_and_norms_do_not():
    norm, irreps = nn.MessageNorm("2x0e + 1x1o + 1x2e"), o3.Irreps("2x0e + 1x1o + 1x2e")
    x, messages = irreps.randn(2, 6, -1, dtype=torch.float64).unbind()
    turn = irreps.D_from_matrix(-o3.rand_matrix(dtype=torch.float64))
    expected = norm(x, messages) @ turn.T
    torch.testing.assert_close(norm(x @ turn.T, messages @ turn.T), expected, rtol=1e-12, atol=1e-12)
    other = irreps.D_from_matrix(-o3.rand_matrix(dtype=torch.float64))
    torch.testing.assert_close(norm(x @ other.T, messages @ turn.T), expected, rtol=1e-12, atol=1e-12)


def test_derivatives_where_features_or_messages_are_zero():
    x, messages = torch.randn(2, 4, 3, dtype=torch.float64).unbind()
    x[0], messages[1], x[2], messages[2] = 0, 0, 0, 0
    norm = nn.MessageNorm("1x1o")
    inputs = (x.requires_grad_(), messages.requires_grad_())
    assert (norm(*inputs)[:3] == 0).all()
    assert torch.autograd.gradcheck(norm, inputs, atol=1e-4)
    assert torch.autograd.gradgradcheck(norm, inputs, atol=1e-3)
    # The second derivatives of torch_geometric are not numbers there.
    (gradient,) = torch.autograd.grad(pyg.MessageNorm()(*inputs).sum(), x, create_graph=True)
    assert torch.autograd.grad(gradient.square().sum(), x)[0].isnan().any()


def test_the_output_has_the_norm_of_the_features():
    x, messages = torch.randn(8, 5), 1e3 * torch.randn(8, 5)
    norm = nn.MessageNorm("2x0e + 1x1o")
    torch.testing.assert_close(norm(x, messages).norm(dim=1), x.norm(dim=1), rtol=1e-3, atol=1e-4)
    batch, mask = torch.zeros(8, dtype=torch.int64), torch.arange(8) < 5
    torch.testing.assert_close(norm(x, messages, batch, 1, mask=mask)[:5], norm(x[:5], messages[:5]))
    assert (norm(x, messages, mask=mask)[5:] == 0).all()


def test_messages_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"expected messages of the shape of x, \(4, 5\), .*got \(3, 5\)"):
        nn.MessageNorm("2x0e + 1x1o")(torch.zeros(4, 5), torch.zeros(3, 5))


def test_reset_parameters():
    norm = nn.MessageNorm("1x0e", learn_scale=True)
    norm.scale.data.fill_(3.0)
    norm.reset_parameters()
    assert norm.scale.item() == 1
