"""Batches in torch-sim: strides, cells that mean nothing, cells smaller than the cutoff, the sign of the stress."""

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk, molecule

from eqgraph.calculators import EqgraphCalculator
from eqgraph.models import build_potential

torch_sim = pytest.importorskip("torch_sim")

from torch_sim.models.lennard_jones import LennardJonesModel  # noqa: E402

from eqgraph.calculators.torch_sim import EqgraphModel  # noqa: E402


@pytest.fixture(scope="module")
def potential():
    config = {"num_layers": 1, "num_features": 4, "num_radial": 4, "radial_hidden": [8]}
    return build_potential("nequip", config, [1, 8, 18, 29], 4.0, [0.0] * 4, [1.0] * 4, 8.0, zbl=True).double()


@pytest.fixture(scope="module")
def model(potential):
    return EqgraphModel(potential)


def state_of(systems: list[Atoms]):
    return torch_sim.initialize_state(systems, torch.device("cpu"), torch.float64)


def test_tensors_that_are_not_contiguous_give_the_same_forces(model):
    """CHANGELOG of nequip: with non-contiguous tensors of torch-sim, forces were wrong."""
    systems = [bulk("Cu", cubic=True), bulk("Cu") * (2, 1, 1)]
    for seed, atoms in enumerate(systems):
        atoms.rattle(0.1, seed=seed)
    state = state_of(systems)
    expected = model(state)
    state.positions = state.positions.T.contiguous().T
    state.cell = state.cell.permute(1, 2, 0).contiguous().permute(2, 0, 1)
    state.atomic_numbers = torch.stack([state.atomic_numbers, -state.atomic_numbers], 1)[:, 0]
    state.system_idx = torch.stack([state.system_idx, -state.system_idx], 1)[:, 0]
    assert not any(
        tensor.is_contiguous() for tensor in (state.positions, state.cell, state.atomic_numbers, state.system_idx)
    )
    for name, values in model(state).items():
        assert torch.equal(values, expected[name]), name


def test_a_cell_without_periodicity_means_nothing(model):
    """torch-sim#575: a molecule with pbc=False in a dummy cell of 1 Å had other neighbors, and another energy."""
    free, boxed = molecule("H2O"), molecule("H2O", cell=np.eye(3))
    for atoms in (free, boxed):
        atoms.rattle(0.1, seed=0)
        atoms.positions += [0.4, -3.0, 7.0]
    one, two = model(state_of([free])), model(state_of([boxed]))
    assert torch.equal(one["energy"], two["energy"])
    assert torch.equal(one["forces"], two["forces"])


def test_positions_outside_of_the_cell_are_the_same_structure(model):
    """torch-sim#423: wrapped and unwrapped positions gave different energies."""
    atoms = bulk("Cu", cubic=True)
    atoms.rattle(0.1, seed=0)
    moved = atoms.copy()
    moved.positions += np.array([[3, 0, -2], [0, 1, 0], [-5, 4, 1], [0, 0, 0]]) @ atoms.cell.array
    one, two = model(state_of([atoms])), model(state_of([moved]))
    for name, values in one.items():
        torch.testing.assert_close(values, two[name], rtol=1e-9, atol=1e-10)


def test_a_cell_smaller_than_the_cutoff_has_all_its_images(model):
    """FeNNol#11: a cell of one atom, and the same crystal in cells of many."""
    cell = bulk("Cu")
    energies = model(state_of([cell, cell * (2, 3, 1), bulk("Cu", cubic=True)]))["energy"]
    torch.testing.assert_close(energies / torch.tensor([1.0, 6.0, 4.0]), energies[0].expand(3), rtol=1e-10, atol=0)


def test_the_stress_is_the_derivative_by_the_columns_of_the_cell(potential, model):
    """mace#13, matgl PR#825: dE/dε / V, by finite strains of the state itself, whose cell vectors are columns."""
    state = state_of([compressed()])
    stress, numerical = model(state)["stress"][0], torch.zeros(3, 3, dtype=torch.float64)
    for i in range(3):
        for j in range(3):
            energies = []
            for size in (1e-5, -1e-5):
                strain = torch.eye(3, dtype=torch.float64)
                strain[i, j] += size / 2
                strain[j, i] += size / 2
                strained = state.clone()
                strained.positions, strained.cell = state.positions @ strain, strain @ state.cell
                energies.append(model(strained)["energy"].item())
            numerical[i, j] = (energies[0] - energies[1]) / 2e-5 / state.volume.item()
    torch.testing.assert_close(stress, numerical, rtol=1e-5, atol=1e-6)
    atoms = compressed()
    atoms.calc = EqgraphCalculator(potential)
    np.testing.assert_allclose(atoms.get_stress(voigt=False), stress, atol=1e-10)
    assert np.unique(stress.abs().numpy().round(6)).size > 5, "so that a transposed cell would be seen"


def test_the_sign_of_the_stress_is_that_of_the_models_of_torch_sim(model):
    """Compressed crystals have negative stress; whoever relaxes cells relies on it. (The size of this one of torch-sim 0.3 is twice
    the derivative of its energy.)"""
    theirs = LennardJonesModel(sigma=2.0, epsilon=0.1, cutoff=4.0, dtype=torch.float64, compute_stress=True)
    assert theirs(state_of([compressed() * 4]))["stress"][0].trace() < -1
    assert model(state_of([compressed()]))["stress"][0].trace() < -1


def compressed() -> Atoms:
    atoms = bulk("Cu", cubic=True)
    atoms.set_cell(atoms.cell.array @ np.array([[0.7, 0.05, 0], [0, 0.7, 0.03], [0.1, 0, 0.7]]), scale_atoms=True)
    atoms.rattle(0.05, seed=0)
    return atoms
