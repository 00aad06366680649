"""torch.compile without a break, in a process of its own: the annotation checker of the tests cannot be traced."""

import subprocess
import sys

SCRIPT = """
import torch
from eqgraph import nn, o3

torch.manual_seed(0)
irreps = "4x0e + 2x1o + 1x0o"
x, scalars = o3.Irreps(irreps).randn(6, -1), torch.randn(6, 4)
z, index, envelope = torch.randn(6, 2), torch.tensor([2, 0, 0, 5, 2, 0]), torch.rand(6)
cases = [
    (nn.Activation("4x0e", [torch.relu], normalize=False), (scalars,)),
    *[(layer("4x0e"), (scalars,)) for layer in (nn.Sigmoid, nn.Tanh, nn.ReLU, nn.SELU, nn.PReLU)],
    (nn.PReLU("4x0e", 4), (scalars,)),
    (nn.NormActivation(irreps, torch.tanh, bias=True), (x,)),
    (nn.NormActivation(irreps, torch.sigmoid, normalize=False), (x,)),
    (nn.VectorPReLU(irreps), (x,)),
    (nn.VectorPReLU(irreps, 7, shared_direction=True), (x,)),
    (nn.EdgeSoftmax(4.0), (z, index, 7, envelope)),
    (nn.EdgeSoftmax(), (z, index, 7)),
    (nn.EdgeLogSoftmax(), (z, index, 7)),
    (nn.NodeSoftmax(), (z, index, 7)),
    (nn.NodeSoftmax(), (z,)),
    (nn.NodeLogSoftmax(4.0), (z, index, 7)),
]
for layer, arguments in cases:
    torch.compiler.reset()
    inputs = [arguments[0].clone().requires_grad_() for _ in range(2)]
    compiled = torch.compile(layer, backend="eager", fullgraph=True)
    outs = compiled(inputs[0], *arguments[1:]), layer(inputs[1], *arguments[1:])
    torch.testing.assert_close(*outs)
    torch.testing.assert_close(*(torch.autograd.grad(y.square().sum(), i)[0] for y, i in zip(outs, inputs)))
"""


def test_compiled_layers_give_the_same_values():
    result = subprocess.run([sys.executable, "-W", "ignore", "-c", SCRIPT], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
