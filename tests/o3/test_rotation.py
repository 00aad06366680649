import itertools

import pytest
import torch

from eqgraph import o3

TO_MATRIX = {
    "angles": o3.angles_to_matrix,
    "quaternion": o3.quaternion_to_matrix,
    "axis_angle": o3.axis_angle_to_matrix,
    "matrix": lambda R: R,
}
CONVERSIONS = [(a, b) for a, b in itertools.product(TO_MATRIX, TO_MATRIX) if a != b and hasattr(o3, f"{a}_to_{b}")]


def matrix(kind, rotation):
    return TO_MATRIX[kind](*(rotation if isinstance(rotation, tuple) else (rotation,)))


def convert(a, b, rotation):
    return getattr(o3, f"{a}_to_{b}")(*(rotation if isinstance(rotation, tuple) else (rotation,)))


def random(kind, *shape):
    return getattr(o3, f"rand_{kind}")(*shape, dtype=torch.float64)


def test_all_pairs_are_there():
    assert len(CONVERSIONS) == 12


@pytest.mark.parametrize(("a", "b"), CONVERSIONS)
def test_conversion_keeps_the_rotation(a, b):
    rotation = random(a, 100, 2)
    torch.testing.assert_close(matrix(b, convert(a, b, rotation)), matrix(a, rotation), rtol=0, atol=1e-13)


@pytest.mark.parametrize(("a", "b"), [pair for pair in CONVERSIONS if pair[0] == "matrix"])
@pytest.mark.parametrize("degrees", [0, 1e-6, 90, 180 - 1e-6, 180])
def test_conversion_of_special_rotations(a, b, degrees):
    """e3nn: at half turns matrix_to_axis_angle gives the axis 0, so the rotation is lost."""
    axes = torch.tensor(list(itertools.product([-1.0, 0.0, 1.0], repeat=3)), dtype=torch.float64)
    axes = torch.nn.functional.normalize(axes[axes.norm(dim=-1) > 0], dim=-1)
    R = torch.linalg.matrix_exp(
        torch.deg2rad(torch.tensor(degrees, dtype=torch.float64))
        * torch.einsum("ni,ijk->njk", axes, o3.so3_generators(1, torch.float64))
    )
    torch.testing.assert_close(matrix(b, convert(a, b, R)), R, rtol=0, atol=1e-12)


def test_matrix_to_axis_angle_at_half_turns_returns_the_axis():
    axis, angle = o3.rand_axis_angle(50, dtype=torch.float64)
    R = 2 * axis.unsqueeze(-1) * axis.unsqueeze(-2) - torch.eye(3, dtype=torch.float64)
    found, angle = o3.matrix_to_axis_angle(R)
    torch.testing.assert_close(angle, torch.full_like(angle, torch.pi))
    torch.testing.assert_close((found * axis).sum(-1).abs(), torch.ones_like(angle))


@pytest.mark.parametrize(("a", "b"), [pair for pair in CONVERSIONS if pair[0] in ("matrix", "quaternion")])
def test_gradients_are_finite_at_the_poles(a, b):
    """e3nn: acos has infinite derivatives at the neutral rotation and at half turns."""
    for degrees in (0.0, 180.0):
        R = o3.matrix_x(torch.deg2rad(torch.tensor(degrees)))
        rotation = R if a == "matrix" else o3.matrix_to_quaternion(R)
        rotation = rotation.clone().requires_grad_()
        result = convert(a, b, rotation)
        total = sum(part.sum() for part in (result if isinstance(result, tuple) else (result,)))
        (grad,) = torch.autograd.grad(total, rotation)
        assert grad.isfinite().all()


@pytest.mark.parametrize("function", ["matrix_to_axis_angle", "matrix_to_angles", "matrix_to_quaternion"])
def test_vmap_and_gradients(function):
    f = getattr(o3, function)
    angles = o3.rand_angles(3, dtype=torch.float64)
    R = o3.angles_to_matrix(*angles)
    torch.testing.assert_close(torch.vmap(f)(R), f(R))
    assert torch.autograd.gradcheck(
        lambda a, b, c: f(o3.angles_to_matrix(a, b, c)), [angle.requires_grad_() for angle in angles]
    )


def test_small_angles_keep_their_digits():
    beta = torch.tensor(1e-9, dtype=torch.float64)
    zero = torch.zeros_like(beta)
    assert abs(o3.matrix_to_angles(o3.matrix_x(beta))[1] - beta) < 1e-24
    assert abs(o3.angles_to_axis_angle(zero, beta, zero)[1] - beta) < 1e-24


@pytest.mark.parametrize("kind", ["angles", "quaternion", "axis_angle"])
def test_compose(kind):
    first, second = random(kind, 50), random(kind, 50)
    as_tuple = (lambda rotation: rotation) if isinstance(first, tuple) else (lambda rotation: (rotation,))
    composed = getattr(o3, f"compose_{kind}")(*as_tuple(first), *as_tuple(second))
    expected = matrix(kind, first) @ matrix(kind, second)
    torch.testing.assert_close(matrix(kind, composed), expected, rtol=0, atol=1e-13)


@pytest.mark.parametrize("kind", ["angles", "quaternion"])
def test_inverse_and_identity(kind):
    rotation = random(kind, 50)
    as_tuple = (lambda rotation: rotation) if isinstance(rotation, tuple) else (lambda rotation: (rotation,))
    inverse = getattr(o3, f"inverse_{kind}")(*as_tuple(rotation))
    torch.testing.assert_close(matrix(kind, inverse), matrix(kind, rotation).mT)
    identity = getattr(o3, f"identity_{kind}")(2, 3, dtype=torch.float64, requires_grad=True)
    torch.testing.assert_close(matrix(kind, identity), torch.eye(3, dtype=torch.float64).expand(2, 3, 3, 3))
    assert as_tuple(identity)[0].requires_grad


@pytest.mark.parametrize("axis", ["x", "y", "z"])
def test_elementary_matrices(axis):
    angle = torch.linspace(-4, 4, 9, dtype=torch.float64)
    generator = o3.so3_generators(1, torch.float64)["xyz".index(axis)]
    expected = torch.linalg.matrix_exp(angle[:, None, None] * generator)
    torch.testing.assert_close(getattr(o3, f"matrix_{axis}")(angle), expected)


def test_points_on_the_sphere():
    alpha, beta, _ = o3.rand_angles(50, dtype=torch.float64)
    xyz = o3.angles_to_xyz(alpha, beta)
    R = o3.angles_to_matrix(alpha, beta, torch.zeros_like(alpha))
    torch.testing.assert_close(R[..., 1], xyz)
    again = o3.xyz_to_angles(7 * xyz)
    torch.testing.assert_close(o3.angles_to_xyz(*again), xyz)
    assert torch.equal(torch.stack(o3.xyz_to_angles(torch.zeros(3))), torch.zeros(2))


@pytest.mark.parametrize("kind", ["angles", "quaternion", "axis_angle", "matrix"])
def test_random_rotations_are_uniform(kind):
    R = matrix(kind, random(kind, 20000))
    mean, correlation = R.mean(0), torch.einsum("nij,nkl->ijkl", R, R) / len(R)
    eye = torch.eye(3, dtype=torch.float64)
    assert mean.abs().max() < 0.03
    assert (correlation - torch.einsum("ik,jl->ijkl", eye, eye) / 3).abs().max() < 0.03
    torch.testing.assert_close(torch.linalg.det(R), torch.ones(len(R), dtype=torch.float64))


@pytest.mark.parametrize("kind", ["angles", "quaternion", "axis_angle", "matrix"])
def test_random_rotations_can_require_gradients(kind):
    rotation = getattr(o3, f"rand_{kind}")(2, requires_grad=True)
    for part in rotation if isinstance(rotation, tuple) else (rotation,):
        assert part.is_leaf
        assert part.requires_grad


def test_arguments_broadcast():
    axis, angle = torch.randn(5, 1, 3), torch.randn(4)
    assert o3.axis_angle_to_matrix(axis, angle).shape == (5, 4, 3, 3)
    assert o3.angles_to_matrix(torch.randn(5, 1), torch.randn(4), torch.randn(())).shape == (5, 4, 3, 3)
    assert o3.compose_quaternion(torch.randn(5, 1, 4), torch.randn(2, 4)).shape == (5, 2, 4)
