import pytest
import torch
from torch.nn import functional as F

from eqgraph import nn
from eqgraph.nn.norm import by_kernels


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 20])
@pytest.mark.parametrize("irreps", ["7x0e", "7x0o"])
@pytest.mark.parametrize(("alpha", "beta", "k"), [(1e-4, 0.75, 1.0), (0.8, 0.6, 2.0)])
def test_scalars_are_those_of_torch(size, irreps, alpha, beta, k):
    layer = nn.LocalResponseNorm(irreps, size, alpha, beta, k)
    x = 3 * torch.randn(11, 7, dtype=torch.float64)
    a, b = x.clone().requires_grad_(), x.clone().requires_grad_()
    ours, theirs = layer(a), F.local_response_norm(b.unsqueeze(2), size, alpha, beta, k).squeeze(2)
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)
    seed = torch.randn_like(x)
    torch.testing.assert_close(
        *(torch.autograd.grad(y, z, seed)[0] for y, z in ((ours, a), (theirs, b))), rtol=1e-11, atol=1e-11
    )


def test_defaults_are_those_of_torch():
    x = 30 * torch.randn(3, 8, 4)
    rows = x.transpose(1, 2)
    torch.testing.assert_close(nn.LocalResponseNorm("8x0e", 2)(rows).transpose(1, 2), torch.nn.LocalResponseNorm(2)(x))


@pytest.mark.parametrize("size", [1, 2, 3, 5])
@pytest.mark.parametrize("normalization", ["component", "norm"])
def test_vectors_by_a_loop(size, normalization):
    layer = nn.LocalResponseNorm("1x1o + 2x0e + 3x1o", size, 0.7, 0.6, 1.5, normalization)
    x = torch.randn(6, 14, dtype=torch.float64)
    y = layer(x)
    columns = [slice(0, 3), slice(5, 8), slice(8, 11), slice(11, 14)]  # of the vectors, in two entries
    power = [x[:, c].square().sum(1) / (3 if normalization == "component" else 1) for c in columns]
    for i, c in enumerate(columns):
        near = power[max(0, i - size // 2) : i + (size - 1) // 2 + 1]
        torch.testing.assert_close(y[:, c], x[:, c] / (1.5 + 0.7 / size * sum(near)).pow(0.6)[:, None])


@pytest.mark.parametrize("kwargs", [{"size": 0}, {"size": 2, "k": 0.0}])
def test_what_would_divide_by_zero_is_an_error(kwargs):
    with pytest.raises(ValueError, match="LocalResponseNorm: expected size >= 1 and k > 0, got"):
        nn.LocalResponseNorm("4x0e", **kwargs)


def test_it_is_local_and_learns_nothing():
    layer = nn.LocalResponseNorm("4x0e + 2x1o", 2)
    assert layer.is_local
    assert not layer.state_dict()


@pytest.mark.parametrize(
    "irreps", ["3x0e + 2x1o + 1x0o + 2x0e + 2x2e + 2x1o", "40x0e + 20x1o + 17x2e + 5x0e", "9x1o + 1x4e"]
)
@pytest.mark.parametrize("size", [1, 2, 5, 20])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
def test_kernels_are_the_formula(irreps, size, dtype, tolerance, monkeypatch):
    layer = nn.LocalResponseNorm(irreps, size, alpha=0.7, k=1.3).to(dtype)
    x = torch.randn(600, layer.layout.dim, dtype=dtype, requires_grad=True)  # several chunks
    g, results = torch.randn_like(x), []
    for has_kernels in (True, False):
        monkeypatch.setattr(by_kernels, "has_kernels", lambda _, has=has_kernels: has)
        out = layer(x)
        results.append((out, *torch.autograd.grad(out, x, g)))
    for got, exact in zip(*results, strict=True):
        torch.testing.assert_close(got, exact, rtol=tolerance, atol=tolerance * exact.abs().max().clamp(min=1).item())
