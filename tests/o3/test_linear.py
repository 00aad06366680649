import copy
import math

import pytest
import torch

from eqgraph import o3
from eqgraph.testing import assert_equivariant


def test_the_example_of_the_readme():
    linear = o3.Linear("0e + 1o", "2x0e + 2x1o")
    assert repr(linear) == "Linear(1x0e+1x1o -> 2x0e+2x1o | 4 weights)"
    assert linear.weight_numel == linear.weight.numel() == 4
    assert linear(o3.Irreps("0e + 1o").randn(10, -1)).shape == (10, 8)


@pytest.mark.parametrize("biases", [False, True])
@pytest.mark.parametrize(
    ("irreps_in", "irreps_out"),
    [
        ("4x0e + 2x1o + 3x0e + 0o", "2x1o + 3x0e + 0x0e + 2x0o"),
        ("2x2e", "3x2e + 2x1e + 0e"),
        ("", "2x0e + 1o"),
        ("2x0e", ""),
        ("0x1o + 2x1o", "1o"),
    ],
)
def test_equivariance(irreps_in, irreps_out, biases):
    linear = o3.Linear(irreps_in, irreps_out, biases=biases).double()
    with torch.no_grad():
        linear.bias.normal_()
    assert_equivariant(linear, irreps_in, irreps_out, tolerance=1e-13)


def test_against_a_loop():
    linear = o3.Linear("2x0e + 3x1o + 1x0e", "4x0e + 2x1o", biases=True, path_normalization="path")
    with torch.no_grad():
        linear.bias.normal_()
    x = linear.irreps_in.randn(5, -1)
    w = list(linear.weight_views())
    scalars = linear.bias + x[:, :2] @ w[0] / math.sqrt(2 * 2) + x[:, 11:] @ w[2] / math.sqrt(1 * 2)
    vectors = torch.einsum("nui,uw->nwi", x[:, 2:11].unflatten(-1, (3, 3)), w[1]) / math.sqrt(3)
    torch.testing.assert_close(linear(x), torch.cat([scalars, vectors.flatten(-2)], dim=-1))


def test_element_normalization_does_not_depend_on_how_irreps_are_split():
    together, apart = o3.Linear("10x0e", "0e"), o3.Linear("3x0e + 7x0e", "0e")
    apart.load_state_dict(together.state_dict())
    x = torch.randn(4, 10)
    torch.testing.assert_close(together(x), apart(x))


@pytest.mark.parametrize("kwargs", [{}, {"path_normalization": "path"}, {"f_in": 4, "f_out": 3}])
def test_variance_is_kept(kwargs):
    linear = o3.Linear("64x0e + 64x1o + 64x0e", "64x0e + 64x1o", **kwargs)
    lead = (500, 4) if kwargs.get("f_in") else (500,)
    variances = linear(linear.irreps_in.randn(*lead, -1)).square().mean(0)
    assert abs(variances.mean() - 1) < 0.1


@pytest.mark.parametrize("lead", [(), (0,), (2, 3)])
def test_leading_axes(lead):
    linear = o3.Linear("2x0e + 1o", "0e + 2x1o", biases=True)
    assert linear(linear.irreps_in.randn(*lead, -1)).shape == (*lead, 7)


def test_weights_given_to_forward():
    own = o3.Linear("2x0e + 1o", "3x0e + 1o", biases=True)
    external = o3.Linear("2x0e + 1o", "3x0e + 1o", biases=True, shared_weights=False)
    assert not list(external.parameters())
    assert not external.internal_weights
    x, w, b = own.irreps_in.randn(5, -1), torch.randn(5, own.weight_numel), torch.randn(5, 3)
    rows = [own(x[i], w[i], b[i]) for i in range(5)]
    torch.testing.assert_close(external(x, w, b), torch.stack(rows))
    torch.testing.assert_close(external(x[0], w, b), torch.stack([own(x[0], w[i], b[i]) for i in range(5)]))


def test_external_weights_with_a_bias_only_output():
    linear = o3.Linear("1o", "0e + 1o", biases=True, internal_weights=False)
    y = linear(torch.randn(5, 3), torch.randn(1), torch.ones(1))
    assert torch.equal(y[:, 0], torch.ones(5))
    assert linear(torch.randn(3), torch.randn(1), torch.ones(5, 1)).shape == (5, 4)


def test_f_in_f_out_against_a_loop():
    linear = o3.Linear("2x0e + 1o", "3x0e + 2x1o", f_in=2, f_out=4, biases=True)
    plain = o3.Linear("2x0e + 1o", "3x0e + 2x1o")
    with torch.no_grad():
        linear.bias.normal_()
    assert linear.weight.shape == (2, 4, 8)
    assert linear.bias.shape == (4, 3)
    x = linear.irreps_in.randn(5, 2, -1)
    y = linear(x)
    assert y.shape == (5, 4, 9)
    for g in range(4):
        expected = sum(plain(x[:, f], linear.weight[f, g]) for f in range(2)) / math.sqrt(2)
        expected[:, :3] += linear.bias[g]
        torch.testing.assert_close(y[:, g], expected)


def test_instructions_and_output_mask():
    linear = o3.Linear("2x0e + 1o", "2x0e + 1o + 2e", instructions=[(1, 1)])
    assert torch.equal(linear.output_mask, torch.tensor([0.0, 0.0, 1.0, 1.0, 1.0, *[0.0] * 5]))
    y = linear(torch.randn(3, 5))
    assert torch.equal(y != 0, linear.output_mask.bool().expand(3, -1))
    biased = o3.Linear("2x0e + 1o", "2x0e + 1o", instructions=[(1, 1)], biases=[True, False])
    assert biased.output_mask.all()


def test_zero_weights_with_internal_weights():
    linear = o3.Linear("0e", "2e")
    assert linear.weight_numel == 0
    assert torch.equal(linear(torch.randn(3, 1)), torch.zeros(3, 5))


def test_weight_views_with_biases():
    """e3nn: bias instructions are counted as weights, so views run out of range; here they are not in the list."""
    linear = o3.Linear("2x0e + 1o", "3x0e + 2x1o", biases=True)
    assert [view.shape for view in linear.weight_views()] == [(2, 3), (1, 2)]
    for i, ins, view in linear.weight_views(yield_instruction=True):
        assert view.shape == ins.path_shape
        assert torch.equal(view, linear.weight_view_for_instruction(i))
    with torch.no_grad():
        linear.weight_view_for_instruction(1).zero_()
    assert torch.equal(linear.weight[6:], torch.zeros(2))
    given = torch.randn(5, linear.weight_numel)
    assert linear.weight_view_for_instruction(1, given).shape == (5, 1, 2)


def test_negative_i_in_is_an_error():
    """e3nn: -1 silently means a bias."""
    with pytest.raises(IndexError, match=r"expected instructions \(i_in, i_out\) with i_in < 1 .* got \(-1, 0\)"):
        o3.Linear("0e", "0e", instructions=[(-1, 0)])


@pytest.mark.parametrize("kwargs", [{"biases": True}, {"f_in": 2, "f_out": 3, "biases": True}])
def test_derivatives(kwargs):
    linear = o3.Linear("2x0e + 2x1o", "0e + 1o", **kwargs).double()
    x = linear.irreps_in.randn(3, *((2,) if "f_in" in kwargs else ()), -1, dtype=torch.float64, requires_grad=True)
    inputs = (x, *(p.detach().clone().requires_grad_() for p in (linear.weight, linear.bias)))
    assert torch.autograd.gradcheck(linear, inputs)
    assert torch.autograd.gradgradcheck(linear, inputs)


def test_state_dict_and_copies():
    linear = o3.Linear("2x0e + 1o", "0e + 1o", biases=True)
    assert list(linear.state_dict()) == ["weight", "bias", "output_mask"]
    x = torch.randn(3, 5)
    assert torch.equal(copy.deepcopy(linear)(x), linear(x))
    assert {name for name, _ in o3.Linear("0e", "0e").named_parameters()} == {"weight"}


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"f_in": 2}, "expected both f_in and f_out or none, got f_in=2, f_out=None. Give both"),
        ({"path_normalization": "foo"}, "expected path_normalization 'element' or 'path', got 'foo'"),
        ({"instructions": [(1, 0)]}, r"got \(1, 0\), which joins '1x1o' to '1x0e'. Only equal irreps mix"),
        ({"biases": [True, True]}, r"True for 0e only, got \[True, True\]. Pass biases=True"),
        ({"biases": [True]}, "expected biases to be one bool per entry of irreps_out='1x0e\\+1x1o'"),
        ({"internal_weights": True, "shared_weights": False}, "Linear: expected shared weights.*Drop one of the two"),
    ],
)
def test_construction_errors(kwargs, message):
    with pytest.raises(ValueError, match=message):
        o3.Linear("0e + 1o", "0e + 1o", **kwargs)


def test_call_errors():
    linear = o3.Linear("2x0e", "2x0e")
    with pytest.raises(ValueError, match=r"of shape \(..., 2\) for irreps_in='2x0e', got \(3, 3\). Check their irreps"):
        linear(torch.zeros(3, 3))
    with pytest.raises(ValueError, match=r"expected a weight of shape \(..., 4\), got \(3,\). Check weight_numel"):
        linear(torch.zeros(3, 2), torch.zeros(3))
    external = o3.Linear("2x0e", "2x0e", internal_weights=False)
    with pytest.raises(ValueError, match=r"of shape \(..., 4\) since internal_weights=False, got none. Pass weight="):
        external(torch.zeros(3, 2))
    with pytest.raises(ValueError, match="Pass bias="):
        o3.Linear("2x0e", "2x0e", internal_weights=False, biases=True)(torch.zeros(3, 2), torch.zeros(4))
    with pytest.raises(ValueError, match=r"of shape \(..., 2, 1\) for irreps_in='1x0e', got \(5, 3, 1\)"):
        o3.Linear("0e", "0e", f_in=2, f_out=2)(torch.zeros(5, 3, 1))
