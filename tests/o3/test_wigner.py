import inspect
import itertools
import time

import pytest
import torch

from eqgraph import o3

TRIPLES = [(l1, l2, l3) for l1, l2, l3 in itertools.product(range(5), repeat=3) if abs(l1 - l2) <= l3 <= l1 + l2]
LARGE = [(6, 7, 8), (8, 8, 8), (12, 9, 11), (10, 10, 20)]


@pytest.mark.parametrize("ls", [*TRIPLES, *LARGE])
def test_wigner_3j_is_invariant_and_has_norm_one(ls):
    C = o3.wigner_3j(*ls, torch.float64)
    angles = o3.rand_angles(dtype=torch.float64)
    D1, D2, D3 = (o3.wigner_D(l, *angles) for l in ls)
    turned = torch.einsum("ijk,il,jm,kn->lmn", C, D1, D2, D3)
    torch.testing.assert_close(turned, C, rtol=0, atol=1e-13)
    torch.testing.assert_close(C.square().sum(), torch.ones((), dtype=torch.float64))


@pytest.mark.parametrize("ls", [(2, 3), (4, 4), (7, 5)])
def test_wigner_3j_orthogonality(ls):
    """The couplings to all l3, times √(2 l3 + 1), are an orthogonal change of basis."""
    l1, l2 = ls
    blocks = [o3.wigner_3j(l1, l2, l3, torch.float64) * (2 * l3 + 1) ** 0.5 for l3 in range(abs(l1 - l2), l1 + l2 + 1)]
    Q = torch.cat(blocks, dim=-1).flatten(0, 1)
    torch.testing.assert_close(Q @ Q.T, torch.eye(len(Q), dtype=torch.float64), rtol=0, atol=1e-13)


@pytest.mark.parametrize("ls", [(1, 1, 1), (1, 2, 3), (2, 2, 3), (4, 3, 2), (6, 7, 8)])
def test_wigner_3j_under_exchange_of_slots(ls):
    C = o3.wigner_3j(*ls, torch.float64)
    for permutation, sign in (((1, 0, 2), (-1) ** sum(ls)), ((0, 2, 1), (-1) ** sum(ls)), ((1, 2, 0), 1)):
        other = o3.wigner_3j(*(ls[i] for i in permutation), torch.float64)
        torch.testing.assert_close(other, sign * C.permute(permutation), rtol=0, atol=1e-14)


def test_wigner_3j_closed_forms():
    levi_civita = torch.zeros(3, 3, 3)
    for i in range(3):
        levi_civita[i, (i + 1) % 3, (i + 2) % 3], levi_civita[i, (i + 2) % 3, (i + 1) % 3] = 1, -1
    torch.testing.assert_close(o3.wigner_3j(1, 1, 1), levi_civita / 6**0.5)
    torch.testing.assert_close(o3.wigner_3j(3, 3, 0)[..., 0], torch.eye(7) / 7**0.5)


def test_wigner_3j_returns_a_new_tensor():
    o3.wigner_3j(1, 1, 2).zero_()
    assert o3.wigner_3j(1, 1, 2).norm() > 0.9


def test_wigner_3j_made_in_inference_mode_can_be_trained_with():
    with torch.inference_mode():
        o3.wigner_3j(5, 4, 3)
    x = torch.randn(11, requires_grad=True)
    (x @ o3.wigner_3j(5, 4, 3).flatten(1)).sum().backward()
    assert x.grad.isfinite().all()


def test_wigner_3j_is_fast():
    start = time.process_time()  # whatever else runs on the machine
    o3.wigner_3j(8, 7, 8)
    assert time.process_time() - start < 0.5


def test_wigner_3j_dtype():
    assert o3.wigner_3j(1, 1, 1).dtype == torch.float32
    assert o3.wigner_3j(1, 1, 1, torch.float64).dtype == torch.float64
    assert o3.wigner_3j(1, 1, 1, device="meta").device.type == "meta"


def test_wigner_3j_errors():
    with pytest.raises(ValueError, match=r"got \(1, 1, 3\), for which no invariant exists. Choose l3 between 0 and 2"):
        o3.wigner_3j(1, 1, 3)
    with pytest.raises(ValueError, match="wigner_3j: expected a degree of at least 0, got -1"):
        o3.wigner_3j(-1, 1, 1)
    with pytest.raises(TypeError, match=r"wigner_3j: expected a degree that is an int, got 1.0 .*Pass int\(l\)"):
        inspect.unwrap(o3.wigner_3j)(1, 1.0, 1)


@pytest.mark.parametrize("l", [0, 1, 2, 3, 5, 8, 11])
def test_wigner_D_is_a_representation(l):
    first, second = o3.rand_angles(10, dtype=torch.float64), o3.rand_angles(10, dtype=torch.float64)
    product = o3.wigner_D(l, *first) @ o3.wigner_D(l, *second)
    torch.testing.assert_close(o3.wigner_D(l, *o3.compose_angles(*first, *second)), product, rtol=0, atol=1e-12)


@pytest.mark.parametrize("l", [0, 1, 2, 4, 7])
def test_wigner_D_is_the_exponential_of_the_generators(l):
    alpha, beta, gamma = o3.rand_angles(10, dtype=torch.float64)
    X = o3.so3_generators(l, torch.float64)
    expected = [
        torch.linalg.matrix_exp(angle[:, None, None] * X[i]) for angle, i in ((alpha, 1), (beta, 0), (gamma, 1))
    ]
    actual = o3.wigner_D(l, alpha, beta, gamma)
    torch.testing.assert_close(actual, expected[0] @ expected[1] @ expected[2], rtol=0, atol=1e-12)


def test_wigner_D_has_the_accuracy_of_its_angles():
    """e3nn builds generators in the default dtype: float64 angles then give 7 digits."""
    assert torch.get_default_dtype() == torch.float32
    angles = o3.rand_angles(10, dtype=torch.float64)
    D = o3.wigner_D(6, *angles)
    assert D.dtype == torch.float64
    assert (D @ D.mT - torch.eye(13, dtype=torch.float64)).abs().max() < 1e-12
    assert o3.wigner_D(1, *torch.zeros(3, device="meta")).device.type == "meta"


def test_wigner_D_gradients():
    angles = [angle.requires_grad_() for angle in o3.rand_angles(dtype=torch.float64)]
    assert torch.autograd.gradcheck(lambda *a: o3.wigner_D(3, *a), angles)
    assert torch.autograd.gradgradcheck(lambda *a: o3.wigner_D(2, *a), angles)


def test_wigner_D_errors():
    with pytest.raises(ValueError, match="wigner_D: expected a degree of at least 0, got -1"):
        o3.wigner_D(-1, *torch.zeros(3))


@pytest.mark.parametrize("j", [0, 1 / 2, 1, 3 / 2, 4])
def test_su2_generators_commute_as_angular_momenta(j):
    X = o3.su2_generators(j, torch.complex128)
    for i in range(3):
        commutator = X[i] @ X[(i + 1) % 3] - X[(i + 1) % 3] @ X[i]
        torch.testing.assert_close(commutator, X[(i + 2) % 3], rtol=0, atol=1e-13)
    torch.testing.assert_close(X.mH, -X)


@pytest.mark.parametrize("l", [0, 1, 3])
def test_so3_generators_are_those_of_su2_in_the_real_basis(l):
    q = o3.change_basis_real_to_complex(l, torch.complex128)
    X = q.mH @ o3.su2_generators(l, torch.complex128) @ q
    torch.testing.assert_close(X.real, o3.so3_generators(l, torch.float64))
    assert X.imag.abs().max() < 1e-14


@pytest.mark.usefixtures("_float64")
def test_default_dtypes_follow_torch():
    assert o3.so3_generators(1).dtype == torch.float64
    assert o3.su2_generators(1).dtype == torch.complex128
    assert o3.change_basis_real_to_complex(1).dtype == torch.complex128
    assert o3.change_basis_real_to_complex(1, torch.float32).dtype == torch.complex64


def test_generator_errors():
    with pytest.raises(ValueError, match=r"expected a spin of 0, 1/2, 1, \.\.\., got 0\.3"):
        o3.su2_generators(0.3)
    with pytest.raises(ValueError, match="so3_generators: expected a degree of at least 0"):
        o3.so3_generators(-1)
    with pytest.raises(ValueError, match="change_basis_real_to_complex: expected a degree of at least 0"):
        o3.change_basis_real_to_complex(-1)
