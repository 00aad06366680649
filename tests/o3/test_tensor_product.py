import copy
import math

import pytest
import torch

from eqgraph import o3
from eqgraph.testing import assert_equivariant

# mode, multiplicities of both inputs and of the output
MODES = [
    ("uvw", 2, 3, 4, True),
    ("uvu", 2, 3, 2, True),
    ("uvv", 2, 3, 3, True),
    ("uuw", 3, 3, 2, True),
    ("uuu", 3, 3, 3, True),
    ("uvuv", 2, 3, 6, True),
    ("uvu<v", 3, 3, 3, True),
    ("u<vw", 3, 3, 2, True),
    ("uvu", 2, 3, 2, False),
    ("uvv", 2, 3, 3, False),
    ("uuw", 3, 3, 1, False),
    ("uuu", 3, 3, 3, False),
    ("uvuv", 2, 3, 6, False),
    ("uvu<v", 3, 3, 3, False),
]
# what each mode does, as one einsum over z[n, u, v, k]; "<" modes first pick the pairs u < v
EINSUMS = {
    "uvw": "nuvk,uvw->nwk",
    "uvu": "nuvk,uv->nuk",
    "uvv": "nuvk,uv->nvk",
    "uuw": "nuuk,uw->nwk",
    "uuu": "nuuk,u->nuk",
    "uvuv": "nuvk,uv->nuvk",
    "uvu<v": "npk,p->npk",
    "u<vw": "npk,pw->nwk",
}


def product_of_mode(mode, mul1, mul2, mul_out, has_weight, **kwargs):
    """1o x 2e -> 1o, 0e x 2e -> 2e and 2e x 2e -> 0e, so that scalars occur in each place."""
    instructions = [(0, 0, 0, mode, has_weight), (1, 0, 1, mode, has_weight, 0.5), (2, 0, 2, mode, has_weight)]
    in1, in2, out = f"{mul1}x1o + {mul1}x0e + {mul1}x2e", f"{mul2}x2e", f"{mul_out}x1o + {mul_out}x2e + {mul_out}x0e"
    return o3.TensorProduct(in1, in2, out, instructions, **kwargs)


@pytest.mark.parametrize("case", MODES)
def test_modes_against_einsum(case):
    mode, mul1, mul2, _, has_weight = case
    tp = product_of_mode(*case).double()
    x, y = (irreps.randn(5, -1, dtype=torch.float64) for irreps in (tp.irreps_in1, tp.irreps_in2))
    weights, expected = tp.weight_views(), []
    for ins, where in zip(tp.instructions, tp.irreps_in1.slices(), strict=True):
        (_, ir1), (_, ir2), (_, ir_out) = tp.irreps_in1[ins.i_in1], tp.irreps_in2[ins.i_in2], tp.irreps_out[ins.i_out]
        C = o3.wigner_3j(ir1.l, ir2.l, ir_out.l, torch.float64)
        z = torch.einsum("nui,nvj,ijk->nuvk", x[:, where].unflatten(-1, (mul1, -1)), y.unflatten(-1, (mul2, -1)), C)
        if "<" in mode:
            u, v = torch.triu_indices(mul1, mul1, 1)
            z = z[:, u, v]
        w = next(weights) if has_weight else torch.ones(ins.path_shape, dtype=torch.float64)
        expected.append(ins.path_weight * torch.einsum(EINSUMS[mode], z, w).flatten(1))
    torch.testing.assert_close(tp(x, y), torch.cat(expected, dim=-1), rtol=0, atol=1e-13)


@pytest.mark.parametrize("case", MODES)
def test_equivariance(case):
    tp = product_of_mode(*case).double()
    assert_equivariant(tp, [tp.irreps_in1, tp.irreps_in2], [tp.irreps_out], tolerance=1e-12)


@pytest.mark.parametrize("case", MODES)
def test_derivatives(case):
    tp = product_of_mode(*case, shared_weights=False).double()
    x, y = (i.randn(2, -1, dtype=torch.float64, requires_grad=True) for i in (tp.irreps_in1, tp.irreps_in2))
    w = torch.randn(2, tp.weight_numel, dtype=torch.float64, requires_grad=True)
    inputs = (x, y, w) if tp.weight_numel else (x, y)
    assert torch.autograd.gradcheck(tp, inputs, fast_mode=True)
    assert torch.autograd.gradgradcheck(tp, inputs, fast_mode=True)


@pytest.mark.parametrize("case", MODES)
def test_right_is_the_matrix_of_the_map(case):
    tp = product_of_mode(*case, shared_weights=False)
    x, y = tp.irreps_in1.randn(4, -1), tp.irreps_in2.randn(4, -1)
    w = torch.randn(4, tp.weight_numel) if tp.weight_numel else None
    right = tp.right(y, w)
    assert right.shape == (4, tp.irreps_in1.dim, tp.irreps_out.dim)
    torch.testing.assert_close(torch.einsum("ni,nij->nj", x, right), tp(x, y, w), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("case", MODES)
@pytest.mark.parametrize(
    "leads", [((), (), ()), ((4, 1), (3,), ()), ((3,), (), (4, 1)), ((), (2,), (2,)), ((0,), (0,), (0,))]
)
def test_leading_axes_broadcast(case, leads):
    tp = product_of_mode(*case, shared_weights=False)
    lead_x, lead_y, lead_w = leads
    x, y = tp.irreps_in1.randn(*lead_x, -1), tp.irreps_in2.randn(*lead_y, -1)
    w = torch.randn(*lead_w, tp.weight_numel) if tp.weight_numel else torch.empty(0)
    batch = torch.broadcast_shapes(x.shape[:-1], y.shape[:-1], w.shape[:-1])
    expand = [t.expand(*batch, -1).reshape(math.prod(batch), t.shape[-1]) for t in (x, y, w)]
    expected = [tp(*row) for row in zip(*expand, strict=True)]
    expected = torch.stack(expected).view(*batch, -1) if expected else torch.empty(*batch, tp.irreps_out.dim)
    torch.testing.assert_close(tp(x, y, w), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("irrep_normalization", ["component", "norm"])
@pytest.mark.parametrize("path_normalization", ["element", "path"])
@pytest.mark.parametrize("case", [case for case in MODES if case[0] in ("uvw", "uvu", "uuu", "u<vw")])
def test_variance_is_kept(case, irrep_normalization, path_normalization):
    mode, mul1, mul2, mul_out, has_weight = case
    tp = o3.TensorProduct(
        f"{mul1}x1o + {mul1}x2o",
        f"{mul2}x2e",
        f"{mul_out}x1o",
        [(0, 0, 0, mode, has_weight), (1, 0, 0, mode, has_weight)],
        irrep_normalization=irrep_normalization,
        path_normalization=path_normalization,
        shared_weights=False,
        out_var=[4.0],
    )
    n = 20000
    x, y = (i.randn(n, -1, normalization=irrep_normalization) for i in (tp.irreps_in1, tp.irreps_in2))
    z = tp(x, y, torch.randn(n, tp.weight_numel) if has_weight else None)
    z = z.unflatten(-1, (mul_out, 3)).square()
    power = z.mean(-1) if irrep_normalization == "component" else z.sum(-1)
    assert abs(power.mean() / 4 - 1) < 0.1


def test_variances_of_inputs():
    plain = o3.TensorProduct("1o", "1o", "0e", [(0, 0, 0, "uvw", True)])
    scaled = o3.TensorProduct(
        "1o", "1o", "0e", [(0, 0, 0, "uvw", True, 9.0)], in1_var=[4.0], in2_var=[16.0], out_var=[25.0]
    )
    assert scaled.instructions[0].path_weight == pytest.approx(plain.instructions[0].path_weight * 3 * 5 / (2 * 4))


def test_the_cross_product():
    cross = o3.TensorProduct("1o", "1o", "1e", [(0, 0, 0, "uuu", False)], irrep_normalization="none")
    x, y = torch.randn(5, 3), torch.randn(5, 3)
    torch.testing.assert_close(cross(x, y) * 6**0.5, torch.linalg.cross(x, y))


def test_weights():
    tp = o3.TensorProduct(
        "2x1o", "3x1o", "2x0e + 4x0e", [(0, 0, 0, "uvu", False), (0, 0, 1, "uvw", True), (0, 0, 0, "uvu", True)]
    )
    assert tp.weight.shape == (24 + 6,)
    x, y = torch.randn(5, 6), torch.randn(5, 9)
    views = list(tp.weight_views())
    assert [view.shape for view in views] == [(2, 3, 4), (2, 3)]
    torch.testing.assert_close(tp(x, y, views), tp(x, y))
    batched = torch.randn(5, 30)
    torch.testing.assert_close(tp(x, y, list(tp.weight_views(batched))), tp(x, y, batched))
    assert [i for i, _, _ in tp.weight_views(yield_instruction=True)] == [1, 2]


def test_weight_view_of_a_product_with_unweighted_paths():
    """e3nn: paths without weights are counted in the offset, so the view shows the weights of another path."""
    tp = o3.TensorProduct("2x0e", "2x0e", "2x0e", [(0, 0, 0, "uuu", False), (0, 0, 0, "uuu", True)])
    assert tp.weight_numel == 2
    view = tp.weight_view_for_instruction(1)
    assert torch.equal(view, tp.weight)
    with torch.no_grad():
        view.zero_()
    assert torch.equal(tp.weight, torch.zeros(2))
    with pytest.raises(ValueError, match="expected an instruction with weights, got number 0"):
        tp.weight_view_for_instruction(0)


def test_ownership_of_weights():
    args = ("2x0e", "2x0e", "2x0e", [(0, 0, 0, "uuu", True)])
    assert o3.TensorProduct(*args).internal_weights
    assert not o3.TensorProduct(*args[:3], [(0, 0, 0, "uuu", False)]).internal_weights
    external = o3.TensorProduct(*args, shared_weights=False)
    assert not external.internal_weights
    assert not list(external.parameters())
    assert list(o3.TensorProduct(*args).state_dict()) == ["weight", "output_mask"]


def test_no_paths_and_outputs_that_stay_zero():
    tp = o3.TensorProduct("1o", "1o", "1e + 0e", [(0, 0, 1, "uvw", True)])
    assert torch.equal(tp.output_mask, torch.tensor([0.0, 0.0, 0.0, 1.0]))
    assert torch.equal(tp(torch.randn(5, 3), torch.randn(3))[:, :3], torch.zeros(5, 3))
    assert torch.equal(o3.TensorProduct("1o", "1o", "1e", [])(torch.zeros(2, 3), torch.zeros(3)), torch.zeros(2, 3))
    assert o3.FullyConnectedTensorProduct("", "1o", "")(torch.zeros(2, 0), torch.zeros(3)).shape == (2, 0)


def test_empty_entries():
    tp = o3.FullyConnectedTensorProduct("0x0e + 2x1o", "1o + 0x1e", "0e + 0x1e + 1e")
    assert tp(torch.randn(5, 6), torch.randn(5, 3)).shape == (5, 4)


def test_double_after_float_is_as_good_as_double():
    """A table that was rounded to float32 would break equivariance from the 8th digit on."""
    args = ("2x2e", "2e", "3x2e + 1e", [(0, 0, 0, "uvw", True), (0, 0, 1, "uvw", True)])
    tp = o3.TensorProduct(*args).half().float().double()
    assert_equivariant(tp, [tp.irreps_in1, tp.irreps_in2], [tp.irreps_out], tolerance=1e-13)
    assert copy.deepcopy(tp)._tables.dtype == torch.float64


def test_meta_device():
    tp = o3.FullyConnectedTensorProduct("2x1o", "1o", "0e").to("meta").to_empty(device="cpu")
    assert torch.equal(tp._tables, o3.FullyConnectedTensorProduct("2x1o", "1o", "0e")._tables)


def test_vmap():
    tp = o3.FullyConnectedTensorProduct("2x0e + 1o", "0e + 1o", "0e + 1o")
    x, y = torch.randn(4, 5), torch.randn(4, 4)
    torch.testing.assert_close(torch.vmap(tp)(x, y), tp(x, y))


IR = ("2x0e + 1o", "0e + 2x1o", "0e + 1o")


@pytest.mark.parametrize(
    ("instruction", "message"),
    [
        ((0, 0, 1, "uvw", True), r"one of \[0e\], the irreps in '0e' x '0e', got '1o'. Change i_out"),
        ((0, 0, 0, "foo", True), "connection_mode of instruction 0 to be one of .* got 'foo'"),
        (
            (0, 0, 0, "uvu", True),
            "multiplicities 2 x 1 -> 2 in instruction 0 of mode 'uvu', got '2x0e' x '1x0e' -> '1x0e'",
        ),
        ((1, 1, 0, "uuu", True), "multiplicities 1 x 1 -> 1 in instruction 0 of mode 'uuu'"),
        ((0, 0, 0, "uvw", False), "expected weights for mode 'uvw' of instruction 0, got has_weight=False"),
        (
            (0, 0, 0, "uvw"),
            r"\(i_in1, i_in2, i_out, connection_mode, has_weight\[, path_weight\]\), got \(0, 0, 0, 'uvw'\)",
        ),
    ],
)
def test_instruction_errors(instruction, message):
    with pytest.raises(ValueError, match=message):
        o3.TensorProduct(*IR, [instruction])


@pytest.mark.parametrize(("i", "name"), [((2, 0, 0), "i_in1"), ((0, -1, 0), "i_in2"), ((0, 0, 5), "i_out")])
def test_index_errors(i, name):
    with pytest.raises(IndexError, match=f"expected {name} of instruction 0 to be below 2, .*Count from 0"):
        o3.TensorProduct(*IR, [(*i, "uvw", True)])


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"irrep_normalization": "foo"}, "expected irrep_normalization to be one of .* got 'foo'"),
        ({"path_normalization": "foo"}, "expected path_normalization to be one of .* got 'foo'"),
        ({"in1_var": [1.0]}, "expected in1_var to have 2 numbers, one per entry of '2x0e\\+1x1o', got 1"),
        ({"out_var": [1.0]}, "expected out_var to have 2 numbers"),
        ({"internal_weights": True, "shared_weights": False}, "TensorProduct: expected shared weights"),
    ],
)
def test_construction_errors(kwargs, message):
    with pytest.raises(ValueError, match=message):
        o3.FullyConnectedTensorProduct(*IR, **kwargs)


def test_call_errors():
    tp = o3.FullyConnectedTensorProduct(*IR, internal_weights=False)
    x, y, w = tp.irreps_in1.randn(3, -1), tp.irreps_in2.randn(3, -1), torch.randn(tp.weight_numel)
    with pytest.raises(ValueError, match=r"FullyConnectedTensorProduct: expected a weight .* got none. Pass weight="):
        tp(x, y)
    with pytest.raises(ValueError, match=r"expected input 1 of shape \(..., 5\) for '2x0e\+1x1o', got \(3, 4\)"):
        tp(x[:, 1:], y, w)
    with pytest.raises(ValueError, match=r"expected input 2 of shape \(..., 7\)"):
        tp(x, y[:, 1:], w)
    with pytest.raises(ValueError, match=r"expected a weight of shape \(..., \d+\), got \(3,\)"):
        tp(x, y, torch.zeros(3))
