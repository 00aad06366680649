import pytest
import torch

from eqgraph import nn
from eqgraph.o3 import Irreps

BATCH = torch.tensor([1, 0, 1, 1, 2, 0, 2, 2, 2, 0])


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("track", [True, False])
def test_same_numbers_as_torch_for_graphs_of_equal_size(affine, track):
    ours = nn.InstanceNorm("5x0e", 1e-4, 0.2, affine, track).double()
    theirs = torch.nn.InstanceNorm1d(5, 1e-4, 0.2, affine, track).double()
    for parameter in theirs.parameters():
        torch.nn.init.normal_(parameter)
    ours.load_state_dict(theirs.state_dict())
    order = torch.randperm(12)
    batch = (torch.arange(12) // 4)[order]
    for training in (True, True, True, False):
        ours.train(training)
        theirs.train(training)
        x = 2 + torch.randn(12, 5, dtype=torch.float64)
        a, b = x.clone().requires_grad_(), x.clone().requires_grad_()
        out, expected = ours(a[order], batch), theirs(b.unflatten(0, (3, 4)).mT).mT.flatten(0, 1)
        torch.testing.assert_close(out, expected[order], rtol=1e-10, atol=1e-10)
        out.pow(3).sum().backward()
        expected.pow(3).sum().backward()
        torch.testing.assert_close(a.grad, b.grad, rtol=1e-8, atol=1e-8)
    for (name, parameter), other in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        assert parameter.grad is not None, name
        torch.testing.assert_close(parameter.grad, other.grad, rtol=1e-8, atol=1e-8)
    theirs.load_state_dict(ours.state_dict())
    torch.testing.assert_close(ours(x.unflatten(0, (3, 4))).flatten(0, 1)[order], ours(x[order], batch))


@pytest.mark.parametrize("momentum", [0.1, 0.3])
def test_running_statistics_are_those_of_torch(momentum):
    ours = nn.InstanceNorm("5x0e", momentum=momentum, track_running_stats=True)
    theirs = torch.nn.InstanceNorm1d(5, momentum=momentum, track_running_stats=True)
    for _ in range(3):
        x = 2 + 3 * torch.randn(3, 4, 5)
        ours(x)
        theirs(x.mT)
    for name in ("running_mean", "running_var"):
        torch.testing.assert_close(ours.get_buffer(name), theirs.get_buffer(name))
    assert ours.num_batches_tracked == 3  # torch has this buffer and does not count: it stays 0


def test_without_momentum_statistics_are_averages():
    # torch never updates them
    layer = nn.InstanceNorm("2x0e", momentum=None, track_running_stats=True)
    batches = [torch.randn(3, 4, 2) for _ in range(3)]
    for x in batches:
        layer(x)
    torch.testing.assert_close(layer.running_mean, torch.stack([x.mean((0, 1)) for x in batches]).mean(0))
    torch.testing.assert_close(layer.running_var, torch.stack([x.var(1).mean(0) for x in batches]).mean(0))


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("track", [True, False])
def test_same_numbers_as_torch_geometric_for_ragged_graphs(affine, track):
    from torch_geometric.nn import InstanceNorm

    ours = nn.InstanceNorm("5x0e", 1e-4, 0.2, affine, track).double()
    theirs = InstanceNorm(5, 1e-4, 0.2, affine, track).double()
    for parameter in theirs.parameters():
        torch.nn.init.normal_(parameter)
    ours.load_state_dict(theirs.state_dict())
    for training in (True, True, False):
        ours.train(training)
        theirs.train(training)
        x = 2 + torch.randn(10, 5, dtype=torch.float64)
        with torch.no_grad():  # theirs would record gradients of its running statistics
            torch.testing.assert_close(ours(x, BATCH), theirs(x, BATCH), rtol=1e-10, atol=1e-10)
    if track:
        for name in ("running_mean", "running_var"):
            torch.testing.assert_close(ours.get_buffer(name), theirs.get_buffer(name))
    ours, theirs = (nn.InstanceNorm("5x0e", affine=affine).double(), InstanceNorm(5, affine=affine).double())
    a, b = x.clone().requires_grad_(), x.clone().requires_grad_()
    ours(a, BATCH).pow(3).sum().backward()
    theirs(b, BATCH).pow(3).sum().backward()
    torch.testing.assert_close(a.grad, b.grad, rtol=1e-8, atol=1e-8)


def test_empty_graphs_are_no_zeros_in_the_running_statistics():
    # torch_geometric counts them
    layers = [nn.InstanceNorm("2x0e + 1x1o", track_running_stats=True) for _ in range(2)]
    x = torch.randn(10, 5)
    layers[0](x, BATCH)
    layers[1](x, 2 * BATCH, 7)
    for name, buffer in layers[0].named_buffers():
        torch.testing.assert_close(layers[1].get_buffer(name), buffer)


@pytest.mark.parametrize("reduce", ["mean", "max"])
@pytest.mark.parametrize("normalization", ["component", "norm"])
def test_same_numbers_as_e3nn_with_instance(reduce, normalization):
    from e3nn.nn import BatchNorm

    irreps = Irreps("2x0e + 2x1o + 1x0o + 1x0e")
    ours = nn.InstanceNorm(irreps, affine=True, reduce=reduce, normalization=normalization).double()
    theirs = BatchNorm(str(irreps), instance=True, reduce=reduce, normalization=normalization).double()
    for parameter in theirs.parameters():
        torch.nn.init.normal_(parameter)
    ours.load_state_dict(theirs.state_dict())
    x = 1 + irreps.randn(3, 4, -1, dtype=torch.float64)
    torch.testing.assert_close(ours(x), theirs(x), rtol=1e-10, atol=1e-10)


def test_a_graph_with_one_node():
    layer = nn.InstanceNorm("2x0e + 1x1o", affine=True)
    torch.nn.init.normal_(layer.bias)
    x = torch.randn(1, 5)
    out = layer(x)
    torch.testing.assert_close(out[0, :2], layer.bias)
    torch.testing.assert_close(out[0, 2:].square().mean(), torch.tensor(1.0), rtol=1e-3, atol=0)


def test_all_irreps_may_be_centred():
    layer = nn.InstanceNorm("2x0e + 1x1o", center_nonscalars=True)
    out = layer(3 + torch.randn(10, 5), BATCH)
    for graph in range(3):
        torch.testing.assert_close(out[torch.eq(BATCH, graph)].mean(0), torch.zeros(5), rtol=0, atol=1e-5)
    with pytest.raises(ValueError, match="expected center_nonscalars=False with track_running_stats=True"):
        nn.InstanceNorm("2x0e", center_nonscalars=True, track_running_stats=True)


@pytest.mark.parametrize(
    ("kwargs", "message"), [({"reduce": "sum"}, "expected reduce"), ({"normalization": "l2"}, "expected normalization")]
)
def test_unknown_choices_are_refused(kwargs, message):
    with pytest.raises(ValueError, match=message):
        nn.InstanceNorm("0e", **kwargs)


def test_running_statistics_make_it_local():
    assert nn.InstanceNorm("2x0e", track_running_stats=True).is_local
    assert not nn.InstanceNorm("2x0e", track_running_stats=False).is_local
