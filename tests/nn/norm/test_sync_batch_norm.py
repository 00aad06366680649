"""Two and three processes with gloo, some of them without nodes, against one process that has all nodes."""

import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from nn.norm import sync_process

from eqgraph import nn

UNSYNCHRONIZED = {
    "SyncBatchNorm": nn.BatchNorm,
    "SyncHeteroBatchNorm": nn.HeteroBatchNorm,
}


@pytest.fixture(scope="module")
def found(tmp_path_factory) -> list[dict]:
    """What each of three processes computed."""
    folder = tmp_path_factory.mktemp("processes")
    environment = os.environ | ({"GLOO_SOCKET_IFNAME": "lo"} if sys.platform == "linux" else {})
    processes = [
        subprocess.Popen(
            [sys.executable, sync_process.__file__, str(rank), str(folder)],
            env=environment,
            cwd=Path(sync_process.__file__).parents[3],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in range(3)
    ]
    try:
        said = [process.communicate(timeout=240)[0] for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert [process.returncode for process in processes] == [0, 0, 0], "\n".join(said)
    return [torch.load(folder / f"{rank}.pt") for rank in range(3)]


@pytest.mark.parametrize("processes", [2, 3])
@pytest.mark.parametrize("name", sync_process.SETTINGS)
def test_several_processes_are_one(found, name, processes):
    layer = sync_process.SETTINGS[name](None)
    expected = sync_process.follow(name, layer, list(range(processes)))
    theirs = [found[rank][name, processes][0] for rank in range(processes)]
    tolerance = {"rtol": 1e-2, "atol": 2e-2} if name == "large mean" else {"rtol": 1e-9, "atol": 1e-9}
    per_step = len(expected) // len(sync_process.COUNTS)
    for index, value in enumerate(expected):
        pieces = [values[index] for values in theirs]
        # output, first and second derivative by the input are rows of nodes; derivatives by parameters are sums over them
        together = torch.cat(pieces) if index % per_step < 3 else torch.stack(pieces).sum(0)
        torch.testing.assert_close(together, value, **tolerance, msg=lambda text, index=index: f"{index}: {text}")
    for key, value in layer.state_dict().items():
        torch.testing.assert_close(found[0][name, processes][1][key], value, rtol=1e-5, atol=1e-9)
        for rank in range(processes):
            assert torch.equal(found[rank][name, processes][1][key], found[0][name, processes][1][key])


@pytest.mark.parametrize("name", sync_process.SETTINGS)
def test_a_process_outside_of_the_group_is_on_its_own(found, name):
    expected = sync_process.follow(name, sync_process.SETTINGS[name](None), [2])
    for theirs, ours in zip(found[2][name, 2][0], expected, strict=True):
        torch.testing.assert_close(theirs, ours)


def test_a_converted_model_in_distributed_data_parallel(found):
    expected = sync_process.follow_distributed_data_parallel([0, 1, 2], ddp=False)
    for rank in range(3):
        for theirs, ours in zip(found[rank]["ddp"], expected, strict=True):
            torch.testing.assert_close(theirs, ours, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", UNSYNCHRONIZED)
def test_alone_it_is_the_same_as_without_synchronization(name):
    arguments = (3,) if "Hetero" in name else ()
    ours = getattr(nn, name)("2x0e + 1x1o", *arguments, correction=1)
    theirs = UNSYNCHRONIZED[name]("2x0e + 1x1o", *arguments, correction=1)
    x, inputs = torch.randn(6, 5), (torch.arange(6) % 3,) if arguments else ()
    for training in (True, False):
        assert torch.equal(ours.train(training)(x, *inputs), theirs.train(training)(x, *inputs))
    assert all(torch.equal(value, theirs.state_dict()[key]) for key, value in ours.state_dict().items())


def test_a_single_node_in_a_single_process_is_an_error():
    with pytest.raises(ValueError, match="SyncBatchNorm: expected more than 1 node"):
        nn.SyncBatchNorm("2x0e")(torch.zeros(1, 2))


class Scaled(nn.BatchNorm):
    """A subclass that does something else."""

    def forward(self, x):
        return 2 * super().forward(x)


class Scalars(nn.BatchNorm):
    """A subclass that is built differently."""

    def __init__(self, dim):
        super().__init__(f"{dim}x0e")


def test_conversion_keeps_parameters_statistics_and_options():
    old = nn.BatchNorm(
        "2x0e + 1x1o", 1e-3, None, reduce="max", normalization="norm", correction=1, allow_single_element=True
    ).double()
    old(torch.randn(6, 5, dtype=torch.float64))
    old.eval().weight.requires_grad_(False)
    new = nn.convert_sync_batchnorm(old)
    assert type(new) is nn.SyncBatchNorm
    assert new.weight is old.weight
    assert new.bias is old.bias
    assert not new.training
    for name in ("eps", "momentum", "reduce", "normalization", "correction", "allow_single_element", "instance"):
        assert getattr(new, name) == getattr(old, name)
    for name, buffer in old.named_buffers():
        other = new.get_buffer(name)
        assert torch.equal(other, buffer)
        assert other.dtype == buffer.dtype or name.startswith("layout.")
        assert other is not buffer
    x = torch.randn(6, 5, dtype=torch.float64)
    assert torch.equal(new(x), old(x))
    assert nn.convert_sync_batchnorm(new) is new
    assert pickle.loads(pickle.dumps(new)).process_group is None


def test_conversion_of_a_model():
    shared = nn.BatchNorm("2x0e", affine=False)
    model = torch.nn.ModuleDict(
        {
            "first": shared,
            "second": torch.nn.Sequential(shared, Scalars(2), torch.nn.ReLU()),
            "third": shared,
            "hetero": nn.HeteroBatchNorm("2x0e + 1x1o", 3, momentum=0.2, include_bias=False),
            "instance": nn.InstanceNorm("2x0e"),
            "untracked": nn.BatchNorm("2x0e", track_running_stats=False),
            "torch": torch.nn.BatchNorm1d(3, momentum=None),
        }
    )
    weight = model["torch"].weight
    assert nn.convert_sync_batchnorm(model) is model
    assert type(model["first"]) is nn.SyncBatchNorm
    assert model["first"] is model["third"] is model["second"][0]
    assert type(model["second"][1]) is nn.SyncBatchNorm
    assert type(model["hetero"]) is nn.SyncHeteroBatchNorm
    assert model["hetero"].momentum == 0.2
    assert model["hetero"].bias is None
    assert model["hetero"].running_var.shape == (3, 3)
    assert type(model["instance"]) is nn.InstanceNorm
    assert model["untracked"].running_mean is None
    assert type(model["torch"]) is torch.nn.SyncBatchNorm
    assert model["torch"].weight is weight
    assert model["torch"].momentum is None


@pytest.mark.parametrize(
    "kwargs", [{}, {"affine": False}, {"include_bias": False}, {"instance": True, "reduce": "max"}]
)
def test_conversion_of_e3nn(kwargs):
    from e3nn.nn import BatchNorm

    theirs = BatchNorm("2x0e + 1x1o", normalization="norm", momentum=0.3, **kwargs)
    theirs(torch.randn(6, 5))
    ours = nn.convert_sync_batchnorm(torch.nn.Sequential(theirs))[0]
    assert type(ours) is nn.SyncBatchNorm
    assert ours.weight is theirs.weight
    for training in (True, False):
        x = torch.randn(6, 5)
        torch.testing.assert_close(ours.train(training)(x), theirs.train(training)(x))
    for name, buffer in theirs.named_buffers():
        torch.testing.assert_close(ours.get_buffer(name), buffer)


def test_what_cannot_be_converted_says_so():
    model = torch.nn.Sequential(Scaled("2x0e"))
    with pytest.warns(UserWarning, match="Scaled overrides methods of BatchNorm"):
        assert type(nn.convert_sync_batchnorm(model)[0]) is Scaled
    for lazy in (nn.LazyBatchNorm(), nn.LazyBatchNorm(affine=False, track_running_stats=False)):
        with pytest.raises(ValueError, match="LazyBatchNorm that has not seen a batch"):
            nn.convert_sync_batchnorm(torch.nn.Sequential(lazy))
        lazy(torch.randn(4, 3))
        assert type(nn.convert_sync_batchnorm(lazy)) is nn.SyncBatchNorm
    with pytest.raises(ValueError, match="LazyBatchNorm1d that has not seen a batch"):
        nn.convert_sync_batchnorm(torch.nn.LazyBatchNorm1d())
    linear = torch.nn.LazyLinear(3)
    assert nn.convert_sync_batchnorm(linear) is linear


def test_layers_with_batch_statistics_of_their_own_are_not_silently_left():
    class Unknown(nn.norm.Norm):
        couples_graphs = True

    with pytest.warns(UserWarning, match="Unknown knows no statistics over processes"):
        nn.convert_sync_batchnorm(Unknown("2x0e"))
    with pytest.warns(UserWarning, match="DiffGroupNorm knows no statistics over processes"):
        model = nn.convert_sync_batchnorm(nn.DiffGroupNorm("4x0e + 2x1o", groups=2))
    assert not any(isinstance(part, nn.SyncBatchNorm) for part in model.modules())
