"""The Triton kernels equal the reference: on a GPU where there is one, else in Triton's interpreter."""

import pytest
import torch
from torch import Tensor

from eqgraph import ops
from eqgraph.o3 import wigner_3j

pytest.importorskip("triton", exc_type=ImportError)
from eqgraph.ops import gpu
from eqgraph.ops.gpu import conv_kernels
from eqgraph.ops.gpu.source import namespace

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


@pytest.fixture(autouse=True)
def _interpreted_on_cpu(monkeypatch):
    """Kernels are made when they are first needed, which is when Triton reads this variable."""
    if DEVICE == "cpu":
        monkeypatch.setenv("TRITON_INTERPRET", "1")


@pytest.fixture(autouse=True)
def _memory_is_not_a_number():
    """Memory that was allocated and not written is NaN."""
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(before)


def full_table(
    blocks: list[tuple[int, int]], degrees_sh: list[int], degrees_out: list[int], gap: int = 0
) -> ops.PathTable:
    """All paths from blocks (l, mul) times one harmonic of each degree to one block of each degree, after a gap without paths."""
    channels = dict.fromkeys(degrees_out, gap)
    paths = []
    for index, (l1, mul) in enumerate(blocks):
        start = 0
        for l2 in degrees_sh:
            for l3 in range(abs(l1 - l2), l1 + l2 + 1):
                if l3 in channels:
                    tensor = wigner_3j(l1, l2, l3, dtype=torch.float64)
                    nonzero = tuple((*i, tensor[tuple(i)].item()) for i in tensor.nonzero().tolist())
                    paths.append(ops.Path(index, start, degrees_out.index(l3), channels[l3], nonzero))
                    channels[l3] += mul
            start += 2 * l2 + 1
    return ops.PathTable(
        tuple(ops.Block(*block) for block in blocks),
        sum(2 * l + 1 for l in degrees_sh),
        tuple(ops.Block(l, channels[l]) for l in degrees_out),
        tuple(paths),
    )


def with_gap(out: Tensor, dense: ops.PathTable, num_dst: int, gap: int) -> Tensor:
    """What full_table(gap=gap) puts out, from what the table without a gap does."""
    blocks = out.split([num_dst * block.size for block in dense.out_blocks])
    views = [part.view(num_dst, block.dim, block.mul) for part, block in zip(blocks, dense.out_blocks, strict=True)]
    return torch.cat([torch.nn.functional.pad(view, (gap, 0)).flatten() for view in views])


def random_edges(num_edges: int, num_src: int, num_dst: int) -> ops.Edges:
    senders, receivers = (torch.randint(max(number, 1), (num_edges,)) for number in (num_src, num_dst))
    return ops.Edges.of(torch.stack([senders, receivers]).to(DEVICE), num_src, num_dst)


def edges_with_reverse() -> ops.Edges:
    """Two pairs of an edge and its reverse, two edges without, and nodes without edges."""
    edge_index = torch.tensor([[0, 1, 3, 2, 0, 3], [1, 0, 2, 3, 3, 0]])
    return ops.Edges.of(edge_index.to(DEVICE), 5, 5, torch.tensor([1, 0, 3, 2, -1, -1], device=DEVICE))


def random_like(*shape: int, dtype: torch.dtype) -> Tensor:
    return torch.randn(*shape, dtype=dtype, device=DEVICE)


SMALL = ([(0, 3), (1, 2)], [0, 1], [0, 1])
PAIRS = None
"""In place of the numbers of edges, senders and receivers: edges_with_reverse."""
CASES = {
    "one channel": (([(1, 1)], [1], [0, 1, 2]), (7, 4, 3), None),
    "pairs share a row of the weights": (SMALL, PAIRS, None),
    "more channels than a tile has": (([(1, 33)], [0, 1], [1]), (5, 2, 2), None),
    "many edges to a receiver": (([(0, 33), (1, 8)], [1], [0, 1]), (10, 6, 1), None),
    "different channels, receivers without edges": (([(1, 8), (0, 3)], [0, 1, 2], [2, 0, 1]), (4, 3, 6), None),
    "high degree": (([(3, 2)], [2], [1, 2, 3]), (3, 2, 2), None),
    "an empty block and channels without paths": (([(0, 0), (2, 3), (1, 2)], [2], [1, 0], 2), (5, 3, 3), None),
    "a block without paths": (([(3, 2), (0, 3)], [0], [0]), (5, 3, 3), None),
    "no paths": (([(0, 2)], [1], [0], 2), (5, 3, 3), None),
    "no edges": (SMALL, (0, 3, 2), None),
    "no nodes": (SMALL, (0, 0, 0), None),
    "radial": (SMALL, (5, 4, 3), 5),
    "radial, pairs share a row of the weights": (SMALL, PAIRS, 16),
    "radial, more channels and features than tiles have": (([(1, 33)], [1], [0]), (4, 3, 2), 70),
    "radial, an empty block and channels without paths": (([(0, 0), (1, 2)], [1], [0], 1), (5, 3, 3), 8),
    "radial, no edges": (SMALL, (0, 3, 2), 3),
}


@pytest.mark.parametrize(
    ("case", "dtype"),
    [(case, torch.float64) for case in CASES]
    + [(case, torch.float32) for case in ("pairs share a row of the weights", "high degree", "radial")],
)
def test_conv_and_its_derivatives_are_those_of_the_reference(case, dtype):
    (blocks, degrees_sh, degrees_out, *gap), sizes, num_hidden = CASES[case]
    table, dense = full_table(blocks, degrees_sh, degrees_out, *gap), full_table(blocks, degrees_sh, degrees_out)
    edges = edges_with_reverse() if sizes is PAIRS else random_edges(*sizes)
    rows = len(edges.first)
    x = random_like(edges.num_src * table.dim_in, dtype=dtype)
    y = random_like(len(edges.src), table.dim_sh, dtype=dtype)
    if num_hidden is None:
        weights = [random_like(rows, table.num_weights, dtype=dtype)]
        conv, backward, double_backward = gpu.conv, gpu.conv_backward, gpu.conv_double_backward
    else:
        weights = [random_like(rows, num_hidden, dtype=dtype), random_like(num_hidden, table.num_weights, dtype=dtype)]
        conv, backward, double_backward = gpu.radial_conv, gpu.radial_conv_backward, gpu.radial_conv_double_backward
    inputs = [x, y, *weights]
    g = random_like(edges.num_dst * table.dim_out, dtype=dtype)
    directions = [torch.randn_like(tensor) for tensor in inputs]
    coefficients = table.edge_matrix_coefficients().to(x)

    variables = [tensor.clone().requires_grad_() for tensor in (g, *inputs)]
    _, x_, y_, *weights_ = variables
    w = weights_[0] if num_hidden is None else weights_[0] @ weights_[1]
    out = ops.tensor_product_conv(x_, y_, w, edges, dense, coefficients)
    if gap:  # which the reference does not know
        out = with_gap(out, dense, edges.num_dst, *gap)
    first = gradients(out, variables[1:], variables[0])
    second = gradients(sum((a * b).sum() for a, b in zip(first, directions, strict=True)), variables)

    assert_close([conv(*inputs, edges.sorted, table)], [out])
    assert_close(backward(g, *inputs, edges.sorted, table), first)
    matrix = {} if num_hidden is None else {"cW": directions.pop()}
    assert_close(double_backward(*directions, g, *inputs, edges.sorted, table, **matrix), second)


def gradients(value: Tensor, variables: list[Tensor], direction: Tensor | None = None) -> list[Tensor]:
    """Differentiable gradients; zero for what the value does not depend on."""
    if not value.requires_grad:
        return [torch.zeros_like(variable) for variable in variables]
    found = torch.autograd.grad(value, variables, direction, create_graph=True, allow_unused=True)
    return [torch.zeros_like(v) if f is None else f for v, f in zip(variables, found, strict=True)]


def assert_close(actual, expected) -> None:
    for one, other in zip(actual, expected, strict=True):
        other = other.detach()
        scale = max(1.0, float(other.abs().max())) if other.numel() else 1.0
        tolerance = {torch.float64: 1e-12, torch.float32: 1e-5}[one.dtype]
        torch.testing.assert_close(one, other, rtol=0, atol=tolerance * scale)


def test_radial_double_backward_without_a_direction_of_the_matrix():
    table, edges = full_table(*SMALL), edges_with_reverse()
    x, g = (random_like(5 * size, dtype=torch.float64) for size in (table.dim_in, table.dim_out))
    y, h = random_like(6, table.dim_sh, dtype=torch.float64), random_like(4, 5, dtype=torch.float64)
    matrix = random_like(5, table.num_weights, dtype=torch.float64)
    arguments = [*(torch.randn_like(tensor) for tensor in (x, y, h)), g, x, y, h, matrix, edges.sorted, table]
    expected = gpu.radial_conv_double_backward(*arguments, cW=torch.zeros_like(matrix))
    assert_close(gpu.radial_conv_double_backward(*arguments), expected)


def test_arguments_may_be_strided():
    edges, table = random_edges(5, 3, 2), full_table(*SMALL)
    x = random_like(edges.num_src * table.dim_in, 2, dtype=torch.float64)[:, 0]
    y = random_like(table.dim_sh, 5, dtype=torch.float64).T
    w = random_like(table.num_weights, 5, dtype=torch.float64).T
    expected = ops.tensor_product_conv(x, y, w, edges, table, table.edge_matrix_coefficients().to(x))
    assert_close([gpu.conv(x, y, w, edges.sorted, table)], [expected])


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("lmax", [0, 1, 3, 5])
def test_harmonics_and_their_derivatives_are_those_of_the_reference(lmax, dtype):
    vec = random_like(5, 3, dtype=dtype).requires_grad_()
    with torch.no_grad():
        vec[2] = 0
    g = random_like(5, (lmax + 1) ** 2, dtype=dtype).requires_grad_()
    a = random_like(5, 3, dtype=dtype)
    y = ops.solid_harmonics(vec, lmax)
    (gvec,) = gradients(y, [vec], g)
    second = gradients((a * gvec).sum(), [g, vec])
    v, g = vec.detach(), g.detach()
    assert_close([gpu.harmonics(v, lmax), gpu.harmonics_backward(g, v, lmax)], [y, gvec])
    assert_close(gpu.harmonics_double_backward(a, g, v, lmax), second)


def test_harmonics_of_no_edges():
    vec = random_like(0, 3, dtype=torch.float32)
    assert gpu.harmonics(vec, 2).shape == (0, 9)


@pytest.mark.parametrize("sizes", [(9, 2, 4), (0, 2, 4), PAIRS])
@pytest.mark.parametrize("num_columns", [1, 5, 33])
def test_segment_sum_and_gather(sizes, num_columns):
    edges = edges_with_reverse() if sizes is PAIRS else random_edges(*sizes)
    values = random_like(len(edges.dst), num_columns, dtype=torch.float64)
    assert_close([gpu.segment_sum(values, edges.sorted)], [ops.segment_sum(values, edges.dst, edges.num_dst)])
    nodes = random_like(edges.num_dst, num_columns, dtype=torch.float64)
    assert_close([gpu.gather(nodes, edges.sorted)], [nodes[edges.dst]])


@pytest.mark.parametrize(
    ("kind", "num_hidden"),
    [("receivers", None), ("senders", None), ("edges", None), ("receivers", 20), ("edges", 20), ("matrix", 20)],
)
def test_the_compiler_accepts_the_kernels(kind, num_hidden, monkeypatch, tmp_path):
    """Compiled to PTX for compute capability 8.0, which needs no GPU."""
    compiler = pytest.importorskip("triton.compiler")
    target = pytest.importorskip("triton.backends.compiler").GPUTarget("cuda", 80, 32)
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    source = conv_kernels.ConvSource(full_table([(1, 8)], [1], [1]), kind, True, num_hidden, True)
    function = namespace(kind, source.text())[kind]
    integers = conv_kernels._INTEGERS[kind]
    signature = {name: "*i32" if name in ("index", "order", "ptr") else "*fp64" for name in source.tensors}
    signature |= dict.fromkeys(integers, "i32")
    options = {"num_warps": source.num_warps, "enable_fp_fusion": True}
    compiled = compiler.compile(compiler.ASTSource(function, signature), target=target, options=options)
    assert f".visible .entry {kind}" in compiled.asm["ptx"]
    assert compiled.metadata.shared < 100_000  # what every GPU since compute capability 8.0 has
