"""The operators against the reference: value, gradient, second gradient, on a grid of tables and graphs."""

import subprocess
import sys

import pytest
import torch
from ops.tables import path_table, random_arguments, random_edges, random_pairs

from eqgraph import ops

TABLES = {
    "l0": path_table([(0, 16)], [0]),
    "l1": path_table([(0, 7), (1, 7)], [0, 1]),
    "l2": path_table([(0, 33), (1, 33), (2, 33)], [0, 1, 2], 2),
    "l3": path_table([(3, 5), (1, 2)], [0, 2, 3], 4),
    "l4": path_table([(4, 1), (0, 64)], [1, 4], 4),
    "mixed": path_table([(1, 3), (0, 17), (1, 1), (2, 16)], [0, 1, 2], 2),
    "without copies": path_table([(0, 0), (1, 2)], [0, 1]),
}
EDGES = {
    "no order": random_edges(9, 7, 60),
    "pairs": random_pairs(8, 25, 3),
    "several chunks": random_pairs(20, 300),
    "long rows": random_edges(3, 2, 150),
    "receivers without edges": random_edges(3, 40, 9),
    "no edges": random_edges(3, 2, 0),
    "no nodes": random_edges(0, 0, 0),
}
TOLERANCE = {torch.float64: 1e-12, torch.float32: 1e-5}


def derivatives(function, tensors, g, cotangents):
    """Value, gradient, and the gradient of what the gradient is contracted with."""
    tensors = [tensor.detach().clone().requires_grad_() for tensor in tensors]
    g = g.clone().requires_grad_()
    out = function(*tensors)
    gradients = torch.autograd.grad(out, tensors, g, create_graph=True)
    second = torch.autograd.grad(gradients, [g, *tensors], cotangents, allow_unused=True, materialize_grads=True)
    return [out, *gradients, *second]


def assert_same(ours, theirs, dtype):
    for number, (a, b) in enumerate(zip(ours, theirs, strict=True)):
        scale = b.abs().max().clamp(min=1) if b.numel() else 1
        torch.testing.assert_close(
            a / scale, b / scale, rtol=0, atol=TOLERANCE[dtype], msg=lambda m, n=number: f"{n}: {m}"
        )


@pytest.fixture
def _filled_with_nan():
    """Memory that nobody wrote to is NaN."""
    torch.use_deterministic_algorithms(True)
    torch.utils.deterministic.fill_uninitialized_memory = True
    yield
    torch.use_deterministic_algorithms(False)


@pytest.mark.usefixtures("_filled_with_nan")
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("edges", EDGES.values(), ids=EDGES)
@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_conv_is_the_reference(table, edges, dtype):
    x, y, w = random_arguments(table, edges, dtype)
    coefficients = table.edge_matrix_coefficients().to(dtype)
    g = torch.randn(edges.num_dst * table.dim_out, dtype=dtype)
    cotangents = [torch.randn_like(tensor) for tensor in (x, y, w)]
    ours = derivatives(lambda *t: ops.conv(*t, edges.sorted, table), (x, y, w), g, cotangents)
    theirs = derivatives(lambda *t: ops.tensor_product_conv(*t, edges, table, coefficients), (x, y, w), g, cotangents)
    assert_same(ours, theirs, dtype)


@pytest.mark.usefixtures("_filled_with_nan")
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("edges", EDGES.values(), ids=EDGES)
@pytest.mark.parametrize(("table", "hidden"), [(TABLES["l2"], 16), (TABLES["mixed"], 5), (TABLES["l4"], 33)])
def test_radial_conv_is_the_reference(table, edges, hidden, dtype):
    x, y, _ = random_arguments(table, edges, dtype)
    h = torch.randn(len(edges.first), hidden, dtype=dtype)
    matrix = torch.randn(hidden, table.num_weights, dtype=dtype) / hidden**0.5
    coefficients = table.edge_matrix_coefficients().to(dtype)
    g = torch.randn(edges.num_dst * table.dim_out, dtype=dtype)

    def reference(x, y, h, matrix):
        return ops.tensor_product_conv(x, y, h @ matrix, edges, table, coefficients)

    tensors, cotangents = (x, y, h, matrix), [torch.randn_like(tensor) for tensor in (x, y, h, matrix)]
    ours = derivatives(lambda *t: ops.radial_conv(*t, edges.sorted, table), tensors, g, cotangents)
    assert_same(ours, derivatives(reference, tensors, g, cotangents), dtype)
    # without a use of the matrix's gradient, as in the training of forces: another kernel
    ours = derivatives(lambda *t: ops.radial_conv(*t, matrix, edges.sorted, table), tensors[:3], g, cotangents[:3])
    assert_same(ours, derivatives(lambda *t: reference(*t, matrix), tensors[:3], g, cotangents[:3]), dtype)


def small():
    table, edges = path_table([(0, 2), (1, 3)], [0, 1], 1), random_pairs(4, 5, 1)
    x, y, w = random_arguments(table, edges, torch.float64)
    h, matrix = torch.randn(len(edges.first), 2).double(), torch.randn(2, table.num_weights).double()
    return table, edges, [t.requires_grad_() for t in (x, y, w)], [t.requires_grad_() for t in (x, y, h, matrix)]


def test_gradcheck_of_first_and_second_order():
    table, edges, stored, radial = small()
    for function, tensors in (
        (lambda *t: ops.conv(*t, edges.sorted, table), stored),
        (lambda *t: ops.radial_conv(*t, edges.sorted, table), radial),
    ):
        assert torch.autograd.gradcheck(function, tensors)
        assert torch.autograd.gradgradcheck(function, tensors)


def test_third_order():
    table, edges, stored, radial = small()
    coefficients = table.edge_matrix_coefficients()

    def third(function, tensors):
        value = function(*tensors).pow(3).sum()
        for _ in range(2):
            value = sum(g.square().sum() for g in torch.autograd.grad(value, tensors, create_graph=True))
        return torch.autograd.grad(value, tensors)

    def reference(x, y, w):
        return ops.tensor_product_conv(x, y, w, edges, table, coefficients)

    ours = third(lambda *t: ops.conv(*t, edges.sorted, table), stored)
    torch.testing.assert_close(ours, third(reference, stored))
    x, y, h, matrix = radial
    ours = third(lambda *t: ops.radial_conv(*t, matrix, edges.sorted, table), (x, y, h))
    torch.testing.assert_close(ours, third(lambda x, y, h: reference(x, y, h @ matrix), (x, y, h)))


def test_a_matrix_that_does_not_learn_costs_no_gradient():
    table, edges, _, (x, y, h, matrix) = small()
    g = torch.randn(edges.num_dst * table.dim_out, dtype=torch.float64)
    both = [
        torch.ops.eqgraph.radial_conv_backward(g, x, y, h, matrix, *edges.sorted, table.key, learns, True)
        for learns in (True, False)
    ]
    assert all(torch.equal(a, b) for a, b in zip(*(gradients[:3] for gradients in both), strict=True))
    assert both[0][3].abs().min() > 0
    assert (both[1][3] == 0).all()
    out = ops.radial_conv(x, y, h, matrix.detach(), edges.sorted, table)
    torch.testing.assert_close(torch.autograd.grad(out, (x, y, h), g), both[0][:3])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_harmonics_that_do_not_move_cost_no_gradient(dtype):
    table, edges, stored, radial = small()
    tolerance = {"rtol": 1e-4, "atol": 1e-4} if dtype == torch.float32 else {"rtol": 1e-12, "atol": 1e-12}
    g = torch.randn(edges.num_dst * table.dim_out, dtype=dtype)
    rest = (*edges.sorted, table.key)
    for operator, tensors, learns in (
        (torch.ops.eqgraph.conv_backward, stored, ()),
        (torch.ops.eqgraph.radial_conv_backward, radial, (True,)),
    ):
        tensors = [tensor.detach().to(dtype) for tensor in tensors]
        moving, still = (operator(g, *tensors, *rest, *learns, moves) for moves in (True, False))
        assert moving[1].abs().max() > 0
        assert (still[1] == 0).all()
        for index in (0, *range(2, len(moving))):
            torch.testing.assert_close(still[index], moving[index], **tolerance)
    x, y, w = (tensor.detach() for tensor in stored)
    x, w = x.requires_grad_(), w.requires_grad_()
    assert torch.autograd.gradcheck(lambda x, w: ops.conv(x, y, w, edges.sorted, table), (x, w))
    assert torch.autograd.gradgradcheck(lambda x, w: ops.conv(x, y, w, edges.sorted, table), (x, w))


def test_opcheck():
    table, edges, stored, radial = small()
    g = torch.randn(edges.num_dst * table.dim_out, dtype=torch.float64, requires_grad=True)
    rest = (*edges.sorted, table.key)
    for operator, tensors in (
        (torch.ops.eqgraph.conv, stored),
        (torch.ops.eqgraph.conv_backward, [g, *stored]),
        (torch.ops.eqgraph.conv_double_backward, [*stored, g, *stored]),
        (torch.ops.eqgraph.radial_conv, radial),
        (torch.ops.eqgraph.radial_conv_backward, [g, *radial]),
        (torch.ops.eqgraph.radial_conv_double_backward, [*radial[:3], g, *radial]),
    ):
        wanted = {torch.ops.eqgraph.conv_backward: (True,), torch.ops.eqgraph.radial_conv_backward: (True, True)}
        torch.library.opcheck(operator, (*tensors, *rest, *wanted.get(operator, ())))


def test_inputs_need_not_be_contiguous():
    table, edges, (x, y, w), _ = small()
    expected = ops.conv(x, y, w, edges.sorted, table)
    strided = [torch.stack([t, t], dim=-1)[..., 0] for t in (x, y, w)]
    assert not any(t.is_contiguous() for t in strided)
    assert torch.equal(ops.conv(*strided, edges.sorted, table), expected)


def test_autocast_computes_in_float32():
    table, edges = path_table([(0, 4), (1, 4)], [0, 1], 1), random_edges(5, 5, 20)
    x, y, w = random_arguments(table, edges, torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        out = ops.conv(x.bfloat16(), y, w, edges.sorted, table)
    assert out.dtype == torch.float32
    assert torch.equal(out, ops.conv(x.bfloat16().float(), y, w, edges.sorted, table))


def test_nan_is_not_hidden():
    table, edges = path_table([(0, 4)], [0], 1), random_edges(5, 5, 20)
    x, y, w = random_arguments(table, edges, torch.float32)
    x[2] = torch.nan
    expected = ops.tensor_product_conv(x, y, w, edges, table, table.edge_matrix_coefficients().float())
    assert torch.equal(ops.conv(x, y, w, edges.sorted, table).isnan(), expected.isnan())


THREADS = """
import torch
from eqgraph import ops
from ops.tables import path_table, random_arguments, random_edges, random_pairs

torch.manual_seed(0)
table = path_table([(0, 33), (1, 33), (2, 33)], [0, 1, 2], 2)
for edges in (random_edges(50, 60, 3000), random_pairs(50, 1500)):
    x, y, w = random_arguments(table, edges, torch.float32)
    h, matrix = torch.randn(len(edges.first), 8), torch.randn(8, table.num_weights)
    g, results = torch.randn(edges.num_dst * table.dim_out), []
    for threads in (1, 2, 4):
        torch.set_num_threads(threads)
        rest = (*edges.sorted, table.key)
        results.append(
            [
                torch.ops.eqgraph.conv(x, y, w, *rest),
                *torch.ops.eqgraph.conv_backward(g, x, y, w, *rest, True),
                *torch.ops.eqgraph.conv_double_backward(x, y, w, g, x, y, w, *rest),
                torch.ops.eqgraph.radial_conv(x, y, h, matrix, *rest),
                *torch.ops.eqgraph.radial_conv_backward(g, x, y, h, matrix, *rest, True, True),
                *torch.ops.eqgraph.radial_conv_double_backward(x, y, h, g, x, y, h, matrix, *rest),
            ]
        )
    for result in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], result, strict=True))
"""


def test_every_bit_is_the_same_for_any_number_of_threads(pytestconfig):
    path = f"import sys; sys.path.insert(0, {str(pytestconfig.rootpath / 'tests')!r})\n"
    result = subprocess.run([sys.executable, "-c", path + THREADS], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
