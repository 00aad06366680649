import pytest
import torch

from eqgraph import nn
from eqgraph.o3 import Irreps

BATCH = torch.tensor([0, 2, 0, 1, 2, 2, 0, 1, 1, 0, 2])


def randomized(layer: torch.nn.Module) -> torch.nn.Module:
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter)
    return layer.double()


def to_rows(images):
    """(B, C, H, W) -> (graphs, pixels, C)."""
    return images.flatten(2).transpose(1, 2)


def per_channel(parameter):
    return parameter.view(1, -1, 1, 1)


def instance_std(x, eps):
    return (x.var((2, 3), correction=0, keepdim=True) + eps).sqrt()


def group_std(x, groups, eps):
    batch, channels, height, width = x.shape
    grouped = x.reshape(batch, groups, channels // groups, height, width)
    std = (grouped.var((2, 3, 4), correction=0, keepdim=True) + eps).sqrt()
    return std.expand(grouped.shape).reshape(x.shape)


def evo_norm_b0(x, v, weight, bias, running_var, eps, momentum, training):
    """Liu et al. 2020, appendix A, and its running variance."""
    if training:
        variance = x.var((0, 2, 3), correction=0)
        number = x.numel() // x.shape[1]
        running_var.lerp_(variance.detach() * number / (number - 1), momentum)
    else:
        variance = running_var.clone()
    left = (per_channel(variance) + eps).sqrt()
    right = per_channel(v) * x + instance_std(x, eps)
    return x / torch.maximum(left, right) * per_channel(weight) + per_channel(bias)


def evo_norm_s0(x, v, weight, bias, groups, eps):
    """Liu et al. 2020, appendix A."""
    return x * (per_channel(v) * x).sigmoid() / group_std(x, groups, eps) * per_channel(weight) + per_channel(bias)


def assert_same_gradients(ours, a, theirs, b, parameters):
    seed = torch.randn_like(theirs)
    for mine, other in zip(
        torch.autograd.grad(ours, (a, *parameters), to_rows(seed)),
        torch.autograd.grad(theirs, (b, *parameters), seed),
        strict=True,
    ):
        torch.testing.assert_close(mine, other, rtol=1e-9, atol=1e-9)


def test_b0_of_scalars_is_that_of_the_paper():
    layer = randomized(nn.EvoNormB0("6x0e"))
    running_var = layer.running_var.clone()
    for step in range(4):
        training = step < 3
        layer.train(training)
        images = 1 + 2 * torch.randn(4, 6, 3, 5, dtype=torch.float64)
        a, b = images.clone().requires_grad_(), images.clone().requires_grad_()
        ours = layer(to_rows(a))
        theirs = evo_norm_b0(b, layer.v, layer.weight, layer.bias, running_var, 1e-3, 0.1, training)
        torch.testing.assert_close(ours, to_rows(theirs), rtol=1e-10, atol=1e-10)
        torch.testing.assert_close(layer.running_var, running_var, rtol=1e-10, atol=1e-10)
        assert_same_gradients(ours, a, theirs, b, [layer.v, layer.weight, layer.bias])
    assert layer.num_batches_tracked == 3


@pytest.mark.parametrize(("options", "groups"), [({"groups": 2}, 2), ({"group_size": 2}, 3), ({"groups": 6}, 6)])
def test_s0_of_scalars_is_that_of_the_paper(options, groups):
    layer = randomized(nn.EvoNormS0("6x0e", **options))
    images = 1 + 2 * torch.randn(4, 6, 3, 5, dtype=torch.float64)
    a, b = images.clone().requires_grad_(), images.clone().requires_grad_()
    ours = layer(to_rows(a))
    theirs = evo_norm_s0(b, layer.v, layer.weight, layer.bias, groups, 1e-5)
    torch.testing.assert_close(ours, to_rows(theirs), rtol=1e-10, atol=1e-10)
    assert_same_gradients(ours, a, theirs, b, [layer.v, layer.weight, layer.bias])


def test_s0_of_one_node_is_that_of_images_of_one_pixel():
    layer = randomized(nn.EvoNormS0("6x0e", 2, mode="node"))
    images = torch.randn(9, 6, 1, 1, dtype=torch.float64)
    theirs = evo_norm_s0(images, layer.v, layer.weight, layer.bias, 2, 1e-5)
    torch.testing.assert_close(layer(images.flatten(1)), theirs.flatten(1))


@pytest.mark.parametrize("kind", ["b0", "s0 graph", "s0 node"])
def test_vectors_by_a_loop(kind):
    """The equivariant form, written with norms of vectors one by one."""
    irreps = Irreps("2x1o + 4x0e + 2x1o")
    layer = nn.EvoNormB0(irreps) if kind == "b0" else nn.EvoNormS0(irreps, 2, mode=kind.split()[1])
    layer, x = randomized(layer), irreps.randn(len(BATCH), -1, dtype=torch.float64)
    y, eps = layer(x, BATCH), layer.eps
    columns = [slice(0, 3), slice(3, 6), slice(10, 13), slice(13, 16)]
    copies = [0, 1, 6, 7]  # of the parameters, in the given order
    power = torch.stack([x[:, c].square().mean(1) for c in columns], 1)
    for i, (c, copy) in enumerate(zip(columns, copies, strict=True)):
        size = (power[:, i] + eps).sqrt()
        group = slice(0, 2) if i < 2 else slice(2, 4)
        for node, graph in enumerate(BATCH):
            if kind == "b0":
                of_graph = power[graph == BATCH, i].mean()
                right = layer.v[copy] * size[node] + (of_graph + eps).sqrt()
                factor = 1 / torch.maximum((power[:, i].mean() + eps).sqrt(), right)
            else:
                nodes = graph == BATCH if kind == "s0 graph" else [node]
                factor = (layer.v[copy] * size[node]).sigmoid() / (power[nodes, group].mean() + eps).sqrt()
            torch.testing.assert_close(y[node, c], x[node, c] * factor * layer.weight[copy])


@pytest.mark.parametrize("build", [nn.EvoNormB0, lambda irreps, **options: nn.EvoNormS0(irreps, 2, **options)])
def test_without_act_there_are_weights_and_biases_alone(build):
    layer = randomized(build("2x0e + 2x1o", apply_act=False))
    assert {*layer.state_dict()} == {"weight", "bias"}
    x = torch.randn(5, 8, dtype=torch.float64)
    expected = x * layer.weight.repeat_interleave(torch.tensor([1, 1, 3, 3]))
    expected[:, :2] += layer.bias
    torch.testing.assert_close(layer(x), expected)
    assert layer.is_local
    assert layer.smooth
    x = torch.randn(5, 8)
    assert torch.equal(build("2x0e + 2x1o", apply_act=False, affine=False)(x), x)


def test_names_of_parameters_are_those_of_timm():
    names = {"weight", "bias", "v"}
    assert {*nn.EvoNormS0("32x0e").state_dict()} == names
    layer = nn.EvoNormB0("2x0e")
    assert {*layer.state_dict()} == {*names, "running_var", "num_batches_tracked"}
    theirs = {name: torch.rand(2) for name in (*names, "running_var")}  # which does not count
    layer.load_state_dict(theirs)
    assert torch.equal(layer.running_var, theirs["running_var"])


def test_a_single_node_teaches_nothing():
    layer = nn.EvoNormB0("2x0e + 1x1o")
    layer(torch.randn(1, 5))
    assert (layer.running_var == 1).all()
    assert layer.num_batches_tracked == 0


def test_variance_of_vectors_is_not_corrected():
    layer = nn.EvoNormB0("1x0e + 1x1o", momentum=1.0).double()
    x = torch.randn(6, 4, dtype=torch.float64)
    layer(x, torch.tensor([0, 0, 1, 1, 1, 2]))
    expected = torch.stack([x[:, 0].var(), x[:, 1:].square().mean()])
    torch.testing.assert_close(layer.running_var, expected)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, r"EvoNormS0: expected num_groups to divide .* which are \[4, 6\], got 32"),
        ({"group_size": 4}, r"EvoNormS0: expected group_size to divide .* which are \[4, 6\], got 4"),
        ({"groups": 2, "mode": "batch"}, "EvoNormS0: expected mode"),
    ],
)
def test_what_does_not_fit_is_an_error(options, message):
    with pytest.raises(ValueError, match=message):
        nn.EvoNormS0("4x0e + 6x1o", **options)


def test_what_they_are():
    assert not nn.EvoNormB0("2x0e").smooth
    assert nn.EvoNormB0("2x0e").couples_graphs
    assert nn.EvoNormS0("2x0e", 1).smooth
    assert nn.EvoNormS0("2x0e", 1, mode="node").is_local
    assert not nn.EvoNormS0("2x0e", 1).is_local


def test_reset_parameters():
    for layer in (nn.EvoNormB0("2x0e + 2x1o"), nn.EvoNormS0("2x0e + 2x1o", 2)):
        layer = randomized(layer)
        layer(torch.randn(6, 8, dtype=torch.float64))
        layer.reset_parameters()
        assert (layer.weight == 1).all()
        assert (layer.v == 1).all()
        assert (layer.bias == 0).all()
        assert all((buffer == 1).all() for name, buffer in layer.named_buffers() if name == "running_var")
