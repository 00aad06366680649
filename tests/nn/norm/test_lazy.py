import copy
import io
import pickle

import pytest
import torch

from eqgraph import nn

CLASSES = [(nn.LazyBatchNorm, nn.BatchNorm), (nn.LazyInstanceNorm, nn.InstanceNorm)]
classes = pytest.mark.parametrize(("lazy", "concrete"), CLASSES)
OPTIONS = {"affine": True, "track_running_stats": True}


@classes
@pytest.mark.parametrize("options", [{}, OPTIONS, {"affine": False, "track_running_stats": False}])
@pytest.mark.parametrize(("template", "irreps"), [("2x0e + 1x1o", "6x0e + 3x1o"), (None, "15x0e"), ("1x0o", "15x0o")])
def test_the_first_batch_makes_it_concrete(lazy, concrete, options, template, irreps):
    layer, expected = lazy(template, **options), concrete(irreps, **options)
    x = 1 + torch.randn(6, 15)
    for training in (True, True, False):
        layer.train(training)
        expected.train(training)
        torch.testing.assert_close(layer(x), expected(x))
        assert type(layer) is concrete
    assert layer.irreps == expected.irreps
    assert repr(layer) == repr(expected)
    assert layer.state_dict().keys() == expected.state_dict().keys()
    for name, value in expected.state_dict().items():
        torch.testing.assert_close(layer.state_dict()[name], value)
    with pytest.raises(ValueError, match=rf"{concrete.__name__}: expected input of shape \(nodes, 15\)"):
        layer(torch.zeros(6, 10))


@classes
def test_the_width_must_be_a_multiple_of_the_template(lazy, concrete):
    layer = lazy("2x0e + 1x1o")
    for width in (7, 0):
        with pytest.raises(
            ValueError, match=rf"{lazy.__name__}: expected .* multiple of 5 .*2x0e\+1x1o.*\(3, {width}\)"
        ):
            layer(torch.zeros(3, width))
    assert type(layer) is lazy
    assert layer(torch.zeros(3, 10)).shape == (3, 10)
    with pytest.raises(ValueError, match="expected a template of at least one irrep"):
        lazy("")


@classes
@pytest.mark.parametrize("options", [OPTIONS, {"affine": False, "track_running_stats": True}])
def test_a_state_dict_makes_it_concrete(lazy, concrete, options):
    saved = concrete("6x0e + 3x1o", **options)
    for parameter in saved.parameters():
        torch.nn.init.normal_(parameter)
    saved(torch.randn(6, 15))
    model = torch.nn.Sequential(lazy("2x0e + 1x1o", **options))
    model.load_state_dict(torch.nn.Sequential(saved).state_dict())
    layer = model[0].eval()
    assert not layer.has_uninitialized_params()
    assert layer.irreps == saved.irreps
    x = torch.randn(6, 15)
    assert torch.equal(layer(x), saved.eval()(x))
    assert type(layer) is concrete
    with pytest.raises(
        ValueError, match=r"expected the size of .* to be a multiple of 2 for the template '1x0e\+1x1o', got 9"
    ):
        lazy("1x0e + 1x1o", **options).load_state_dict(saved.state_dict())


@classes
def test_before_its_first_batch_it_can_be_moved_copied_and_saved(lazy, concrete):
    layer = lazy("2x0e + 1x1o", **OPTIONS).double()
    assert repr(layer) == f"{lazy.__name__} (k × (2x0e+1x1o), eps=1e-05, momentum=0.1)"
    layer.reset_parameters()
    file = io.BytesIO()
    torch.save(layer.state_dict(), file)
    other = lazy("2x0e + 1x1o", **OPTIONS)
    other.load_state_dict(layer.state_dict())
    assert type(other) is lazy
    x = torch.randn(6, 10, dtype=torch.float64)
    for copied in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer)), layer):
        assert copied(x).shape == x.shape
        assert type(copied) is concrete
    assert layer.weight.dtype == torch.float64
    assert layer.running_var.dtype == torch.float64


@classes
def test_statistics_stay_in_float32_in_half_precision(lazy, concrete):
    layer = lazy(**OPTIONS).half()
    x = torch.randn(6, 4).half()
    assert layer(x).dtype == torch.float16
    assert layer.weight.dtype == torch.float16
    assert layer.running_var.dtype == torch.float32


@classes
def test_an_optimizer_may_be_made_before(lazy, concrete):
    layer = lazy(**OPTIONS)
    optimizer = torch.optim.SGD(layer.parameters(), 0.1)
    layer(torch.randn(6, 4)).pow(3).sum().backward()
    optimizer.step()
    assert (layer.weight != 1).any()
