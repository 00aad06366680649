import pytest
import torch

from eqgraph import nn
from eqgraph.o3 import Irreps


@pytest.fixture
def types() -> torch.Tensor:
    return torch.tensor([0, 2, 1, 1, 0, 2, 2, 0, 1, 0, 2, 2])


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("momentum", [0.1, 0.3])
def test_same_numbers_as_torch_geometric_for_scalars(types, affine, momentum):
    from torch_geometric.nn import HeteroBatchNorm

    # theirs clamps the variance, ours adds eps to it: the same for a tiny one
    ours = nn.HeteroBatchNorm("5x0e", 3, 1e-13, momentum, affine).double()
    theirs = HeteroBatchNorm(5, 3, 1e-13, momentum, affine).double()
    for parameter in theirs.parameters():
        torch.nn.init.normal_(parameter)
    ours.load_state_dict(theirs.state_dict())
    for _ in range(3):
        x = 2 + 3 * torch.randn(12, 5, dtype=torch.float64)
        torch.testing.assert_close(ours(x, types), theirs(x, types), rtol=1e-9, atol=1e-9)
    few = types.clamp(max=1)  # no nodes of type 2
    torch.testing.assert_close(ours(x, few), theirs(x, few), rtol=1e-9, atol=1e-9)
    for name in ("running_mean", "running_var"):
        torch.testing.assert_close(ours.get_buffer(name), theirs.get_buffer(name))
    torch.testing.assert_close(ours.eval()(x, types), theirs.eval()(x, types), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"momentum": None},
        {"affine": False},
        {"track_running_stats": False},
        {"include_bias": False, "normalization": "norm"},
        {"correction": 1, "eps": 1e-3},
    ],
)
def test_it_is_one_batch_norm_per_type(types, options):
    irreps = Irreps("3x0e + 2x1o + 1x0o + 1x0e")
    layer = nn.HeteroBatchNorm(irreps, 3, **options).double()
    singles = [nn.BatchNorm(irreps, **options).double() for _ in range(3)]
    for name, parameter in layer.named_parameters():
        torch.nn.init.normal_(parameter)
        for row, single in zip(parameter, singles, strict=True):
            single.get_parameter(name).data.copy_(row)
    for present in (types, types.clamp(max=1), types):  # type 2 is missing once, and its statistics wait
        x = 2 + irreps.randn(12, -1, dtype=torch.float64)
        a, b = x.clone().requires_grad_(), x.clone().requires_grad_()
        expected = torch.zeros_like(x)
        for number, single in enumerate(singles):
            here = torch.eq(present, number)
            expected = expected.index_add(0, here.nonzero().flatten(), single(b[here]))
        out = layer(a, present)
        torch.testing.assert_close(out, expected, rtol=1e-10, atol=1e-10)
        (first,) = torch.autograd.grad(out.pow(3).sum(), a, create_graph=True)
        (other,) = torch.autograd.grad(expected.pow(3).sum(), b, create_graph=True)
        torch.testing.assert_close(first, other, rtol=1e-9, atol=1e-9)
        first.sin().sum().backward()
        other.sin().sum().backward()
        torch.testing.assert_close(a.grad, b.grad, rtol=1e-8, atol=1e-8)
    for name, values in layer.named_buffers(recurse=False):
        for row, single in zip(values, singles, strict=True):
            torch.testing.assert_close(row.squeeze() if row.numel() == 1 else row, single.get_buffer(name))
    for name, parameter in layer.named_parameters():
        for row, single in zip(parameter.grad, singles, strict=True):
            torch.testing.assert_close(row, single.get_parameter(name).grad, rtol=1e-8, atol=1e-8)
    layer.eval()
    for number, single in enumerate(singles):
        here = torch.eq(types, number)
        if "track_running_stats" not in options:
            torch.testing.assert_close(layer(x[here], types[here]), single.eval()(x[here]), rtol=1e-10, atol=1e-10)


def test_a_large_mean_costs_few_digits(types):
    # torch_geometric takes the variance as a difference of large numbers, and gets it wrong by a factor here
    x = 3000 + torch.randn(12, 2)
    layer = nn.HeteroBatchNorm("2x0e", 3)
    exact = nn.HeteroBatchNorm("2x0e", 3).double()(x.double(), types)
    torch.testing.assert_close(layer(x, types).double(), exact, rtol=1e-3, atol=1e-3)


def test_a_type_that_has_one_node_gives_the_bias():
    layer = nn.HeteroBatchNorm("2x0e", 2)
    torch.nn.init.normal_(layer.bias)
    out = layer(torch.randn(3, 2), torch.tensor([0, 0, 1]))
    torch.testing.assert_close(out[2], layer.bias[1])
    assert (layer.running_var[1] == 0.9).all()


def test_reset_parameters(types):
    layer = nn.HeteroBatchNorm("2x0e + 1x1o", 3)
    torch.nn.init.normal_(layer.weight)
    layer(torch.randn(12, 5), types)
    assert (layer.num_batches_tracked == 1).all()
    layer.reset_parameters()
    assert (layer.weight == 1).all()
    assert (layer.running_mean == 0).all()
    assert (layer.num_batches_tracked == 0).all()


def test_what_does_not_fit_says_so():
    with pytest.raises(ValueError, match="expected at least one type, got num_types=0"):
        nn.HeteroBatchNorm("2x0e", 0)
    layer = nn.HeteroBatchNorm("2x0e + 1x1o", 3)
    assert str(layer) == "HeteroBatchNorm (2x0e+1x1o, num_types=3, eps=1e-05, momentum=0.1)"
    with pytest.raises(ValueError, match=r"expected type_vec to be 4 whole numbers.*got \(3,\)"):
        layer(torch.zeros(4, 5), torch.zeros(3, dtype=torch.int64))
    with pytest.raises(ValueError, match=r"expected type_vec.*torch.float32"):
        layer(torch.zeros(4, 5), torch.zeros(4))
