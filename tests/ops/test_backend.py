import warnings

import pytest
import torch

from eqgraph import nn, ops
from eqgraph.models import NequIP, NequIPConfig
from eqgraph.ops import backend


def arguments(dtype=torch.float32):
    return (
        torch.randn(3, 8, dtype=dtype),
        torch.tensor([[0, 1], [1, 2]]),
        torch.randn(2, 4).to(dtype),
        torch.rand(2, 8).to(dtype),
    )


def test_report_names_the_backend_of_each_layer_and_why():
    network = NequIP(NequIPConfig(num_layers=2, num_features=4), 2, 5.0, 1.0)
    assert [row.backend for row in ops.report(network)] == ["none", "none"]
    edges = ops.Edges.of(torch.tensor([[0, 1], [1, 0]]), 2, 2)
    network(torch.tensor([0, 1]), torch.randn(2, 3), edges)
    rows = ops.report(network)
    assert [row.layer for row in rows] == ["layers.0.conv", "layers.1.conv"]
    assert {(row.kind, row.backend, row.reason) for row in rows} == {("TensorProductConv", "cpu", "float32 on cpu")}
    assert str(rows).splitlines()[1].split() == ["layers.0.conv", "TensorProductConv", "cpu", "float32", "on", "cpu"]


def test_backends_give_the_same_numbers():
    torch.manual_seed(0)
    layers = [nn.TensorProductConv("2x0e + 2x1o", "0e + 1o", backend=name) for name in ("cpu", "reference", "auto")]
    for layer in layers[1:]:
        layer.load_state_dict(layers[0].state_dict())
    args = arguments()
    out = [layer(*args) for layer in layers]
    assert [layer.ran.name for layer in layers] == ["cpu", "reference", "cpu"]
    torch.testing.assert_close(out[0], out[1])
    assert torch.equal(out[0], out[2])


def test_hooks_see_messages_and_report_says_so():
    layer = nn.TensorProductConv("2x0e + 2x1o", "0e + 1o")
    args = arguments()
    expected = layer(*args)
    seen = []
    layer.register_message_forward_hook(lambda module, inputs, output: seen.append(output))
    torch.testing.assert_close(layer(*args), expected)
    assert seen[0].shape == (2, layer.irreps_out.dim)
    assert layer.ran == ("reference", "an explainer or a hook watches the messages")


def test_a_backend_that_cannot_run_is_an_error():
    layer = nn.TensorProductConv("2x0e + 2x1o", "0e + 1o", backend="gpu")
    with pytest.raises(ValueError, match=r"Expected to run backend 'gpu', came: the tensors are on device 'cpu'"):
        layer(*arguments())
    with pytest.raises(ValueError, match=r"expected backend to be one of auto, reference, cpu, gpu, got 'cuda'"):
        nn.TensorProductConv("2x0e", "0e", backend="cuda")


def test_the_reference_is_fallen_back_on_with_one_warning():
    backend._warn.cache_clear()
    layer = nn.TensorProductConv("2x0e + 2x1o", "0e + 1o").bfloat16()
    args = arguments(torch.bfloat16)
    with pytest.warns(RuntimeWarning, match=r"kernels compute in float32 and float64, the features are bfloat16"):
        layer(*args)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        layer(*args)
    assert layer.ran.name == "reference"


def test_without_llvm_the_reference_runs(monkeypatch):
    backend._warn.cache_clear()
    monkeypatch.setitem(backend._INSTALLED, "llvmlite", False)
    with pytest.warns(RuntimeWarning, match=r"the package llvmlite is not installed"):
        assert ops.choose_backend("auto", torch.device("cpu"), torch.float32).name == "reference"
    with pytest.raises(ValueError, match=r"Expected to run backend 'cpu', came: the package llvmlite is not installed"):
        ops.choose_backend("cpu", torch.device("cpu"), torch.float32)


def test_large_weights_are_never_stored_and_the_numbers_are_the_same(monkeypatch):
    layer = nn.TensorProductConv("2x0e + 2x1o", "0e + 1o")
    args = [t.requires_grad_() if t.is_floating_point() else t for t in arguments()]
    stored = layer(*args)
    monkeypatch.setattr("eqgraph.nn.conv.tensor_product_conv._MAX_STORED_WEIGHTS", 0)
    calls = []
    monkeypatch.setattr(ops, "radial_conv", lambda *given, run=ops.radial_conv: calls.append(given) or run(*given))
    radial = layer(*args)
    assert len(calls) == 1
    torch.testing.assert_close(radial, stored)
    weights = list(layer.parameters())
    for ours, theirs in zip(
        torch.autograd.grad(radial.square().sum(), weights),
        torch.autograd.grad(stored.square().sum(), weights),
        strict=True,
    ):
        torch.testing.assert_close(ours, theirs)
