import ase.build
import pytest
import torch

from eqgraph.graph import from_ase
from eqgraph.models import build_potential, edge_forces, edge_virials, strain_gradients


@pytest.fixture(scope="module")
def potential():
    torch.manual_seed(0)
    potential = build_potential("nequip", {"num_features": 4, "num_layers": 2}, [29], 3.5, [0.0], [1.0], 10.0)
    return potential.double().eval()


@pytest.fixture(scope="module")
def crystal(potential):
    """Three atoms (two would be each other's mirror images) whose images are their neighbors, off their sites."""
    atoms = ase.build.bulk("Cu", cubic=False) * (3, 1, 1)
    atoms.rattle(0.1, seed=1)
    return from_ase(atoms, potential.cutoff)


def test_forces_are_those_of_autograd(potential, crystal):
    data = crystal.clone()
    data.pos = data.pos.double().requires_grad_()
    potential.train()
    try:
        prediction = potential(data)
        (gradient,) = torch.autograd.grad(prediction.energy.sum(), data.pos)
    finally:
        potential.eval()
    torch.testing.assert_close(prediction.forces, -gradient)
    assert prediction.forces.abs().max() > 0.01


def test_virials_of_atoms_sum_to_the_virial(potential, crystal):
    prediction = potential(crystal, stress=True, atomic_virials=True)
    torch.testing.assert_close(prediction.atomic_virials.sum(0), prediction.virial[0])
    assert (prediction.atomic_virials[0] - prediction.atomic_virials[1]).abs().max() > 1e-3
    assert potential(crystal, stress=True).atomic_virials is None


def test_virials_of_equal_atoms_are_equal(potential):
    """Pairs of edges share radial weights, whose gradient is on one of them: halves to both ends make up for it."""
    data = from_ase(ase.build.bulk("Cu") * (2, 1, 1), potential.cutoff)
    virials = potential(data, atomic_virials=True).atomic_virials
    torch.testing.assert_close(virials[0], virials[1])


def test_edges_of_an_engine_give_the_same(potential, crystal):
    whole = potential(crystal, stress=True, atomic_virials=True)
    inputs = potential.inputs(crystal)
    energies, gradient = potential.predict_edges(inputs.species, inputs.edge_vec.detach(), inputs.edges)
    torch.testing.assert_close(energies, whole.atomic_energies)
    torch.testing.assert_close(edge_forces(gradient, inputs.edges), whole.forces)
    edge_vec = inputs.edge_vec.detach()
    torch.testing.assert_close(edge_virials(edge_vec, gradient, inputs.edges), whole.atomic_virials)
    torch.testing.assert_close(-strain_gradients(edge_vec, gradient).sum(0), whole.virial[0])


def test_features_before_the_readout(potential, crystal):
    features = potential.encode(crystal)
    assert features.shape == (3, potential.network.irreps_out.dim)
    assert not torch.equal(features[0], features[1])
