import copy
import pickle

import pytest
import torch

from eqgraph import nn
from eqgraph.testing import assert_equivariant

FUNCTIONS = {
    nn.Sigmoid: torch.nn.Sigmoid(),
    nn.Tanh: torch.nn.Tanh(),
    nn.ReLU: torch.nn.ReLU(),
    nn.SELU: torch.nn.SELU(),
}
layers = pytest.mark.parametrize("layer", FUNCTIONS, ids=lambda layer: layer.__name__)


@layers
def test_numbers_of_torch(layer):
    x = torch.randn(4, 3, 7).requires_grad_()
    ours, theirs = layer("3x0e + 4x0e")(x), FUNCTIONS[layer](x)
    torch.testing.assert_close(ours, theirs)
    torch.testing.assert_close(*(torch.autograd.grad(y.square().sum(), x)[0] for y in (ours, theirs)))


@layers
def test_normalize_keeps_the_second_moment(layer):
    x = torch.randn(100, 5)
    torch.testing.assert_close(layer("5x0e", normalize=True)(x), nn.Activation("5x0e", [layer.function])(x))
    assert abs(layer("0e", normalize=True)(torch.randn(200_000, 1)).square().mean() - 1) < 0.02


@layers
def test_equivariance(layer):
    irreps = "3x0e + 2x0o" if layer is nn.Tanh else "3x0e"
    activation = layer(irreps)
    assert str(activation.irreps_out) == str(activation.irreps_in)
    assert_equivariant(activation, activation.irreps_in, activation.irreps_out)


@layers
def test_parity_and_rotations_refuse_the_rest(layer):
    name = layer.__name__
    with pytest.raises(ValueError, match=rf"{name}: expected scalars .*'2x0e\+1x1o'.*nn.Gate, or nn.NormActivation"):
        layer("2x0e + 1x1o")
    with pytest.raises(ValueError, match=rf"{name}: expected features with 2 entries .* got shape \(4, 3\)"):
        layer("2x0e")(torch.randn(4, 3))
    if layer is not nn.Tanh:
        with pytest.raises(ValueError, match=rf"{name}: parity is violated.*'3x0o'"):
            layer("1x0e + 3x0o")


@layers
def test_derivatives(layer):
    x = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(layer("4x0e"), x)
    assert torch.autograd.gradgradcheck(layer("4x0e"), x)


@layers
def test_edges_of_use(layer):
    activation = layer("4x0e")
    assert activation(torch.zeros(0, 4)).shape == (0, 4)
    assert layer("")(torch.zeros(3, 0)).shape == (3, 0)
    assert activation(torch.randn(2, 4, dtype=torch.bfloat16)).dtype == torch.bfloat16
    x = torch.randn(2, 4)
    for other in (copy.deepcopy(activation), pickle.loads(pickle.dumps(activation))):
        assert torch.equal(other(x), activation(x))
    assert repr(activation) == f"{layer.__name__} [x] (4x0e -> 4x0e)"
