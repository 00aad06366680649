import pytest
import torch

from eqgraph import nn
from eqgraph.models import Potential


@pytest.mark.parametrize("query", ["batch", "BatchNorm", "batch_norm", "Batch-Norm", nn.BatchNorm])
def test_a_name_is_a_class(query):
    norm = nn.normalization_resolver(query, "2x0e + 1x1o", eps=1e-3)
    assert type(norm) is nn.BatchNorm
    assert norm.eps == 1e-3
    assert nn.normalization_resolver(norm, "2x0e") is norm


def test_nothing_is_nothing():
    assert nn.normalization_resolver(None, "2x0e") is None
    assert nn.normalization_resolver("none", "2x0e") is None


def test_an_unknown_name_is_an_error_that_lists_the_known_ones():
    with pytest.raises(ValueError, match=r"\(AvgNumNeighborsNorm, .*InstanceNorm.*\), or 'none', got 'bach'"):
        nn.normalization_resolver("bach", "2x0e")


class Network(torch.nn.Module):
    def __init__(self, norm):
        super().__init__()
        self.first = torch.nn.Sequential(norm)


def test_potentials_name_the_layers_that_make_energies_wrong():
    with pytest.warns(
        UserWarning, match=r"InstanceNorm 'first.0' in the network, energies are neither local nor extensive"
    ):
        Potential(Network(nn.InstanceNorm("2x0e")), [1], 5.0, [0.0], [1.0])


def test_potentials_warn_of_statistics_of_the_batch():
    for norm in (nn.BatchNorm("2x0e"), nn.InstanceNorm("2x0e", track_running_stats=True)):
        with pytest.warns(UserWarning, match=r"Norm 'first.0' .* are coupled in training, .* nn.freeze_batch_stats"):
            Potential(Network(norm), [1], 5.0, [0.0], [1.0])


@pytest.mark.parametrize(
    "norm",
    [
        nn.LayerNorm("2x0e"),
        nn.RMSNorm("2x0e"),
        nn.freeze_batch_stats(nn.BatchNorm("2x0e")),
        nn.freeze_batch_stats(nn.InstanceNorm("2x0e", track_running_stats=True)),
    ],
)
def test_potentials_are_content_with_local_norms(norm, recwarn):
    Potential(Network(norm), [1], 5.0, [0.0], [1.0])
    assert not recwarn.list


def test_frozen_statistics_stay_and_are_used():
    network = Network(nn.BatchNorm("4x0e + 2x1o"))
    x = 3 + torch.randn(20, 10)
    network.first(x)
    kept = {name: buffer.clone() for name, buffer in network.named_buffers()}
    expected = network.eval().first(x)
    nn.freeze_batch_stats(network).train()
    torch.testing.assert_close(network.first(x), expected)
    assert all(torch.equal(buffer, kept[name]) for name, buffer in network.named_buffers())
    assert network.first[0].weight.requires_grad


def test_what_has_no_statistics_cannot_be_frozen():
    with pytest.raises(ValueError, match=r"expected running statistics, got none in the BatchNorm 'first.0'"):
        nn.freeze_batch_stats(Network(nn.BatchNorm("2x0e", track_running_stats=False)))
