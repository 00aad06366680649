import pytest
import torch

from eqgraph import nn
from eqgraph.nn.norm import row_blocks
from eqgraph.nn.norm.row_blocks import in_row_blocks

IRREPS = "4x0e + 2x1o + 2x2e"
LAYERS = {
    "InstanceNorm": lambda: nn.InstanceNorm(IRREPS, affine=True),
    "GraphNorm": lambda: nn.GraphNorm(IRREPS),
    "GroupNorm of graphs": lambda: nn.GroupNorm(IRREPS, 2),
    "EvoNormB0 of graphs": lambda: nn.EvoNormB0(IRREPS),
    "LayerNorm": lambda: nn.LayerNorm(IRREPS),
    "LayerNorm without affine": lambda: nn.LayerNorm(IRREPS, scope="merged", elementwise_affine=False),
    "GroupNorm": lambda: nn.GroupNorm(IRREPS, 2, mode="node"),
    "LocalResponseNorm": lambda: nn.LocalResponseNorm(IRREPS, 3, 0.5),
    "EvoNormS0": lambda: nn.EvoNormS0(IRREPS, 2, mode="node"),
    "EvoNormS0 of graphs": lambda: nn.EvoNormS0(IRREPS, 2),
}


def outcomes(layer, x, frozen):
    """Value, gradients, and gradients of the gradients."""
    x = x.clone().requires_grad_("x" not in frozen)
    inputs = [tensor for tensor in (x, *layer.parameters()) if tensor.requires_grad]
    out = layer(x, torch.arange(len(x)) // 7)
    if not inputs:
        return [out]
    gradients = torch.autograd.grad(out.pow(3).sum(), inputs, retain_graph=True)
    of_sum = torch.autograd.grad(out.pow(3).sum(), inputs, create_graph=True)
    seconds = torch.autograd.grad(sum(one.square().sum() for one in of_sum), inputs)
    return [out, *gradients, *of_sum, *seconds]


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("frozen", [(), ("x",), ("parameters",), ("x", "parameters")])
def test_blocks_of_rows_are_all_rows_at_once(name, frozen, monkeypatch):
    layer = LAYERS[name]().double()
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter)
        parameter.requires_grad_("parameters" not in frozen)
    x = torch.randn(17, 20, dtype=torch.float64)
    whole = outcomes(layer, x, frozen)
    monkeypatch.setattr(row_blocks, "BLOCK", 3 * 20)  # the last block has two rows
    for ours, theirs in zip(outcomes(layer, x, frozen), whole, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-10)


def test_rows_wider_than_a_block(monkeypatch):
    monkeypatch.setattr(row_blocks, "BLOCK", 4)
    x = torch.randn(3, 7, requires_grad=True)
    out = in_row_blocks(torch.sin, x)
    out.sum().backward()
    torch.testing.assert_close(out, x.sin())
    torch.testing.assert_close(x.grad, x.cos())


@pytest.mark.parametrize(
    "name", [name for name in LAYERS if "graphs" not in name and name not in ("InstanceNorm", "GraphNorm")]
)
def test_autocast_does_not_reach_the_gradient(name, monkeypatch):
    monkeypatch.setattr(row_blocks, "BLOCK", 3 * 20)
    layer, x = LAYERS[name](), torch.randn(17, 20)
    a, b = x.clone().requires_grad_(), x.clone().requires_grad_()
    layer(a).pow(3).sum().backward()
    with torch.autocast("cpu", torch.bfloat16):
        layer(b).pow(3).sum().backward()
    torch.testing.assert_close(a.grad, b.grad)
