"""Same names, same numbers: eqgraph.o3 and eqgraph.math against e3nn 0.6."""

import inspect
import random
import warnings

import pytest
import torch

from eqgraph import math as eq_math
from eqgraph import o3

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    e3nn_o3 = pytest.importorskip("e3nn.o3")
    e3nn_math = pytest.importorskip("e3nn.math")

# e3nn builds its constants in the default dtype
pytestmark = [pytest.mark.usefixtures("_float64")]
CLOSE = {"rtol": 0, "atol": 1e-12}


def random_irreps(rng, lmax=3, max_entries=4, max_mul=3):
    entries = [
        f"{rng.randint(0, max_mul)}x{rng.randint(0, lmax)}{rng.choice('eo')}"
        for _ in range(rng.randint(1, max_entries))
    ]
    return "+".join(entries)


def assert_same_values_and_gradients(ours, theirs, inputs):
    """Values, gradients of all inputs, and gradients of these."""
    seed = None
    results = []
    for f in (ours, theirs):
        leaves = [x.detach().clone().requires_grad_() for x in inputs]
        y = f(*leaves) + 0 * sum(leaf.sum() for leaf in leaves)  # so that outputs without a path have gradients too
        seed = torch.randn_like(y) if seed is None else seed
        grads = torch.autograd.grad((y * seed).sum(), leaves, create_graph=True, materialize_grads=True)
        total = sum(
            (grad * grad.detach().cos()).sum() + 0 * leaf.sum() for grad, leaf in zip(grads, leaves, strict=True)
        )
        second = torch.autograd.grad(total, leaves, materialize_grads=True)
        results.append([y, *grads, *second])
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-11, atol=1e-11)


# ------------------------------------------------------------------ names and arguments
def test_public_functions_take_the_same_arguments():
    for name in o3.__all__:
        ours, theirs = getattr(o3, name), getattr(e3nn_o3, name, None)
        if inspect.isfunction(inspect.unwrap(ours)) and theirs is not None:
            expected = list(inspect.signature(theirs).parameters)
            assert list(inspect.signature(ours).parameters)[: len(expected)] == expected, name


@pytest.mark.parametrize(
    "name",
    ["Linear", "TensorProduct", "FullyConnectedTensorProduct", "ElementwiseTensorProduct", "FullTensorProduct", "Norm"],
)
def test_public_classes_take_the_same_arguments(name):
    machinery = {"compile_left_right", "compile_right", "normalization", "_specialized_code", "_optimize_einsums"}
    ours = inspect.signature(getattr(o3, name)).parameters
    theirs = inspect.signature(getattr(e3nn_o3, name)).parameters
    expected = [parameter for parameter in theirs if parameter not in machinery]
    assert list(ours) == expected
    assert all(ours[parameter].default == theirs[parameter].default for parameter in expected)


# ------------------------------------------------------------------ irreps
@pytest.mark.parametrize("seed", range(20))
def test_irreps(seed):
    rng = random.Random(seed)
    text, other = random_irreps(rng), random_irreps(rng)
    ours, theirs = o3.Irreps(text), e3nn_o3.Irreps(text)
    for f in (
        str,
        len,
        lambda i: i.dim,
        lambda i: i.num_irreps,
        lambda i: i.ls,
        lambda i: i.slices(),
        lambda i: i.simplify(),
        lambda i: i.regroup(),
        lambda i: i.sort(),
        lambda i: i.remove_zero_multiplicities(),
        lambda i: i + other,
        lambda i: 2 * i,
        lambda i: i[0],
        lambda i: i[1:],
        lambda i: i.slice_by_mul[1:4].remove_zero_multiplicities(),
        lambda i: i.count("1o"),
        lambda i: "1o" in i,
        lambda i: i.filter(["0e", "1o"]),
        lambda i: i.filter(drop=["0e", "1o"]),
        lambda i: i.filter(lmax=1),
    ):
        assert repr(f(ours)).removeprefix("Sorted") == repr(f(theirs)).removeprefix("sort")
    if ours.dim == 0:  # e3nn raises IndexError
        return
    R = -o3.rand_matrix(3)
    torch.testing.assert_close(ours.D_from_matrix(R), theirs.D_from_matrix(R), rtol=0, atol=1e-7)


def test_products_of_irreps():
    for a in o3.Irrep.iterator(3):
        for b in o3.Irrep.iterator(3):
            assert str(list(a * b)) == str(list(e3nn_o3.Irrep(str(a)) * e3nn_o3.Irrep(str(b))))
    assert str(list(o3.Irrep.iterator(4))) == str(list(e3nn_o3.Irrep.iterator(4)))


@pytest.mark.parametrize("normalization", ["component", "norm"])
def test_randn_draws_the_same_numbers(normalization):
    torch.manual_seed(3)
    ours = o3.Irreps("2x0e + 3x1o").randn(4, -1, normalization=normalization)
    torch.manual_seed(3)
    theirs = e3nn_o3.Irreps("2x0e + 3x1o").randn(4, -1, normalization=normalization)
    torch.testing.assert_close(ours, theirs, **CLOSE)


# ------------------------------------------------------------------ rotations
CONVERSIONS = [
    (a, b)
    for a in ("angles", "matrix", "quaternion", "axis_angle")
    for b in ("angles", "matrix", "quaternion", "axis_angle")
    if a != b
]


@pytest.mark.parametrize(("a", "b"), CONVERSIONS)
def test_rotation_conversions(a, b):
    rotation = getattr(e3nn_o3, f"rand_{a}")(200)
    rotation = rotation if isinstance(rotation, tuple) else (rotation,)
    ours, theirs = (getattr(module, f"{a}_to_{b}")(*rotation) for module in (o3, e3nn_o3))
    for x, y in zip(*(r if isinstance(r, tuple) else (r,) for r in (ours, theirs)), strict=True):
        if b == "quaternion":  # q and -q are the same rotation
            x, y = (q * torch.where(q[..., :1] < 0, -1.0, 1.0) for q in (x, y))
        if b == "axis_angle":  # the same turn, about the opposite axis
            x, y = (v.cos() if v.dim() == 1 else (v.unsqueeze(-1) * v.unsqueeze(-2)) for v in (x, y))
        if b == "angles":
            x, y = x.cos(), y.cos()
        torch.testing.assert_close(x, y, rtol=0, atol=1e-7)  # e3nn's acos loses digits


def test_other_rotation_functions():
    angles = [e3nn_o3.rand_angles(50) for _ in range(2)]
    axis_angles = [e3nn_o3.rand_axis_angle(50) for _ in range(2)]
    quaternions = [e3nn_o3.rand_quaternion(50) for _ in range(2)]
    for name, arguments in (
        ("matrix_x", angles[0][:1]),
        ("matrix_y", angles[0][:1]),
        ("matrix_z", angles[0][:1]),
        ("angles_to_xyz", angles[0][:2]),
        ("inverse_angles", angles[0]),
        ("inverse_quaternion", quaternions[:1]),
        ("compose_quaternion", quaternions),
        ("compose_angles", [*angles[0], *angles[1]]),
        ("compose_axis_angle", [*axis_angles[0], *axis_angles[1]]),
        ("xyz_to_angles", [torch.randn(50, 3)]),
    ):
        ours, theirs = (getattr(module, name)(*arguments) for module in (o3, e3nn_o3))
        pairs = zip(ours, theirs, strict=True) if isinstance(ours, tuple) else [(ours, theirs)]
        for x, y in pairs:
            if name == "compose_angles":
                x, y = x.cos(), y.cos()
            torch.testing.assert_close(x, y, rtol=0, atol=1e-7)


@pytest.mark.parametrize("kind", ["angles", "matrix"])
def test_random_rotations_are_the_same(kind):
    torch.manual_seed(1)
    ours = getattr(o3, f"rand_{kind}")(3, 2)
    torch.manual_seed(1)
    torch.testing.assert_close(ours, getattr(e3nn_o3, f"rand_{kind}")(3, 2))


# ------------------------------------------------------------------ wigner
def test_wigner_3j_has_the_same_signs():
    for l1 in range(7):
        for l2 in range(7):
            for l3 in range(abs(l1 - l2), min(l1 + l2, 7) + 1):
                torch.testing.assert_close(o3.wigner_3j(l1, l2, l3), e3nn_o3.wigner_3j(l1, l2, l3), rtol=0, atol=1e-14)


@pytest.mark.parametrize("l", range(9))
def test_wigner_D_and_generators(l):
    angles = o3.rand_angles(20)
    torch.testing.assert_close(o3.wigner_D(l, *angles), e3nn_o3.wigner_D(l, *angles), **CLOSE)
    for name in ("so3_generators", "su2_generators", "change_basis_real_to_complex"):
        torch.testing.assert_close(getattr(o3, name)(l), getattr(e3nn_o3, name)(l), **CLOSE)


# ------------------------------------------------------------------ spherical harmonics
@pytest.mark.parametrize("l", [0, 1, [0, 1, 2, 3], [4, 0, 4], "3x1o + 0e", "1e + 2e", list(range(12))], ids=str)
@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("normalization", ["integral", "component", "norm"])
def test_spherical_harmonics(l, normalize, normalization):
    x = torch.randn(10, 3)
    ours = o3.spherical_harmonics(l, x, normalize, normalization)
    theirs = e3nn_o3.spherical_harmonics(l, x, normalize, normalization)
    torch.testing.assert_close(ours, theirs, rtol=1e-11, atol=1e-11)


def test_spherical_harmonics_gradients():
    for normalize in (True, False):
        assert_same_values_and_gradients(
            o3.SphericalHarmonics([0, 1, 2, 3], normalize),
            e3nn_o3.SphericalHarmonics([0, 1, 2, 3], normalize),
            [torch.randn(5, 3)],
        )


# ------------------------------------------------------------------ linear
@pytest.mark.parametrize("seed", range(12))
def test_linear(seed):
    rng = random.Random(seed)
    irreps_in, irreps_out = random_irreps(rng, lmax=1), random_irreps(rng, lmax=1)
    f = {} if seed % 3 else {"f_in": 2, "f_out": 3}
    kwargs = {"path_normalization": rng.choice(["element", "path"]), "biases": rng.choice([True, False]), **f}
    ours, theirs = o3.Linear(irreps_in, irreps_out, **kwargs), e3nn_o3.Linear(irreps_in, irreps_out, **kwargs)
    assert repr(ours) == repr(theirs)
    ours.load_state_dict(theirs.state_dict())
    assert torch.equal(ours.output_mask, theirs.output_mask)
    if kwargs["biases"] and ours.bias_numel:
        with torch.no_grad():
            ours.bias.normal_()
            theirs.bias.copy_(ours.bias)
    assert_same_values_and_gradients(ours, theirs, [ours.irreps_in.randn(4, *([2] if f else []), -1)])


def test_linear_with_given_weights():
    arguments = ("2x0e + 3x1o", "4x0e + 1o")
    ours, theirs = (module.Linear(*arguments, shared_weights=False) for module in (o3, e3nn_o3))
    assert_same_values_and_gradients(ours, theirs, [torch.randn(5, 11), torch.randn(5, ours.weight_numel)])


# ------------------------------------------------------------------ tensor products
SHAPES = {  # multiplicities of both inputs and of the output
    "uvw": (2, 3, 4),
    "uvu": (2, 3, 2),
    "uvv": (2, 3, 3),
    "uuw": (3, 3, 2),
    "uuu": (3, 3, 3),
    "uvuv": (2, 3, 6),
    "uvu<v": (3, 3, 3),
    "u<vw": (3, 3, 2),
}
MODES = [(mode, has_weight) for mode in SHAPES for has_weight in (True, False)]
MODES = [case for case in MODES if case not in (("uvw", False), ("u<vw", False), ("uuw", False))]


@pytest.mark.parametrize(("mode", "has_weight"), MODES)
def test_tensor_product_modes(mode, has_weight):
    rng = random.Random(mode)
    mul1, mul2, mul_out = SHAPES[mode]
    in1, in2 = f"{mul1}x1o + {mul1}x0e + {mul1}x2e", f"{mul2}x2e + {mul2}x0o"
    out = [(mul_out, ir) for ir in ("1o", "2e", "0e", "0o", "1o", "2o")]
    paths = [(0, 0, 0), (1, 0, 1), (2, 0, 2), (1, 1, 3), (2, 0, 1), (0, 0, 4), (2, 1, 5)]
    instructions = [(*path, mode, has_weight, rng.uniform(0.5, 2)) for path in paths]
    kwargs = {
        "in1_var": [rng.uniform(0.5, 2) for _ in range(3)],
        "in2_var": [rng.uniform(0.5, 2) for _ in range(2)],
        "out_var": [rng.uniform(0.5, 2) for _ in out],
        "irrep_normalization": rng.choice(["component", "norm", "none"]),
        "path_normalization": rng.choice(["element", "path", "none"]),
        "shared_weights": False,
    }
    ours = o3.TensorProduct(in1, in2, out, instructions, **kwargs)
    theirs = e3nn_o3.TensorProduct(in1, in2, str(ours.irreps_out), instructions, **kwargs)
    assert repr(ours) == repr(theirs)
    assert torch.equal(ours.output_mask, theirs.output_mask)
    for a, b in zip(ours.instructions, theirs.instructions, strict=True):
        assert a._replace(path_weight=0) == b._replace(path_weight=0)
        assert a.path_weight == pytest.approx(b.path_weight, rel=1e-14)
    inputs = [ours.irreps_in1.randn(4, -1), ours.irreps_in2.randn(4, -1)]
    if has_weight:
        inputs.append(torch.randn(4, ours.weight_numel))
    assert_same_values_and_gradients(ours, theirs, inputs)


@pytest.mark.parametrize("seed", range(6))
def test_fully_connected_tensor_product(seed):
    rng = random.Random(seed)
    irreps = [random_irreps(rng, lmax=1, max_entries=4) for _ in range(3)]
    kwargs = {
        "irrep_normalization": rng.choice([None, "component", "norm"]),
        "path_normalization": rng.choice([None, "element", "path"]),
    }
    ours = o3.FullyConnectedTensorProduct(*irreps, **kwargs)
    theirs = e3nn_o3.FullyConnectedTensorProduct(*irreps, **kwargs)
    assert repr(ours) == repr(theirs)
    ours.load_state_dict(theirs.state_dict(), strict=False)
    inputs = [ours.irreps_in1.randn(4, 1, -1), ours.irreps_in2.randn(3, -1)]
    assert_same_values_and_gradients(ours, theirs, inputs)


def test_right():
    arguments = ("2x0e + 3x1o", "0e + 1o", "2x0e + 1o + 2x1e")
    ours = o3.FullyConnectedTensorProduct(*arguments)
    theirs = e3nn_o3.FullyConnectedTensorProduct(*arguments, compile_right=True)
    y, w = torch.randn(5, 4), torch.randn(ours.weight_numel)
    torch.testing.assert_close(ours.right(y, w), theirs.right(y, w), **CLOSE)


@pytest.mark.parametrize("name", ["ElementwiseTensorProduct", "FullTensorProduct"])
@pytest.mark.parametrize("keep", [None, ["0e", "1o", "2e"]])
def test_weightless_products(name, keep):
    arguments = ("2x0e + 3x1o + 1x1o + 2e", "1x1e + 4x2o + 2x0o", keep)
    ours, theirs = getattr(o3, name)(*arguments), getattr(e3nn_o3, name)(*arguments)
    assert repr(ours) == repr(theirs)
    assert str(ours.irreps_out) == str(theirs.irreps_out)
    assert_same_values_and_gradients(ours, theirs, [ours.irreps_in1.randn(4, -1), ours.irreps_in2.randn(4, -1)])


@pytest.mark.parametrize("squared", [True, False])
def test_norm(squared):
    ours, theirs = o3.Norm("2x0e + 3x1o + 2x2e", squared), e3nn_o3.Norm("2x0e + 3x1o + 2x2e", squared)
    assert repr(ours) == repr(theirs)
    assert_same_values_and_gradients(ours, theirs, [ours.irreps_in.randn(4, -1)])


# ------------------------------------------------------------------ math
@pytest.mark.parametrize(
    "f", [torch.tanh, torch.relu, torch.sigmoid, torch.nn.functional.silu], ids=lambda f: f.__name__
)
def test_normalize2mom_is_within_the_noise_of_e3nn(f):
    assert eq_math.normalize2mom(f).cst == pytest.approx(e3nn_math.normalize2mom(f).cst, rel=2e-3)


@pytest.mark.parametrize("basis", ["gaussian", "cosine", "smooth_finite", "fourier", "bessel"])
@pytest.mark.parametrize("cutoff", [True, False])
def test_soft_one_hot_linspace(basis, cutoff):
    x = torch.linspace(-1.3, 3.4, 302)
    for number in (2, 5, 10):
        ours, theirs = (m.soft_one_hot_linspace(x, -0.5, 2.5, number, basis, cutoff) for m in (eq_math, e3nn_math))
        torch.testing.assert_close(ours, theirs, **CLOSE)


def test_other_functions():
    x = torch.linspace(-1.0, 3.0, 101)
    torch.testing.assert_close(eq_math.soft_unit_step(x), e3nn_math.soft_unit_step(x), **CLOSE)
    torch.testing.assert_close(eq_math.bessel(x, 4, 2.0), e3nn_math.bessel(x, 4, 2.0), **CLOSE)
    matrices = torch.randn(3, 1, 2), torch.randn(3, 2, 2)
    torch.testing.assert_close(eq_math.direct_sum(*matrices), e3nn_math.direct_sum(*matrices))
