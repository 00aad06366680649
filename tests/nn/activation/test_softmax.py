import copy
import math
import pickle

import pytest
import torch
from torch_geometric.utils import softmax as pyg_softmax

from eqgraph import nn
from eqgraph.nn import EdgeLogSoftmax, EdgeSoftmax, NodeLogSoftmax, NodeSoftmax, PolynomialCutoff
from eqgraph.testing import assert_equivariant

INDEX = torch.tensor([3, 0, 3, 1, 0, 0, 3, 5])
"""Receivers in no order; 2 and 4 have no edges."""
NODES = 7


def logits(*heads, dtype=torch.float64):
    return 3 * torch.randn(len(INDEX), *heads, dtype=dtype)


ENVELOPE = torch.tensor([0.3, 0.0, 1.0, 0.2, 0.7, 0.9, 0.5, 0.0], dtype=torch.float64)


@pytest.mark.parametrize("heads", [(), (1,), (4,), (2, 3)])
def test_values_and_gradients_of_torch_geometric(heads):
    z = logits(*heads).requires_grad_()
    outs = EdgeSoftmax()(z, INDEX, NODES), pyg_softmax(z, INDEX, num_nodes=NODES)
    torch.testing.assert_close(*outs, rtol=1e-14, atol=1e-15)
    torch.testing.assert_close(*(torch.autograd.grad(a.square().sum(), z)[0] for a in outs), rtol=1e-12, atol=1e-13)
    assert torch.equal(NodeSoftmax()(z, INDEX, NODES), outs[0])
    assert torch.equal(EdgeSoftmax()(z, INDEX), outs[0])


def test_one_segment_is_the_softmax_of_torch():
    z = logits(4)
    torch.testing.assert_close(NodeSoftmax()(z), z.softmax(0))
    torch.testing.assert_close(NodeLogSoftmax()(z), z.log_softmax(0))
    torch.testing.assert_close(EdgeLogSoftmax()(z, 0 * INDEX), z.log_softmax(0))


def test_order_of_edges_does_not_matter():
    z, order = logits(2), torch.randperm(len(INDEX))
    for layer, more in ((EdgeSoftmax(), (ENVELOPE,)), (EdgeSoftmax(), ()), (EdgeLogSoftmax(), ())):
        expected = layer(z, INDEX, NODES, *more)[order]
        torch.testing.assert_close(layer(z[order], INDEX[order], NODES, *(c[order] for c in more)), expected)


def test_a_shift_of_all_logits_changes_nothing():
    z = logits(2)
    for layer in (EdgeSoftmax(), EdgeLogSoftmax(), NodeSoftmax(), NodeLogSoftmax()):
        torch.testing.assert_close(layer(z - 1e4, INDEX, NODES), layer(z, INDEX, NODES))
        assert layer(1e4 * z.float(), INDEX, NODES).isfinite().all()


def test_logarithm():
    z = logits(2).requires_grad_()
    for log, plain in ((EdgeLogSoftmax, EdgeSoftmax), (NodeLogSoftmax, NodeSoftmax)):
        outs = log(softcap=5.0)(z, INDEX, NODES), plain(softcap=5.0)(z, INDEX, NODES).log()
        torch.testing.assert_close(*outs)
        torch.testing.assert_close(*(torch.autograd.grad(a.square().sum(), z)[0] for a in outs))


def test_envelope_is_in_numerator_and_denominator():
    z = logits(2)
    for eps in (1e-16, 1.0):
        c = ENVELOPE.unsqueeze(1)
        sums = torch.zeros(NODES, 2, dtype=torch.float64).index_add(0, INDEX, c * z.exp())
        expected = c * z.exp() / (sums[INDEX] + eps)
        torch.testing.assert_close(EdgeSoftmax(eps=eps)(z, INDEX, NODES, ENVELOPE), expected)
    ones = torch.ones_like(ENVELOPE)
    torch.testing.assert_close(EdgeSoftmax()(z, INDEX, NODES, ones), EdgeSoftmax()(z, INDEX, NODES))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_an_edge_at_the_cutoff_with_a_large_logit_takes_no_digits_from_the_others(dtype):
    index, c = torch.tensor([0, 0, 0]), torch.tensor([1.0, 0.5, 0.0], dtype=dtype)
    z = torch.tensor([0.0, 0.0, 500.0], dtype=dtype, requires_grad=True)
    a = EdgeSoftmax()(z, index, 1, c)
    torch.testing.assert_close(a, torch.tensor([2 / 3, 1 / 3, 0], dtype=dtype))
    (gradient,) = torch.autograd.grad(a[0], z)
    torch.testing.assert_close(gradient, torch.tensor([2 / 9, -2 / 9, 0], dtype=dtype))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("value", [1e-30, 1e-38, 1e-42, 0.0])
def test_envelopes_as_small_as_numbers_go(dtype, value):
    c = torch.full((3,), value, dtype=dtype, requires_grad=True)
    z = torch.tensor([80.0, -80.0, 0.0], dtype=dtype, requires_grad=True)
    a = EdgeSoftmax()(z, torch.tensor([0, 0, 1]), 2, c)
    exact = (c.double() * z.double().exp()).tolist()
    expected = [exact[0] / (exact[0] + exact[1] + 1e-16), exact[1] / (exact[0] + exact[1] + 1e-16), exact[2] / 1e-16]
    torch.testing.assert_close(a, torch.tensor(expected, dtype=dtype), rtol=1e-4, atol=1e-30)
    assert all(gradient.isfinite().all() for gradient in torch.autograd.grad(a.sum(), (z, c)))


@pytest.mark.parametrize("softcap", [None, 4.0])
def test_derivatives_are_exact_to_second_order(softcap):
    z, c = logits(2).requires_grad_(), ENVELOPE.clone().requires_grad_()
    functions = [
        (lambda z: EdgeSoftmax(softcap)(z, INDEX, NODES), (z,)),
        (lambda z: EdgeLogSoftmax(softcap)(z, INDEX, NODES), (z,)),
        (lambda z: NodeSoftmax(softcap)(z, INDEX, NODES), (z,)),
        (lambda z: NodeLogSoftmax(softcap)(z, INDEX, NODES), (z,)),
        # a finite difference may not make an envelope negative
        (lambda z, c: EdgeSoftmax(softcap, eps=0.1)(z, INDEX, NODES, c.square()), (z, c)),
    ]
    for function, inputs in functions:
        assert torch.autograd.gradcheck(function, inputs)
        assert torch.autograd.gradgradcheck(function, inputs)
        zeros = tuple(torch.zeros_like(value).requires_grad_() for value in inputs)
        assert torch.autograd.gradcheck(function, zeros)
        assert torch.autograd.gradgradcheck(function, zeros)


def test_a_gradient_by_finite_differences_through_the_largest_logit():
    """The shift is the largest logit; it has no gradient, and misses none."""
    z, h = logits(), 1e-6
    largest = int(z[INDEX == 0].argmax())
    edge = int((INDEX == 0).nonzero()[largest])
    step = torch.zeros_like(z).index_fill(0, torch.tensor([edge]), h)
    layer = EdgeSoftmax(eps=0.5)
    x = z.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(layer(x, INDEX, NODES, ENVELOPE)[4], x)
    difference = (layer(z + step, INDEX, NODES, ENVELOPE) - layer(z - step, INDEX, NODES, ENVELOPE))[4] / (2 * h)
    torch.testing.assert_close(gradient[edge], difference, rtol=1e-6, atol=1e-9)


CUTOFF = 2.0


def attention(r, layer, neighbors, envelope):
    """Σ_e a_e v_e of one receiver whose last neighbor is at distance r; the neighbor list ends at the cutoff."""
    lengths = torch.cat([torch.tensor([0.9, 1.4][: neighbors - 1], dtype=torch.float64), r.reshape(1)])
    inside = lengths < CUTOFF
    values, z = torch.tensor([1.0, -0.5, 2.0], dtype=torch.float64)[-neighbors:][inside], torch.sin(3 * lengths)[inside]
    index = torch.zeros(int(inside.sum()), dtype=torch.int64)
    c = PolynomialCutoff(CUTOFF)(lengths[inside]) if envelope else None
    return (layer(z, index, 1, c) * values).sum()


def jumps(layer, neighbors, envelope, h=1e-5):
    """Of the value, the force and its derivative, across the cutoff."""
    sides = []
    for side in (-h, h):
        r = torch.tensor(CUTOFF + side, dtype=torch.float64, requires_grad=True)
        value = attention(r, layer, neighbors, envelope)
        first, second = torch.zeros(()), torch.zeros(())
        if value.requires_grad:
            (first,) = torch.autograd.grad(value, r, create_graph=True, materialize_grads=True)
            if first.requires_grad:
                (second,) = torch.autograd.grad(first, r, materialize_grads=True)
        sides.append([value.item(), first.item(), second.item()])
    return [abs(a - b) for a, b in zip(*sides, strict=True)]


def test_an_edge_that_leaves_at_the_cutoff():
    with_envelope, without = jumps(EdgeSoftmax(), 3, True), jumps(EdgeSoftmax(), 3, False)
    assert with_envelope[0] < 1e-12
    assert with_envelope[1] < 1e-7
    assert with_envelope[2] < 1e-2
    assert without[0] > 0.1  # discontinuous
    assert without[1] > 0.1
    finer = jumps(EdgeSoftmax(), 3, True, 1e-6)
    assert finer[2] < 0.2 * with_envelope[2]  # it shrinks with the distance from the cutoff


def test_the_last_edge_that_leaves_at_the_cutoff():
    smooth, steep, without = (
        jumps(layer, 1, envelope)
        for layer, envelope in ((EdgeSoftmax(eps=1.0), True), (EdgeSoftmax(), True), (EdgeSoftmax(), False))
    )
    assert smooth[0] < 1e-12
    assert smooth[1] < 1e-7
    assert steep[0] > 1  # smooth on a scale that no time step sees: hence eps = 1
    assert without[0] > 1


@pytest.mark.filterwarnings("ignore:Anomaly Detection")
def test_receivers_without_edges_and_graphs_without_nodes():
    for layer in (EdgeSoftmax(), EdgeLogSoftmax(), NodeSoftmax(), NodeLogSoftmax()):
        z = logits(2).requires_grad_()
        with torch.autograd.detect_anomaly(check_nan=True):
            out = layer(z, INDEX, NODES)
            (gradient,) = torch.autograd.grad(out.square().sum(), z)
        assert out.isfinite().all()
        assert gradient.isfinite().all()
        empty = torch.zeros(0, 2, requires_grad=True)
        for number in (0, 3, None):
            out = layer(empty, INDEX[:0], number)
            assert out.shape == (0, 2)
            out.sum().backward()
    out = EdgeSoftmax()(torch.zeros(0, 2), INDEX[:0], 3, ENVELOPE[:0])
    assert out.shape == (0, 2)


def test_masked_nodes_count_for_nothing():
    mask = torch.tensor([True, True, False, True, True, False, True, False])  # nothing is left of graph 5
    z = logits(2)
    z[~mask] = torch.nan  # padding may hold anything
    z.requires_grad_()
    out, log = NodeSoftmax()(z, INDEX, NODES, mask=mask), NodeLogSoftmax()(z, INDEX, NODES, mask=mask)
    torch.testing.assert_close(out[mask], NodeSoftmax()(z[mask], INDEX[mask], NODES))
    torch.testing.assert_close(log[mask], out[mask].log())
    assert (out[~mask] == 0).all()
    assert (log[~mask] == -torch.inf).all()
    (gradient,) = torch.autograd.grad(out.square().sum() + log[mask].square().sum(), z)
    assert gradient.isfinite().all()
    assert (gradient[~mask] == 0).all()


def test_softcap_bounds_the_logits():
    z = torch.tensor([1e6, -1e6, 0.1], dtype=torch.float64)
    log = NodeLogSoftmax(softcap=2.0)(z)
    assert abs(log[0] - log[1] - 4) < 1e-12
    torch.testing.assert_close(NodeSoftmax(softcap=1e6)(z / 1e6), NodeSoftmax()(z / 1e6))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision(dtype):
    z = logits(2).to(dtype)
    a = EdgeSoftmax()(z, INDEX, NODES, ENVELOPE.to(dtype))
    assert a.dtype == dtype
    expected = EdgeSoftmax()(z.double(), INDEX, NODES, ENVELOPE.to(dtype).double())
    torch.testing.assert_close(a.double(), expected, rtol=1e-2, atol=1e-6)
    assert EdgeSoftmax()(30 * z, INDEX, NODES).isfinite().all()


def test_weights_of_invariant_logits_keep_equivariance():
    def attend(z, v):
        a = EdgeSoftmax(softcap=10.0)(z, INDEX, NODES, ENVELOPE)
        return torch.zeros(NODES, 3, dtype=z.dtype).index_add(0, INDEX, a * v)

    assert_equivariant(attend, ["1x0e", "1x1o"], "1x1o", num_rows=len(INDEX))


def test_pickle():
    z = logits(2)
    calls = [
        (EdgeSoftmax(4.0), (INDEX, NODES, ENVELOPE)),
        (EdgeSoftmax(), (INDEX, NODES)),
        (EdgeLogSoftmax(), (INDEX, NODES)),
        (NodeSoftmax(), (INDEX, NODES)),
        (NodeLogSoftmax(4.0), ()),
    ]
    for layer, arguments in calls:
        expected = layer(z, *arguments)
        for other in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
            assert torch.equal(other(z, *arguments), expected)
    assert repr(EdgeSoftmax(4.0)) == "EdgeSoftmax(softcap=4.0, eps=1e-16)"
    assert repr(EdgeLogSoftmax()) == "EdgeLogSoftmax()"


@pytest.mark.parametrize("layer", ["EdgeSoftmax", "EdgeLogSoftmax", "NodeSoftmax", "NodeLogSoftmax"])
def test_what_does_not_fit_is_refused(layer):
    build = getattr(nn, layer)
    name = "index" if "Edge" in layer else "batch"
    with pytest.raises(ValueError, match=rf"{layer}: expected softcap > 0 or None, got 0"):
        build(softcap=0.0)
    with pytest.raises(ValueError, match=rf"{layer}: expected {name} to be 8 whole numbers.*got shape \(5,\)"):
        build()(logits(2), INDEX[:5], NODES)
    with pytest.raises(ValueError, match=rf"{layer}: expected {name} .*of torch.float32"):
        build()(logits(2), INDEX.float(), NODES)
    with pytest.raises(ValueError, match=rf"{layer}: expected floating-point logits.*torch.int64"):
        build()(INDEX, INDEX, NODES)


def test_what_does_not_fit_of_the_options_is_refused():
    with pytest.raises(ValueError, match=r"EdgeSoftmax: expected eps > 0, got 0"):
        EdgeSoftmax(eps=0.0)
    with pytest.raises(ValueError, match=r"EdgeSoftmax: expected an envelope of shape \(8,\).*got \(8, 2\)"):
        EdgeSoftmax()(logits(2), INDEX, NODES, torch.ones(8, 2))
    with pytest.raises(ValueError, match=r"NodeSoftmax: expected a mask .*\(8,\), got \(4,\)"):
        NodeSoftmax()(logits(2), INDEX, NODES, mask=torch.ones(4, dtype=torch.bool))


def test_the_limit_of_logits_that_count_is_log_eps():
    a = EdgeSoftmax()(torch.tensor([-60.0, -60.0]), torch.tensor([0, 0]), 1, torch.ones(2))
    assert math.log(1e-16) > -37
    assert a.max() < 1e-9
