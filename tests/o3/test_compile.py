"""torch.compile of the layers without graph breaks, in a process of its own: the annotation checker of the tests cannot be traced."""

import subprocess
import sys

SCRIPT = """
import torch
from eqgraph import o3

torch.manual_seed(0)
layers = [
    o3.Linear("4x0e + 2x1o + 0e", "3x0e + 2x1o + 2e", biases=True),
    o3.Norm("4x0e + 2x1o"),
    o3.SphericalHarmonics([0, 1, 2], True, "norm"),
    o3.FullyConnectedTensorProduct("2x0e + 3x1o", "0e + 1o + 2e", "4x0e + 2x1o"),
    o3.TensorProduct("3x1o", "3x1o", "3x0e", [(0, 0, 0, "u<vw", True)], shared_weights=False),
]
for layer in layers:
    irreps = [i for i in (getattr(layer, n, None) for n in ("irreps_in", "irreps_in1", "irreps_in2")) if i is not None]
    compiled = torch.compile(layer, backend="eager", fullgraph=True, dynamic=True)
    for num_rows in (5, 7):  # both with one compilation
        inputs = [i.randn(num_rows, -1, requires_grad=True) for i in irreps]
        if getattr(layer, "shared_weights", True) is False:
            inputs.append(torch.randn(num_rows, layer.weight_numel))
        expected = torch.autograd.grad(layer(*inputs).square().sum(), inputs[0])
        actual = torch.autograd.grad(compiled(*inputs).square().sum(), inputs[0])
        torch.testing.assert_close(compiled(*inputs), layer(*inputs))
        torch.testing.assert_close(actual, expected)
"""


def test_compiled_layers_give_the_same_values_and_gradients():
    result = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
