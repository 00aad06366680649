"""HeteroLayerNorm against torch_geometric, and against one LayerNorm for each type."""

import pytest
import torch
from torch_geometric import nn as pyg

from eqgraph import nn

TYPES = torch.tensor([2, 0, 1, 0, 2, 2, 1, 0, 2])


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("eps", [1e-5, 0.1])
def test_scalars_are_those_of_torch_geometric(affine, eps):
    ours = nn.HeteroLayerNorm("2x0e + 3x0e", 4, eps, affine).double()
    theirs = pyg.HeteroLayerNorm(5, 4, eps, affine).double()
    for parameter in theirs.parameters():
        torch.nn.init.normal_(parameter)
    ours.load_state_dict(theirs.state_dict())
    x = 2 + torch.randn(len(TYPES), 5, dtype=torch.float64)
    results = []
    for norm in (ours, theirs):
        inputs = x.clone().requires_grad_()
        out = norm(inputs, TYPES)
        results.append([out, *torch.autograd.grad(out.square().mul(x).sum(), [inputs, *norm.parameters()])])
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("irreps", ["2x0e + 2x1o + 1x0o + 1x0e + 1x2e", "2x1o + 1x0o"])
def test_each_type_is_a_layer_norm_of_its_own(irreps):
    norm = nn.HeteroLayerNorm(irreps, 3).double()
    for parameter in norm.parameters():
        torch.nn.init.normal_(parameter)
    x = 2 + norm.irreps.randn(len(TYPES), -1, dtype=torch.float64)
    out = norm(x, TYPES, torch.arange(len(TYPES)) // 3, 3)
    for kind in range(3):
        plain = nn.LayerNorm(irreps).double()
        plain.weight.data, plain.bias.data = norm.weight.data[kind], norm.bias.data[kind]
        torch.testing.assert_close(out[kind == TYPES], plain(x[kind == TYPES]), rtol=1e-12, atol=1e-12)


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="expected at least one type, got num_types=0 for irreps '2x0e'"):
        nn.HeteroLayerNorm("2x0e", 0)
    with pytest.raises(ValueError, match=r"expected type_vec to be 4 whole numbers.*got \(3,\) of torch.int64"):
        nn.HeteroLayerNorm("2x0e", 2)(torch.zeros(4, 2), torch.zeros(3, dtype=torch.int64))
    with pytest.raises(ValueError, match=r"expected type_vec to be 4 whole numbers.*got \(4,\) of torch.float32"):
        nn.HeteroLayerNorm("2x0e", 2)(torch.zeros(4, 2), torch.zeros(4))


def test_reset_parameters():
    norm = nn.HeteroLayerNorm("2x0e + 2x1o", 3)
    for parameter in norm.parameters():
        torch.nn.init.normal_(parameter)
    norm.reset_parameters()
    assert (norm.weight == 1).all()
    assert (norm.bias == 0).all()
