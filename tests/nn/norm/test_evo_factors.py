"""Kernels of EvoNorm against its formulas."""

import copy

import pytest
import torch

from eqgraph import nn
from eqgraph.nn.norm import by_kernels
from eqgraph.o3 import Irreps

IRREPS = ["3x0e + 2x1o + 1x0o + 2x0e + 2x2e + 2x1o", "40x0e + 20x1o + 17x2e", "2x0e + 3x3o + 5x4e", "1x0e + 1x5e"]
LAYERS = {
    "S0": lambda irreps: nn.EvoNormS0(irreps, 1),
    "S0 plain": lambda irreps: nn.EvoNormS0(irreps, 1, affine=False),
    "B0": nn.EvoNormB0,
    "B0 plain": lambda irreps: nn.EvoNormB0(irreps, affine=False),
}


@pytest.mark.parametrize("irreps", IRREPS)
@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
@pytest.mark.parametrize("batched", [True, False])
def test_kernels_are_the_formula(irreps, name, dtype, tolerance, batched, monkeypatch):
    layer, rows = LAYERS[name](irreps).to(dtype), 600  # several chunks
    for parameter in layer.parameters():
        parameter.data.add_(0.3 * torch.randn_like(parameter))
    x = Irreps(irreps).randn(rows, -1, dtype=dtype).requires_grad_()
    graphs = (torch.randint(3, (rows,)), 3) if batched else ()
    g, results = torch.randn_like(x), []
    for has_kernels in (True, False):
        monkeypatch.setattr(by_kernels, "has_kernels", lambda _, has=has_kernels: has)
        other = copy.deepcopy(layer)
        out = other(x, *graphs)
        results.append((out, *torch.autograd.grad(out, (x, *other.parameters()), g)))
    for got, exact in zip(*results, strict=True):
        torch.testing.assert_close(got, exact, rtol=tolerance, atol=tolerance * exact.abs().max().clamp(min=1).item())


def test_where_both_divisors_are_equal_each_has_half_of_the_gradient(monkeypatch):
    x, found = torch.zeros(4, 1, dtype=torch.float64, requires_grad=True), []
    layer = nn.EvoNormB0("1x0e").double()
    layer.v.data.zero_()
    x.data[:] = torch.tensor([[1.0], [-1.0], [2.0], [-2.0]])  # one graph, whose variance is that of the batch
    for has_kernels in (True, False):
        monkeypatch.setattr(by_kernels, "has_kernels", lambda _, has=has_kernels: has)
        found.append(torch.autograd.grad(layer(x).pow(3).sum(), (x, layer.v)))
    for got, exact in zip(*found, strict=True):
        torch.testing.assert_close(got, exact)
