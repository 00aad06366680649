import pytest
import torch

from eqgraph import nn
from eqgraph.testing import assert_equivariant


@pytest.mark.parametrize("num_parameters", [1, 5])
@pytest.mark.parametrize("shape", [(5,), (7, 5), (2, 3, 5)])
def test_numbers_of_torch(num_parameters, shape):
    ours, theirs = nn.PReLU("2x0e + 3x0e", num_parameters, init=0.1), torch.nn.PReLU(num_parameters, init=0.1)
    assert torch.equal(ours.weight, theirs.weight)
    with torch.no_grad():
        theirs.weight.normal_()
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(shape).requires_grad_()
    outs = ours(x), theirs(x.reshape(-1, 5)).reshape(shape)  # torch: channels on axis 1
    assert torch.equal(*outs)
    gradients = [
        torch.autograd.grad(y.square().sum(), (x, m.weight)) for y, m in zip(outs, (ours, theirs), strict=True)
    ]
    for mine, its in zip(*gradients, strict=True):
        torch.testing.assert_close(mine, its)


def test_it_starts_as_torch_does():
    assert nn.PReLU("5x0e").weight.tolist() == torch.nn.PReLU().weight.tolist() == [0.25]


def test_equivariance_and_derivatives():
    layer = nn.PReLU("4x0e", 4).double()
    assert_equivariant(layer, "4x0e", "4x0e")
    x = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(layer, x)
    assert torch.autograd.gradgradcheck(layer, x)


def test_edges_of_use():
    layer = nn.PReLU("4x0e", 4)
    assert layer(torch.zeros(0, 4)).shape == (0, 4)
    assert nn.PReLU("")(torch.zeros(3, 0)).shape == (3, 0)
    torch.nn.init.zeros_(layer.weight)
    layer.reset_parameters()
    assert layer.weight.tolist() == [0.25] * 4
    assert repr(layer) == "PReLU(4x0e, num_parameters=4)"


@pytest.mark.parametrize(
    ("irreps", "num_parameters", "message"),
    [
        ("2x0e + 1x0o", 1, r"expected only 0e, got irreps_in='2x0e\+1x0o'.*nn.Tanh for 0o"),
        ("2x0e + 1x1o", 1, r"expected only 0e.*nn.Gate, nn.NormActivation or nn.VectorPReLU for l > 0"),
        ("4x0e", 2, r"expected num_parameters of 1 or 4, the number of 0e in '4x0e', got 2"),
    ],
)
def test_what_does_not_exist_is_refused(irreps, num_parameters, message):
    with pytest.raises(ValueError, match=message):
        nn.PReLU(irreps, num_parameters)


def test_another_width_is_refused():
    with pytest.raises(ValueError, match=r"expected features with last axis 4 \('4x0e'\), got shape \(2, 5\)"):
        nn.PReLU("4x0e")(torch.randn(2, 5))
