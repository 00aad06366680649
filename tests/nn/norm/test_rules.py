"""What every normalization, dropout and nonlinearity of nodes promises."""

import copy
import io
import pickle
import subprocess
import sys

import pytest
import torch
from nn.norm.cases import CASES, Case

from eqgraph import nn
from eqgraph.o3 import Irreps, rand_matrix

cases = pytest.mark.parametrize("case", CASES.values(), ids=CASES)
modes = pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])


def built(case: Case, training: bool = True, irreps: str | None = None, randomized: bool = True) -> torch.nn.Module:
    """A layer in float64 whose parameters are not those of its start, and which has seen a batch if it remembers any."""
    torch.manual_seed(0)
    layer = case.build(irreps or case.irreps).double()
    if randomized:
        for parameter in layer.parameters():
            parameter.data.add_(0.3 * torch.randn_like(parameter))
    x, batch = features(case, 9), torch.arange(9) // 3
    with torch.no_grad():
        run(layer, case, x, batch, 3)
    return layer.train(training)


def features(case: Case, nodes: int, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return 1.5 * Irreps(case.irreps).randn(nodes, -1, dtype=dtype) + 0.5 * is_scalar(case).to(dtype)


def is_scalar(case: Case) -> torch.Tensor:
    """(dim,) whether a column is a 0e."""
    return torch.tensor([ir.is_scalar() for mul, ir in Irreps(case.irreps) for _ in range(mul * ir.dim)])


def run(layer, case, x, batch=None, batch_size=None, mask=None, order=None):
    """One call under one seed."""
    torch.manual_seed(1)
    arguments = case.arguments(len(x), x.dtype)
    if order is not None:
        arguments = tuple(argument[order] for argument in arguments)
    return layer(x, *arguments, batch=batch, batch_size=batch_size, mask=mask)


GRAPHS = torch.tensor([0, 2, 0, 1, 2, 2, 0, 1, 1, 0, 2])
"""Three graphs, nodes in no order."""


@cases
@modes
def test_each_graph_may_be_turned_on_its_own(case, training):
    layer, x = built(case, training), features(case, len(GRAPHS))
    turns = torch.stack([Irreps(case.irreps).D_from_matrix(-rand_matrix(dtype=torch.float64)) for _ in range(3)])
    turn = turns[GRAPHS]
    other = copy.deepcopy(layer)
    turned_first = run(layer, case, torch.einsum("nij,nj->ni", turn, x), GRAPHS, 3)
    turned_last = torch.einsum("nij,nj->ni", turn, run(other, case, x, GRAPHS, 3))
    torch.testing.assert_close(
        turned_first, turned_last, rtol=0, atol=1e-12 * turned_last.abs().max().clamp(min=1).item()
    )


@cases
@modes
def test_the_order_of_nodes_does_not_matter(case, training):
    if case.random:
        pytest.skip("every node draws its own numbers")
    layer, x, order = built(case, training), features(case, len(GRAPHS)), torch.randperm(len(GRAPHS))
    other = copy.deepcopy(layer)
    permuted = layer_run_permuted(other, case, x, order)
    torch.testing.assert_close(permuted, run(layer, case, x, GRAPHS, 3)[order], rtol=1e-12, atol=1e-12)


def layer_run_permuted(layer, case, x, order):
    torch.manual_seed(1)
    arguments = tuple(argument[order] for argument in case.arguments(len(x), x.dtype))
    return layer(x[order], *arguments, batch=GRAPHS[order], batch_size=3, mask=None)


@cases
@modes
def test_a_graph_alone_is_the_graph_in_a_batch(case, training):
    layer, x = built(case, training), features(case, len(GRAPHS))
    if case.random or (layer.couples_graphs and training):
        pytest.skip("not promised in training")
    if layer.couples_graphs and not getattr(layer, "track_running_stats", True):
        pytest.skip("statistics of the batch in evaluation, too")
    together = run(copy.deepcopy(layer), case, x, GRAPHS, 3)
    for graph in range(3):
        chosen = torch.eq(GRAPHS, graph)
        arguments = tuple(argument[chosen] for argument in case.arguments(len(x), x.dtype))
        alone = copy.deepcopy(layer)(
            x[chosen], *arguments, batch=torch.zeros(int(chosen.sum()), dtype=torch.int64), batch_size=1
        )
        torch.testing.assert_close(alone, together[chosen], rtol=1e-12, atol=1e-12)
        if layer.is_local and not (training and getattr(layer, "track_running_stats", False)):
            for node in chosen.nonzero().flatten():
                arguments = tuple(argument[node : node + 1] for argument in case.arguments(len(x), x.dtype))
                torch.testing.assert_close(
                    layer(x[node : node + 1], *arguments)[0], together[node], rtol=1e-12, atol=1e-12
                )


@cases
@modes
def test_masked_rows_contribute_nothing_and_come_out_zero(case, training):
    if case.random:
        pytest.skip("masked rows draw numbers, too")
    layer, x = built(case, training), features(case, len(GRAPHS))
    mask = torch.tensor([True, True, False, True, True, True, True, False, True, True, True])
    x[~mask] = torch.nan  # padding may hold anything
    x.requires_grad_()
    other = copy.deepcopy(layer)
    out = run(layer, case, x, GRAPHS, 3, mask)
    arguments = tuple(argument[mask] for argument in case.arguments(len(x), x.dtype))
    expected = other(x[mask].detach(), *arguments, batch=GRAPHS[mask], batch_size=3)
    torch.testing.assert_close(out[mask], expected, rtol=1e-12, atol=1e-12)
    assert (out[~mask] == 0).all()
    for (name, buffer), (_, theirs) in zip(layer.named_buffers(), other.named_buffers(), strict=True):
        torch.testing.assert_close(buffer, theirs, msg=lambda text, name=name: f"{name}: {text}")
    (gradient,) = torch.autograd.grad(out.square().sum(), x)
    assert gradient.isfinite().all()
    assert (gradient[~mask] == 0).all()


@cases
@modes
def test_no_nodes_teach_nothing(case, training):
    layer = built(case, training)
    before = copy.deepcopy(layer.state_dict())
    x = torch.zeros(0, Irreps(case.irreps).dim, dtype=torch.float64, requires_grad=True)
    for graphs in (1, 3):
        out = run(layer, case, x, torch.zeros(0, dtype=torch.int64), graphs)
        assert out.shape == x.shape
        out.sum().backward()
    for parameter in layer.parameters():  # a process without nodes has gradients, too: others wait for them
        assert not parameter.requires_grad or torch.equal(parameter.grad, torch.zeros_like(parameter))
    assert all(torch.equal(value, before[name]) for name, value in layer.state_dict().items())


@cases
@modes
def test_empty_graphs_change_nothing(case, training):
    layer, x = built(case, training), features(case, len(GRAPHS))
    other = copy.deepcopy(layer)
    out, more = run(layer, case, x, GRAPHS, 3), run(other, case, x, 2 * GRAPHS + 1, 8)
    if not case.random:
        torch.testing.assert_close(more, out, rtol=1e-12, atol=1e-12)
    assert more.isfinite().all()
    for buffer, theirs in zip(layer.buffers(), other.buffers(), strict=True):
        torch.testing.assert_close(buffer, theirs)


@cases
@modes
def test_a_single_node(case, training):
    layer, x = built(case, training), features(case, 1)
    if training and case.single_node:
        with pytest.raises(ValueError, match=case.single_node):
            run(layer, case, x)
    else:
        assert run(layer, case, x).isfinite().all()


@cases
@modes
def test_derivatives_are_exact_to_second_order_also_at_zero(case, training):
    if not case.gradients:
        pytest.skip("not smooth")
    layer = built(case, training)
    batch = torch.tensor([0, 0, 1, 1, 1])
    x = features(case, 5)
    if layer.smooth:
        x[0], x[3] = 0, 0

    def function(x, *parameters):
        torch.manual_seed(1)
        fresh = copy.deepcopy(layer)  # running statistics must not move between calls
        chosen = dict(zip(names, parameters, strict=True))
        return torch.func.functional_call(
            fresh, chosen, (x, *case.arguments(5, x.dtype)), {"batch": batch, "batch_size": 2}
        )

    names = [name for name, _ in layer.named_parameters()]
    inputs = (x.requires_grad_(), *(parameter.detach().requires_grad_() for parameter in layer.parameters()))
    assert torch.autograd.gradcheck(function, inputs, fast_mode=True, atol=1e-4)
    assert torch.autograd.gradgradcheck(function, inputs, fast_mode=True, atol=1e-3)


@cases
def test_nothing_at_all_is_no_problem(case):
    layer = built(case).float()
    x = torch.zeros(4, Irreps(case.irreps).dim, requires_grad=True)
    out = run(layer, case, x, torch.tensor([0, 0, 1, 1]), 2)
    (gradient,) = torch.autograd.grad(out.sum(), x)
    assert out.isfinite().all()
    assert gradient.isfinite().all()


@cases
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision(case, dtype):
    layer = built(case).float()
    x = features(case, len(GRAPHS), torch.float32).to(dtype)
    full, half = (
        run(copy.deepcopy(layer), case, x.float(), GRAPHS, 3),
        run(copy.deepcopy(layer).to(dtype), case, x, GRAPHS, 3),
    )
    assert half.dtype == dtype
    if case.half:
        torch.testing.assert_close(half.float(), full, rtol=2e-2, atol=2e-2)
    layer = layer.to(dtype)
    run(layer, case, (1e4 * torch.sign(x)).to(dtype), GRAPHS, 3)
    assert all(buffer.isfinite().all() for buffer in layer.buffers())


@cases
def test_a_large_mean_costs_few_digits(case):
    layer = built(case, randomized=False)
    x = features(case, 200)
    x = x / x.std() + 3000 * is_scalar(case)
    batch = torch.arange(200) // 50
    exact = run(copy.deepcopy(layer), case, x, batch, 4)
    single = run(layer.float(), case, x.float(), batch, 4)
    torch.testing.assert_close(single.double(), exact, rtol=1e-3, atol=1e-3 * exact.abs().max().item())


@cases
def test_copies_and_files_of_a_trained_layer_are_the_same_layer(case):
    layer, x = built(case, training=False), features(case, len(GRAPHS))
    expected = run(layer, case, x, GRAPHS, 3)
    fresh = case.build(case.irreps).double().eval()
    fresh.load_state_dict(layer.state_dict())
    file = io.BytesIO()
    torch.save(layer.state_dict(), file)
    for other in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer)), fresh):
        assert torch.equal(run(other, case, x, GRAPHS, 3), expected)
    assert not any(buffer.requires_grad for buffer in layer.buffers())


COMPILE = """
import copy, sys, torch
from nn.norm.test_rules import CASES, GRAPHS, built, features, run
for name, case in CASES.items():
    for training in (True, False):
        torch.compiler.reset()
        layer, x = built(case, training), features(case, len(GRAPHS))
        compiled = torch.compile(copy.deepcopy(layer), fullgraph=True, backend="eager")
        expected = run(layer, case, x, GRAPHS, 3)
        try:
            got = run(compiled, case, x, GRAPHS, 3)
            torch.testing.assert_close(got, expected)
        except Exception as error:
            print(f"{name}, training={training}: {error}", file=sys.stderr)
"""


def test_torch_compile_without_a_break(pytestconfig):
    # in a process of its own: the annotation checker of the tests cannot be traced
    path = f"import sys; sys.path.insert(0, {str(pytestconfig.rootpath / 'tests')!r})\n"
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", path + COMPILE], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert not [line for line in done.stderr.splitlines() if not line.startswith("eqgraph: compiled ")]


@cases
@modes
def test_how_equal_irreps_are_split_and_ordered_changes_nothing(case, training):
    if not case.splits or case.random:
        pytest.skip("not promised")
    irreps = Irreps(case.irreps)
    sorted_ = irreps.sort()
    merged = str(sorted_.irreps.simplify())
    columns = [list(range(part.start, part.stop)) for part in irreps.slices()]
    order = torch.tensor([column for entry in sorted_.inv for column in columns[entry]])
    x = features(case, len(GRAPHS))
    outs = []
    for layer, inputs in ((case.build(case.irreps), x), (case.build(merged), x[:, order])):
        run(layer.double(), case, inputs, GRAPHS, 3)
        outs.append(run(layer.train(training), case, inputs, GRAPHS, 3))
    torch.testing.assert_close(outs[1], outs[0][:, order], rtol=1e-12, atol=1e-12)


@cases
def test_what_does_not_fit_is_an_error_with_the_numbers(case):
    layer, dim = built(case), Irreps(case.irreps).dim
    name = type(layer).__name__
    x = features(case, 4)
    with pytest.raises(ValueError, match=rf"{name}: expected .*{dim}.*got \(4, {dim + 1}\)"):
        run(layer, case, torch.zeros(4, dim + 1, dtype=torch.float64))
    with pytest.raises(ValueError, match=rf"{name}: expected batch .*4.*got \(3,\)"):
        run(layer, case, x, torch.zeros(3, dtype=torch.int64))
    with pytest.raises(ValueError, match=rf"{name}: expected batch in 0 \.\.\. 1, got 0 \.\.\. 2"):
        run(layer, case, x, torch.tensor([0, 1, 2, 1]), 2)
    with pytest.raises(ValueError, match=rf"{name}: expected a mask .*\(4,\).*got \(5,\)"):
        run(layer, case, x, mask=torch.ones(5, dtype=torch.bool))


@cases
def test_the_input_is_left_alone(case):
    layer, x = built(case), features(case, len(GRAPHS))
    kept = x.clone()
    run(layer, case, x, GRAPHS, 3)
    assert torch.equal(x, kept)


@pytest.mark.parametrize("irreps", ["", "0x0e"])
def test_no_irreps_at_all(irreps):
    assert nn.BatchNorm(irreps)(torch.zeros(4, 0)).shape == (4, 0)


def test_every_class_has_a_case():
    family = {*nn.norm.__all__, *getattr(nn, "dropout", nn.norm).__all__}
    classes = {
        name
        for name in family
        if isinstance(getattr(nn, name), type)
        and issubclass(getattr(nn, name), torch.nn.Module)
        and "Lazy" not in name
        and name != "Norm"
    }
    assert classes <= {name.split()[0] for name in CASES}, classes - {name.split()[0] for name in CASES}
