"""DiffGroupNorm against torch_geometric, and against itself written without short cuts."""

import pytest
import torch
from torch_geometric import nn as pyg

from eqgraph import nn
from eqgraph.nn.norm import by_kernels


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("track", [True, False])
@pytest.mark.parametrize("momentum", [0.1, None])
def test_scalars_are_those_of_torch_geometric_over_three_steps(affine, track, momentum):
    options = {"lamda": 0.3, "momentum": momentum, "affine": affine, "track_running_stats": track}
    ours, theirs = nn.DiffGroupNorm("5x0e", 4, **options).double(), pyg.DiffGroupNorm(5, 4, **options).double()
    for parameter in theirs.parameters():
        torch.nn.init.normal_(parameter)
    ours.load_state_dict(theirs.state_dict())
    for _ in range(3):
        x = 1 + torch.randn(7, 5, dtype=torch.float64)
        results = []
        for norm in (ours, theirs):
            inputs = x.clone().requires_grad_()
            out = norm(inputs)
            results.append([out, *torch.autograd.grad(out.square().mul(x).sum(), [inputs, *norm.parameters()])])
        for a, b in zip(*results, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-8, atol=1e-8)
    for name, values in theirs.state_dict().items():
        torch.testing.assert_close(ours.state_dict()[name], values)
    torch.testing.assert_close(ours.eval()(x), theirs.eval()(x), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("masked", [True, False])
def test_the_formula_with_a_batch_norm_of_each_cluster(masked):
    irreps = "3x0e + 2x1o + 1x0o + 2x0e + 1x2e"
    norm = nn.DiffGroupNorm(irreps, 3, 0.4).double()
    for parameter in norm.parameters():
        torch.nn.init.normal_(parameter)
    plain = nn.BatchNorm(norm.norm.irreps, correction=1).double()
    plain.load_state_dict(norm.norm.state_dict())
    mask = torch.arange(9) % 4 > 0 if masked else None
    for training in (True, True, False):
        norm.train(training), plain.train(training)
        x = 1 + norm.irreps.randn(9, -1, dtype=torch.float64)
        share = torch.softmax(norm.lin(x[:, norm.layout.scalar_columns]), 1)
        products = (share.unsqueeze(2) * x.unsqueeze(1)).flatten(1)
        expected = x + 0.4 * plain(products, mask=mask).view(9, 3, -1).sum(1)
        out = norm(x, mask=mask)
        if masked:
            assert (out[~mask] == 0).all()
            out, expected = out[mask], expected[mask]
        torch.testing.assert_close(out, expected, rtol=1e-10, atol=1e-10)
    for name, buffer in plain.named_buffers():
        torch.testing.assert_close(norm.norm.get_buffer(name), buffer)


def test_text_and_reset():
    norm = nn.DiffGroupNorm("2x0e + 1x1o", 3)
    assert str(norm).startswith("DiffGroupNorm (2x0e+1x1o, groups=3, lamda=0.01)")
    norm(torch.randn(6, 5))
    norm.norm.weight.data.normal_()
    norm.reset_parameters()
    assert (norm.norm.weight == 1).all()
    assert (norm.norm.running_var == 1).all()


@pytest.mark.parametrize(("irreps", "groups"), [("2x1o + 1x0o", 3), ("2x0e", 0)])
def test_without_scalars_or_groups_there_are_no_clusters(irreps, groups):
    with pytest.raises(ValueError, match="expected at least one group, and a 0e"):
        nn.DiffGroupNorm(irreps, groups)


def test_running_statistics_make_it_local():
    assert nn.DiffGroupNorm("2x0e", 2, track_running_stats=True).is_local
    assert not nn.DiffGroupNorm("2x0e", 2, track_running_stats=False).is_local


@pytest.mark.parametrize("irreps", ["3x0e + 2x1o + 1x0o + 2x0e", "40x0e + 20x1o", "19x0e"])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
def test_kernels_are_the_formula(irreps, dtype, tolerance, monkeypatch):
    layer = nn.DiffGroupNorm(irreps, 3, lamda=0.5).to(dtype)
    x = torch.randn(600, layer.layout.dim, dtype=dtype, requires_grad=True)  # several chunks
    g, results = torch.randn_like(x), []
    for has_kernels in (True, False):
        monkeypatch.setattr(by_kernels, "has_kernels", lambda _, has=has_kernels: has)
        out = layer(x)
        results.append((out, *torch.autograd.grad(out, (x, *layer.parameters()), g)))
    for got, exact in zip(*results, strict=True):
        torch.testing.assert_close(got, exact, rtol=tolerance, atol=tolerance * exact.abs().max().clamp(min=1).item())
