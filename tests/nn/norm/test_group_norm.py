import pytest
import torch
from torch.nn import functional as F

from eqgraph import nn
from eqgraph.nn.norm.groups import Groups

BATCH = torch.tensor([0, 2, 0, 1, 2, 2, 0, 1, 1, 0, 2])


def randomized(layer: torch.nn.Module) -> torch.nn.Module:
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter)
    return layer.double()


@pytest.mark.parametrize("groups", [1, 2, 3, 6])
def test_scalars_are_those_of_torch(groups):
    layer = randomized(nn.GroupNorm("6x0e", groups, eps=1e-3))
    images = 2 + torch.randn(4, 6, 3, 5, dtype=torch.float64)
    a, b = images.clone().requires_grad_(), images.clone().requires_grad_()
    rows = a.flatten(2).transpose(1, 2)  # (graphs, pixels, channels)
    ours = layer(rows).transpose(1, 2).reshape(images.shape)
    theirs = F.group_norm(b, groups, layer.weight, layer.bias, 1e-3)
    torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-10)
    seed = torch.randn_like(ours)
    for mine, other in zip(
        torch.autograd.grad(ours, (a, *layer.parameters()), seed),
        torch.autograd.grad(theirs, (b, *layer.parameters()), seed),
        strict=True,
    ):
        torch.testing.assert_close(mine, other, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_scalars_of_a_node_are_those_of_torch(groups):
    layer = randomized(nn.GroupNorm("4x0e", groups, mode="node"))
    x = torch.randn(9, 4, dtype=torch.float64)
    torch.testing.assert_close(layer(x), F.group_norm(x, groups, layer.weight, layer.bias), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("mode", ["node", "graph"])
def test_one_group_is_layer_norm(mode):
    irreps = "3x0e + 2x1o + 2x0e + 1x2e"
    ours, theirs = nn.GroupNorm(irreps, 1, mode=mode), nn.LayerNorm(irreps, mode=mode)
    x = ours.irreps.randn(len(BATCH), -1)
    torch.testing.assert_close(ours(x, BATCH), theirs(x, BATCH))


def test_as_many_groups_as_irreps_is_instance_norm():
    irreps = "2x0e + 2x1o + 2x2e"
    x = nn.GroupNorm(irreps, 2).irreps.randn(len(BATCH), -1)
    torch.testing.assert_close(nn.GroupNorm(irreps, 2, affine=False)(x, BATCH), nn.InstanceNorm(irreps)(x, BATCH))


def test_groups_are_those_of_a_type_whatever_the_entries():
    """Copies 0, 1 of the vectors are a group, and 2, 3, though they stand in entries of one and three."""
    layer = nn.GroupNorm("1x1o + 2x0e + 3x1o", 2, affine=False, eps=0.0, mode="node").double()
    x = torch.randn(7, 14, dtype=torch.float64)
    y = layer(x)
    vectors = torch.cat([y[:, :3], y[:, 5:]], 1).reshape(7, 2, 6)
    torch.testing.assert_close(vectors.square().mean(2), torch.ones(7, 2, dtype=torch.float64))


def test_groups_that_do_not_divide_are_an_error():
    with pytest.raises(ValueError, match=r"num_groups to divide .* '4x0e\+6x1o', which are \[4, 6\], got 4"):
        nn.GroupNorm("4x0e + 6x1o", 4)
    with pytest.raises(ValueError, match="got 0"):
        nn.GroupNorm("4x0e", 0)
    with pytest.raises(ValueError, match="GroupNorm: expected mode"):
        nn.GroupNorm("4x0e", 2, mode="batch")


def test_only_node_mode_is_local():
    assert nn.GroupNorm("2x0e", 1, mode="node").is_local
    assert not nn.GroupNorm("2x0e", 1).is_local


def test_bias_and_weights_are_optional():
    assert nn.GroupNorm("2x0e", 1, bias=False).bias is None
    assert not nn.GroupNorm("2x0e", 1, affine=False).state_dict()


@pytest.mark.parametrize("normalization", ["component", "norm"])
@pytest.mark.parametrize("irreps", ["2x1o + 4x0e + 2x1o", "4x0e + 4x1o"])  # vectors apart, and next to each other
def test_sums_over_groups(irreps, normalization):
    groups = Groups(irreps, [2, 2], normalization).double()
    x = torch.randn(5, 16, dtype=torch.float64)
    is_scalar = torch.zeros(16, dtype=torch.bool)
    is_scalar[6:10] = irreps.startswith("2x1o")
    is_scalar[:4] = not irreps.startswith("2x1o")
    vectors, scalars = x[:, ~is_scalar].reshape(5, 2, 2, 3), x[:, is_scalar].reshape(5, 2, 2)
    mean = torch.zeros_like(x)
    mean[:, is_scalar] = scalars.mean(2, keepdim=True).expand(5, 2, 2).reshape(5, 4)
    torch.testing.assert_close(groups.mean(x), mean)
    torch.testing.assert_close(groups.centred(x), x - mean)
    power = vectors.square().sum(3).mean(2) / (3 if normalization == "component" else 1)
    torch.testing.assert_close(groups.mean_square(x.square()), torch.cat([scalars.square().mean(2), power], 1))
    columns = groups.to_columns(torch.tensor([[1.0, 2.0, 3.0, 4.0]], dtype=torch.float64))[0]
    assert columns[is_scalar].tolist() == [1, 1, 2, 2]
    assert columns[~is_scalar].tolist() == [3] * 6 + [4] * 6


@pytest.mark.parametrize("irreps", ["2x1o + 4x0e + 2x1o", "4x0e + 4x1o"])
@pytest.mark.parametrize("together", [None, [0, 0]])
def test_gradients_of_sums_over_groups_are_their_transposes(irreps, together):
    groups = Groups(irreps, [1, 1], together=together, balance=False)
    x = torch.randn(5, 16, dtype=torch.float64, requires_grad=True)
    out = groups.mean_square(x)
    g = torch.randn_like(out)
    torch.testing.assert_close(groups.mean_square_gradient(g), torch.autograd.grad(out, x, g)[0])
    statistics = torch.randn_like(g, requires_grad=True)
    out = groups.to_columns(statistics)
    g = torch.randn_like(out)
    torch.testing.assert_close(groups.to_columns_gradient(g), torch.autograd.grad(out, statistics, g)[0])
