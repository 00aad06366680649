import pytest
import torch

from eqgraph import nn, o3
from eqgraph.testing import assert_equivariant

HIDDEN = "3x0e + 3x0o + 2x1o + 2x1e + 2x2e"


def run(layer: nn.Interaction, species, edge_index, radial):
    irreps_sh = layer.conv.irreps_sh

    def function(x, edge_vec):
        sh = o3.spherical_harmonics(irreps_sh, edge_vec, normalize=True, normalization="component")
        return layer(x, species, edge_index, sh, radial)

    return function


@pytest.mark.parametrize("normalization", ["none", "batch"])
@pytest.mark.parametrize("irreps_in", ["4x0e", HIDDEN])
def test_equivariance(irreps_in, normalization):
    layer = nn.Interaction(irreps_in, HIDDEN, "0e + 1o + 2e", 2, 5, [7], normalization=normalization).double()
    species, edge_index = torch.randint(2, (6,)), torch.randint(6, (2, 15))
    function = run(layer, species, edge_index, torch.randn(15, 5, dtype=torch.float64))
    inputs = [o3.Irreps(irreps_in).randn(6, -1, dtype=torch.float64), torch.randn(15, 3, dtype=torch.float64)]
    assert_equivariant(function, [irreps_in, "1o"], layer.irreps_out, inputs=inputs)


def test_irreps_that_the_convolution_cannot_reach_are_left_out():
    layer = nn.Interaction("4x0e", HIDDEN, "0e + 1o + 2e", 2, 5)
    assert str(layer.irreps_out) == "3x0e+2x1o+2x2e"


def test_nothing_reachable_is_refused():
    with pytest.raises(ValueError, match=r"expected irreps_out that the convolution can produce"):
        nn.Interaction("4x0e", "4x3o", "0e + 1o", 2, 5)


def test_normalizations_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"expected the name of a normalization \(.*BatchNorm.*got 'bach'"):
        nn.Interaction("4x0e", "4x0e", "0e", 2, 5, normalization="bach")
    with pytest.raises(
        ValueError, match=r"Interaction: expected a normalization that needs no other nodes .*got 'instance'"
    ):
        nn.Interaction("4x0e", "4x0e", "0e", 2, 5, normalization="instance")


def test_species_linear_applies_the_weights_of_each_species():
    layer = nn.SpeciesLinear("3x0e + 2x1o", "2x0e + 1x1o + 1x1o", 3)
    x, species = torch.randn(7, 9), torch.tensor([0, 2, 2, 1, 0, 1, 2])
    linear = o3.Linear("3x0e + 2x1o", "2x0e + 1x1o + 1x1o", internal_weights=False)
    expected = torch.stack([linear(row, layer.weight[z]) for row, z in zip(x, species, strict=True)])
    torch.testing.assert_close(layer(x, species), expected)
    assert repr(layer) == "SpeciesLinear(3x0e+2x1o -> 2x0e+1x1o+1x1o | 3 x 10 weights)"


def test_reset_parameters_reaches_every_weight():
    layer = nn.Interaction(HIDDEN, HIDDEN, "0e + 1o + 2e", 2, 5, [7], normalization="batch")
    torch.nn.init.normal_(layer.norm.weight)
    torch.nn.init.normal_(layer.norm.bias)
    before = {name: parameter.clone() for name, parameter in layer.named_parameters()}
    layer.reset_parameters()
    assert all((parameter != before[name]).any() for name, parameter in layer.named_parameters())


def test_a_node_without_edges_is_its_self_connection():
    layer = nn.Interaction("4x0e + 2x1o", "4x0e + 2x1o", "0e + 1o", num_species=2, num_radial=3)
    x, species = torch.randn(2, 10), torch.tensor([1, 0])
    out = layer(x, species, torch.empty(2, 0, dtype=torch.int64), torch.empty(0, 4), torch.empty(0, 3))
    torch.testing.assert_close(out, layer.gate(layer.self_connection(x, species)))
    assert out.abs().max() > 0
