import copy
import pickle
from itertools import islice

import pytest
import torch

from eqgraph.o3 import Irrep, Irreps, MulIr, rand_angles, rand_axis_angle, rand_matrix, rand_quaternion
from eqgraph.o3.rotation import angles_to_matrix, axis_angle_to_matrix, quaternion_to_matrix


# ------------------------------------------------------------------ Irrep
@pytest.mark.parametrize("like", ["1o", " 1o ", "1y", (1, -1), Irrep(1, -1), MulIr(3, "1o")])
def test_everything_that_describes_an_irrep(like):
    assert Irrep(like) == Irrep("1o")


def test_irrep_properties():
    assert (Irrep("3e").l, Irrep("3e").p, Irrep("3e").dim, str(Irrep("3e"))) == (3, 1, 7, "3e")
    assert Irrep("2y") == Irrep("2e")
    assert [Irrep(ir).is_scalar() for ir in ("0e", "0o", "1e")] == [True, False, False]
    assert list(islice(Irrep.iterator(), 6)) == [Irrep(ir) for ir in ("0e", "0o", "1o", "1e", "2e", "2o")]
    assert list(Irrep.iterator(0)) == [Irrep("0e"), Irrep("0o")]


def test_irrep_arithmetic():
    assert list(Irrep("2o") * "1e") == [Irrep("1o"), Irrep("2o"), Irrep("3o")]
    assert 3 * Irrep("1o") == Irreps("3x1o")
    assert Irrep("1o") + "2x0e" == Irreps("1x1o+2x0e")
    assert sorted(map(Irrep, ("1e", "1o", "0e", "0o"))) == [Irrep(ir) for ir in ("0o", "0e", "1o", "1e")]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("1",), "expected a degree and one of the letters e .* got '1'"),
        (("-1o",), "got '-1o'.*Write for example '1o'"),
        (("1.5o",), "got '1.5o'"),
        ((-1, 1), "expected a degree l >= 0 and a parity of 1 or -1, got l=-1, p=1"),
        ((1, 2), "got l=1, p=2"),
        ((1.0, 1), "got l=1.0, p=1"),
        ((1,), "got 1"),
        ((None,), "got None"),
        (("1o", 1), "got l='1o', p=1"),
    ],
)
def test_what_is_no_irrep(arguments, message):
    with pytest.raises(ValueError, match=message):
        Irrep(*arguments)


def test_an_irrep_is_no_collection():
    for use, message in (
        (len, "has no length. Use .dim"),
        (lambda ir: 1 in ir, "contains nothing. Compare"),
        (lambda ir: ir.count(1), "cannot count. Use Irreps.count"),
        (lambda ir: ir.index(1), "has no positions"),
    ):
        with pytest.raises(NotImplementedError, match=message):
            use(Irrep("1o"))


# ------------------------------------------------------------------ Irreps
@pytest.mark.parametrize(
    ("like", "text"),
    [
        ("0e + 1o", "1x0e+1x1o"),
        ("16x1e + 32 x 2o", "16x1e+32x2o"),
        ("", ""),
        (None, ""),
        (Irrep("1o"), "1x1o"),
        (MulIr(2, "1o"), "2x1o"),
        (["1o", (2, "1e"), Irrep("0e"), (3, (1, 1)), MulIr(2, "0e"), "4x2e"], "1x1o+2x1e+1x0e+3x1e+2x0e+4x2e"),
        ([], ""),
        (Irreps("0x1o + 2e"), "0x1o+1x2e"),
    ],
)
def test_everything_that_describes_irreps(like, text):
    assert str(Irreps(like)) == text
    assert Irreps(text) == Irreps(like)


@pytest.mark.parametrize(
    ("like", "message"),
    [
        ("2x", "expected terms like '16x1o' joined by '\\+', got '2x' in '2x'"),
        ("1o+", "got '' in '1o\\+'"),
        ("-2x1o", "got '-2x1o'"),
        ("1", "got '1'"),
        ("1o*2", "Write for example"),
        (5, "expected a string, irreps or a list of them, got 5"),
        ([(-1, "1o")], "expected an irrep or a pair .* got \\(-1, '1o'\\)"),
        ([(2.0, "1o")], "got \\(2.0, '1o'\\)"),
        ([5], "got 5"),
        ([(2, 1)], "Irrep: expected a degree"),
    ],
)
def test_what_is_no_irreps(like, message):
    with pytest.raises(ValueError, match=message):
        Irreps(like)


def test_counting():
    irreps = Irreps("2x1o + 0e + 0x3e + 1o")
    assert (irreps.dim, irreps.num_irreps, irreps.lmax, len(irreps)) == (10, 4, 1, 4)
    assert irreps.ls == [1, 1, 0, 1]
    assert irreps.count("1o") == 3
    assert irreps.count("2o") == 0
    assert "0e" in irreps
    assert "3e" in irreps
    assert "1e" not in irreps
    assert irreps.slices() == [slice(0, 6), slice(6, 7), slice(7, 7), slice(7, 10)]
    assert Irreps.spherical_harmonics(3) == Irreps("0e+1o+2e+3o")
    assert Irreps.spherical_harmonics(2, p=1) == Irreps("0e+1e+2e")


def test_tuple_operations_keep_the_type():
    irreps = Irreps("2x1o + 0e")
    assert irreps[0] == MulIr(2, "1o")
    assert isinstance(irreps[:1], Irreps)
    assert irreps[-1:] == Irreps("0e")
    assert irreps + "1e" == Irreps("2x1o+0e+1e")
    assert irreps * 2 == 2 * irreps == Irreps("2x1o+0e+2x1o+0e")
    assert {irreps: 1}[Irreps("2x1o+1x0e")] == 1
    mul, ir = irreps[0]
    assert (mul, ir, irreps[0].mul, irreps[0].ir, irreps[0].dim) == (2, Irrep("1o"), 2, Irrep("1o"), 6)


@pytest.mark.parametrize("value", [Irrep("1o"), MulIr(2, "1o"), Irreps("2x1o + 0x0e")])
def test_copies_and_pickles(value):
    for other in (copy.copy(value), copy.deepcopy(value), pickle.loads(pickle.dumps(value))):
        assert other == value
        assert type(other) is type(value)


def test_simplify_sort_regroup():
    irreps = Irreps("1e + 0o + 0e + 0x2e + 1e + 1e")
    assert irreps.simplify() == Irreps("1e+0o+0e+2x1e")
    assert irreps.remove_zero_multiplicities() == Irreps("1e+0o+0e+1e+1e")
    ordered, p, inv = irreps.sort()
    assert ordered == Irreps("0o+0e+1e+1e+1e+0x2e")
    assert (p, inv) == ((2, 0, 1, 5, 3, 4), (1, 2, 0, 4, 5, 3))
    assert irreps.sort().irreps == ordered
    assert irreps.regroup() == Irreps("0o+0e+3x1e")


def test_filter():
    irreps = Irreps("2x1o + 0e + 3x1e")
    assert irreps.filter() == irreps
    for keep in ("1o + 5x1e", ["1o", "1e"], Irreps("1o+1e"), lambda mul_ir: mul_ir.ir.l == 1):
        assert irreps.filter(keep) == irreps.filter(keep=keep) == Irreps("2x1o+3x1e")
        assert irreps.filter(drop=keep) == Irreps("0e")
    assert irreps.filter(Irrep("1o")) == irreps.filter(MulIr(7, "1o")) == Irreps("2x1o")
    assert irreps.filter(lmax=0) == Irreps("0e")
    with pytest.raises(ValueError, match=r"expected one of keep, drop and lmax, got keep and lmax. Call filter once"):
        irreps.filter("1o", lmax=1)


def test_slice_by_mul():
    irreps = Irreps("2x1o + 0e + 3x1e")
    assert irreps.slice_by_mul[1:4] == Irreps("1o+0e+1e")
    assert irreps.slice_by_mul[:] == irreps
    assert irreps.slice_by_mul[-2:] == Irreps("2x1e")
    assert irreps.slice_by_mul[4:2] == Irreps("")
    for wrong in (1, slice(None, None, 2)):
        with pytest.raises(IndexError, match="expected a slice without stride"):
            irreps.slice_by_mul[wrong]


def test_randn():
    irreps = Irreps("2x0e + 1x1o")
    assert irreps.randn(10, -1).shape == (10, 5)
    assert irreps.randn(2, -1, 3, normalization="norm", dtype=torch.float64).shape == (2, 5, 3)
    x = Irreps("2x3o").randn(100, -1, normalization="norm", requires_grad=True)
    assert x.requires_grad
    torch.testing.assert_close(x.unflatten(-1, (2, 7)).norm(dim=-1), torch.ones(100, 2))
    assert Irreps("").randn(3, -1, normalization="norm").shape == (3, 0)
    for size in ((3,), (-1, -1)):
        with pytest.raises(ValueError, match=r"expected a size with one -1 .* got .*Write for example"):
            irreps.randn(*size)
    with pytest.raises(ValueError, match="expected normalization 'component' or 'norm', got 'foo'"):
        irreps.randn(-1, normalization="foo")


def test_further_errors():
    for empty in ("", "0x2e"):
        with pytest.raises(ValueError, match="expected at least one copy for lmax"):
            _ = Irreps(empty).lmax
    with pytest.raises(NotImplementedError, match=r"use o3[.]FullTensorProduct"):
        Irreps("1o") * Irreps("1o")
    with pytest.raises(NotImplementedError, match="Loop over it with enumerate"):
        Irreps("1o").index("1o")


# ------------------------------------------------------------------ matrices
def test_vectors_turn_by_the_matrix_itself():
    R = -rand_matrix(20, dtype=torch.float64)
    torch.testing.assert_close(Irrep("1o").D_from_matrix(R), R, rtol=0, atol=1e-13)
    torch.testing.assert_close(Irrep("1e").D_from_matrix(R), -R, rtol=0, atol=1e-13)


def test_D_is_a_representation_of_O3():
    irreps = Irreps("2x0e + 0o + 1o + 1e + 2x2o + 4e")
    R = rand_matrix(2, 10, dtype=torch.float64) * torch.tensor([1.0, -1.0], dtype=torch.float64)[:, None, None, None]
    product = irreps.D_from_matrix(R[0]) @ irreps.D_from_matrix(R[1])
    torch.testing.assert_close(irreps.D_from_matrix(R[0] @ R[1]), product, rtol=0, atol=1e-12)
    torch.testing.assert_close(product @ product.mT, torch.eye(irreps.dim).double().expand(10, -1, -1))


def test_D_from_each_parametrization():
    irreps = Irreps("0o + 2x1o + 3e")
    k = torch.tensor([0, 1, 2])
    angles, q, (axis, angle) = (f(3, dtype=torch.float64) for f in (rand_angles, rand_quaternion, rand_axis_angle))
    sign = torch.tensor([1.0, -1.0, 1.0]).double()[:, None, None]
    close = {"rtol": 0, "atol": 1e-12}
    torch.testing.assert_close(
        irreps.D_from_angles(*angles, k), irreps.D_from_matrix(sign * angles_to_matrix(*angles)), **close
    )
    torch.testing.assert_close(
        irreps.D_from_quaternion(q, k), irreps.D_from_matrix(sign * quaternion_to_matrix(q)), **close
    )
    torch.testing.assert_close(
        irreps.D_from_axis_angle(axis, angle), irreps.D_from_matrix(axis_angle_to_matrix(axis, angle)), **close
    )
    assert irreps.D_from_angles(*rand_angles(2, 3)).shape == (2, 3, irreps.dim, irreps.dim)


def test_D_of_empty_irreps():
    """e3nn: direct_sum() without blocks raises IndexError."""
    assert Irreps("").D_from_matrix(torch.eye(3).expand(4, 3, 3)).shape == (4, 0, 0)
    assert Irreps("0x1o").D_from_angles(*torch.zeros(3)).shape == (0, 0)


def test_D_under_vmap():
    R = -rand_matrix(4, dtype=torch.float64)
    irreps = Irreps("0o + 2x2e")
    torch.testing.assert_close(torch.vmap(irreps.D_from_matrix)(R), irreps.D_from_matrix(R))
