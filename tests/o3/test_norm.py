import pytest
import torch

from eqgraph import o3


@pytest.mark.parametrize("squared", [False, True])
def test_lengths(squared):
    norm = o3.Norm("2x0e + 2x1o + 0x2e", squared=squared)
    assert norm.irreps_out == o3.Irreps("4x0e")
    assert repr(norm) == "Norm(2x0e+2x1o)"
    x = norm.irreps_in.randn(3, 2, -1)
    expected = torch.cat([x[..., :2].abs(), x[..., 2:].unflatten(-1, (2, 3)).norm(dim=-1)], dim=-1)
    torch.testing.assert_close(norm(x), expected**2 if squared else expected)


def test_invariance():
    norm = o3.Norm("0o + 2x2e + 1o")
    x = norm.irreps_in.randn(5, -1, dtype=torch.float64)
    D = norm.irreps_in.D_from_matrix(-o3.rand_matrix(dtype=torch.float64))
    torch.testing.assert_close(norm(x @ D.T), norm(x))


def test_derivatives():
    norm = o3.Norm("2x0e + 2x1o")
    x = norm.irreps_in.randn(3, -1, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(norm, x)
    assert torch.autograd.gradgradcheck(norm, x)


@pytest.mark.parametrize("squared", [False, True])
def test_derivatives_at_zero_are_zero(squared):
    x = torch.zeros(2, 4, requires_grad=True)
    (grad,) = torch.autograd.grad(o3.Norm("0e + 1o", squared=squared)(x).sum(), x, create_graph=True)
    assert torch.equal(grad, torch.zeros(2, 4))
    (second,) = torch.autograd.grad(grad.sum(), x)
    assert second.isfinite().all()


def test_errors():
    with pytest.raises(ValueError, match=r"of shape \(..., 4\) for irreps_in='1x0e\+1x1o', got \(3, 5\). Check"):
        o3.Norm("0e + 1o")(torch.zeros(3, 5))
