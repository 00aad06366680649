import pytest
import torch
import torch_geometric.nn as pyg
from torch.nn import functional as F

from eqgraph import nn
from eqgraph.o3 import Irreps

BATCH = torch.tensor([0, 2, 0, 1, 2, 2, 0, 1, 1, 0, 2])


def randomized(layer: torch.nn.Module) -> torch.nn.Module:
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter)
    return layer.double()


def assert_same(ours, theirs, parameters=(), their_parameters=()):
    """Values and gradients of two pairs (output, input)."""
    (y, x), (z, w) = ours, theirs
    torch.testing.assert_close(y, z, rtol=1e-10, atol=1e-10)
    seed = torch.randn_like(y)
    for a, b in zip(
        torch.autograd.grad(y, (x, *parameters), seed),
        torch.autograd.grad(z, (w, *their_parameters), seed),
        strict=True,
    ):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9)


def twice(*shape):
    x = 3 + 2 * torch.randn(*shape, dtype=torch.float64)
    return x.clone().requires_grad_(), x.clone().requires_grad_()


@pytest.mark.parametrize("scope", ["irrep", "separable", "merged"])
@pytest.mark.parametrize("normalization", ["component", "norm"])
@pytest.mark.parametrize("balance_degrees", [True, False])
def test_scalars_are_those_of_torch(scope, normalization, balance_degrees):
    layer = randomized(
        nn.LayerNorm("7x0e", scope=scope, normalization=normalization, balance_degrees=balance_degrees, eps=1e-3)
    )
    a, b = twice(11, 7)
    theirs = F.layer_norm(b, (7,), layer.weight, layer.bias, 1e-3)
    assert_same((layer(a), a), (theirs, b), layer.parameters(), layer.parameters())


def test_state_dict_is_that_of_torch():
    ours, theirs = nn.LayerNorm("7x0e").double(), randomized(torch.nn.LayerNorm(7))
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(5, 7, dtype=torch.float64)
    torch.testing.assert_close(ours(x), theirs(x))
    assert {*nn.LayerNorm("7x0e", bias=False).state_dict()} == {*torch.nn.LayerNorm(7, bias=False).state_dict()}
    assert not nn.LayerNorm("7x0e", elementwise_affine=False).state_dict()


def test_rms_norm_of_scalars_is_that_of_torch():
    layer = randomized(nn.RMSNorm("7x0e", eps=1e-3))
    a, b = twice(11, 7)
    assert_same((layer(a), a), (F.rms_norm(b, (7,), layer.weight, 1e-3), b), [layer.weight], [layer.weight])
    assert layer.bias is None


def test_more_rows_than_a_block_holds():
    """Blocks of rows one after another are all rows at once; gradients of both orders, too."""
    layer = randomized(nn.LayerNorm("600x0e", eps=1e-3))
    a, b = twice(1000, 600)
    theirs = F.layer_norm(b, (600,), layer.weight, layer.bias, 1e-3)
    assert_same((layer(a), a), (theirs, b), layer.parameters(), layer.parameters())
    for x in (a, b):
        y = layer(x) if x is a else F.layer_norm(x, (600,), layer.weight, layer.bias, 1e-3)
        (gradient,) = torch.autograd.grad(y.pow(3).sum(), x, create_graph=True)
        x.grad, _ = torch.autograd.grad(gradient.square().sum(), (x, layer.weight))
    torch.testing.assert_close(a.grad, b.grad, rtol=1e-8, atol=1e-8)
    layer.requires_grad_(False)
    x = torch.randn(1000, 600, dtype=torch.float64)
    torch.testing.assert_close(layer(x), F.layer_norm(x, (600,), layer.weight, layer.bias, 1e-3))


@pytest.mark.parametrize("mode", ["node", "graph"])
def test_scalars_are_those_of_pyg(mode):
    # Without a batch, PyG divides by std + eps in graph mode, where everything else has sqrt(var + eps): so with a batch.
    theirs = randomized(pyg.LayerNorm(5, mode=mode))
    ours = nn.LayerNorm("5x0e", mode=mode).double()
    ours.load_state_dict(theirs.state_dict())
    a, b = twice(len(BATCH), 5)
    assert_same((ours(a, BATCH), a), (theirs(b, BATCH), b), ours.parameters(), theirs.parameters())


def published(x, muls, scope, normalization, balance, eps, weights, bias, centering=True):
    """Layer norms of (nodes, C, 2l + 1) blocks for l = 0, 1, ..., from the formulas of Equiformer (V2): every l has C channels.

    Where several l are taken together, Equiformer's "norm" is a sum over l; here it is divided by their number.
    """
    parts, start = [], 0
    for l, mul in enumerate(muls):
        parts.append(x[:, start : start + mul * (2 * l + 1)].reshape(len(x), mul, 2 * l + 1))
        start += mul * (2 * l + 1)
    if centering:
        parts[0] = parts[0] - parts[0].mean(1, keepdim=True)
    sets = {
        "irrep": [[l] for l in range(len(muls))],
        "separable": [[0], [*range(1, len(muls))]],
        "merged": [[*range(len(muls))]],
    }
    out = []
    for together in sets[scope]:
        if not balance and normalization == "component":
            square = torch.cat([parts[l].flatten(1) for l in together], 1).square().mean(1)
        else:
            per_degree = [
                parts[l].square().sum(2) / (2 * l + 1 if normalization == "component" else 1) for l in together
            ]
            stacked = torch.cat(per_degree, 1) if not balance else torch.stack([q.mean(1) for q in per_degree], 1)
            square = stacked.mean(1)
        for l in together:
            out.append(parts[l] / (square + eps).sqrt()[:, None, None] * weights[l][:, None])
    out[0] = out[0] + bias[:, None]
    return torch.cat([part.flatten(1) for part in out], 1)


@pytest.mark.parametrize("scope", ["irrep", "separable", "merged"])
@pytest.mark.parametrize("normalization", ["component", "norm"])
@pytest.mark.parametrize("balance", [True, False])
@pytest.mark.parametrize("centering", [True, False])
@pytest.mark.parametrize("muls", [(4, 4, 4), (5, 2, 3)])
def test_published_equivariant_layer_norms(scope, normalization, balance, centering, muls):
    irreps = f"{muls[0]}x0e + {muls[1]}x1o + {muls[2]}x2e"
    layer = randomized(
        nn.LayerNorm(
            irreps, 1e-3, scope=scope, normalization=normalization, balance_degrees=balance, centering=centering
        )
    )
    a, b = twice(9, Irreps(irreps).dim)
    theirs = published(
        b, muls, scope, normalization, balance, 1e-3, layer.weight.split(list(muls)), layer.bias, centering
    )
    assert_same((layer(a), a), (theirs, b), layer.parameters(), layer.parameters())


@pytest.mark.parametrize("balance", [True, False])
def test_rms_norm_is_the_published_one(balance):
    layer = randomized(nn.RMSNorm("4x0e + 4x1o + 4x2e", 1e-3, balance_degrees=balance))
    a, b = twice(9, 36)
    zeros = torch.zeros(4, dtype=torch.float64)
    theirs = published(b, (4, 4, 4), "merged", "component", balance, 1e-3, layer.weight.split(4), zeros, False)
    assert_same((layer(a), a), (theirs, b), [layer.weight], [layer.weight])


@pytest.mark.parametrize("scope", ["irrep", "separable", "merged"])
def test_graph_mode_takes_means_over_nodes_too(scope):
    """One irrep of a graph's nodes in a row is the same as many irreps of one node."""
    layer = nn.LayerNorm("1x0e + 1x1o", scope=scope, mode="graph").double()
    wide = nn.LayerNorm("4x0e + 4x1o", scope=scope).double()
    x = torch.randn(3, 4, 4, dtype=torch.float64)
    rows = torch.cat([x[..., :1].flatten(1), x[..., 1:].flatten(1)], 1)
    expected = wide(rows)
    got = layer(x)
    torch.testing.assert_close(got[..., :1].flatten(1), expected[:, :4])
    torch.testing.assert_close(got[..., 1:].flatten(1), expected[:, 4:])


@pytest.mark.parametrize("scope", ["irrep", "separable", "merged"])
def test_a_single_scalar_is_its_own_mean(scope):
    with pytest.warns(UserWarning, match=r"expected several 0e to center, got one in '1x0e\+2x1o'"):
        layer = nn.LayerNorm("1x0e + 2x1o", scope=scope)
    assert (layer(torch.randn(4, 7))[:, 0] == 0).all()
    nn.LayerNorm("1x0e + 2x1o", scope=scope, centering=False)  # does not warn
    nn.LayerNorm("1x0e + 2x1o", scope=scope, mode="graph")


def test_only_node_mode_is_local():
    assert nn.LayerNorm("2x0e").is_local
    assert nn.RMSNorm("2x0e").is_local
    assert not nn.LayerNorm("2x0e", mode="graph").is_local


def test_small_dtypes_keep_their_counts():
    """Divisors are whole numbers of the layer, not parameters in half precision."""
    layer = nn.LayerNorm("700x0e + 300x1o", scope="merged", balance_degrees=False)
    x = torch.randn(3, 1600)
    torch.testing.assert_close(
        layer.bfloat16()(x), nn.LayerNorm(layer.irreps, scope="merged", balance_degrees=False)(x)
    )


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"scope": "all"}, "LayerNorm: expected scope to be one of"),
        ({"mode": "edge"}, "LayerNorm: expected mode to be one of"),
        ({"normalization": "l2"}, "LayerNorm: expected normalization to be one of"),
    ],
)
def test_unknown_choices_are_refused(kwargs, message):
    with pytest.raises(ValueError, match=message):
        nn.LayerNorm("2x0e", **kwargs)


def test_reset_parameters():
    layer = randomized(nn.LayerNorm("2x0e + 1x1o"))
    layer.reset_parameters()
    assert (layer.weight == 1).all()
    assert (layer.bias == 0).all()
