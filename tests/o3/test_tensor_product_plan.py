"""The coefficients of a tensor product, by hand. Its messages are tested where users meet them: test_tensor_product.py."""

import math

import pytest

from eqgraph.o3 import Irreps
from eqgraph.o3.tensor_product_plan import plan_tensor_product

IN1, IN2, OUT = Irreps("4x1o + 2x0e"), Irreps("3x1o"), Irreps("5x0e + 2x1o")
PATHS = [(0, 0, 0, "uvw", True), (1, 0, 1, "uvu", True)]


def coefficients(*arguments, **kwargs) -> list[float]:
    return [path.path_weight for path in plan_tensor_product(IN1, IN2, OUT, *arguments, **kwargs)]


def test_weights_have_the_shape_of_the_mode():
    assert [path.path_shape for path in plan_tensor_product(IN1, IN2, OUT, PATHS)] == [(4, 3, 5), (2, 3)]


@pytest.mark.parametrize(
    ("normalization", "squares"),
    [("component", [1 / 12, 3 / 3]), ("norm", [9 / 12, 3 / 3]), ("none", [1 / 12, 1 / 3])],
)
def test_irrep_normalization(normalization, squares):
    expected = [math.sqrt(square) for square in squares]
    assert coefficients(PATHS, irrep_normalization=normalization) == pytest.approx(expected)


def test_variances_and_path_weight_multiply_the_variance():
    plain, changed = coefficients(PATHS), coefficients([(*PATHS[0], 4.0), PATHS[1]], [2.0, 1.0], [8.0], [1.0, 9.0])
    assert [b / a for a, b in zip(plain, changed, strict=True)] == pytest.approx([math.sqrt(4 / 16), math.sqrt(9 / 8)])


def test_path_normalization_of_paths_that_share_an_output():
    irreps = Irreps("4x0e + 1x0e"), Irreps("0e"), Irreps("2x0e")
    shared = [(0, 0, 0, "uvw", True), (1, 0, 0, "uvw", True)]
    for name, squares in (("element", [1 / 5, 1 / 5]), ("path", [1 / 8, 1 / 2]), ("none", [1, 1])):
        plan = plan_tensor_product(*irreps, shared, path_normalization=name)
        assert [path.path_weight**2 for path in plan] == pytest.approx(squares)
