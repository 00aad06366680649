"""What every architecture must do, whatever it is made of."""

import copy
import math

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk, molecule
from torch_geometric.data import Batch

from eqgraph import o3
from eqgraph.graph import from_ase
from eqgraph.models import MODELS, Potential, build_potential, load_potential, save_potential

CUTOFF = 3.5
CONFIGS = {
    "nequip": [
        {"num_layers": 2, "num_features": 4, "lmax": 2, "radial_hidden": [8]},
        {"num_layers": 3, "num_features": 4, "lmax": 1, "parity": True, "radial_hidden": [8], "normalization": "layer"},
    ],
    "se3_transformer": [
        {"num_layers": 2, "num_features": 4, "num_heads": 2, "radial_hidden": [8]},
        {
            "num_layers": 2,
            "num_features": 4,
            "lmax": 1,
            "nonlinearity": "gate",
            "normalization": "layer",
            "radial_hidden": [8],
        },
    ],
    "tensor_field_network": [
        {"num_layers": 2, "num_features": 4, "radial_hidden": [8]},
        {"num_layers": 2, "num_features": 4, "lmax": 1, "parity": True, "nonlinearity": "norm", "radial_hidden": [8]},
    ],
}
CASES = [(name, config) for name in MODELS for config in CONFIGS[name]]
every_model = pytest.mark.parametrize(("architecture", "config"), CASES)


def random_potential(architecture: str, config: dict) -> Potential:
    potential = build_potential(
        architecture, config, [1, 6, 8, 29], CUTOFF, [-13.6, -1027.0, -2037.8, -5.0], [1.1, 0.9, 1.3, 0.7], 6.0
    ).double()
    for name, buffer in potential.named_buffers():  # as if batch statistics had been collected
        if name.endswith("running_var"):
            buffer.uniform_(0.5, 2.0)
        if name.endswith("running_mean"):
            buffer.normal_()
    return potential.eval()


def ethanol() -> Atoms:
    atoms = molecule("CH3CH2OH")
    atoms.rattle(0.1, seed=1)
    return atoms


def crystal() -> Atoms:
    """A distorted oxide whose cell is smaller than the cutoff."""
    atoms = bulk("CuO", "rocksalt", a=4.2)
    atoms.set_cell(
        atoms.cell.array @ (np.eye(3) + 0.05 * np.random.default_rng(0).normal(size=(3, 3))), scale_atoms=True
    )
    atoms.rattle(0.1, seed=2)
    return atoms


def predict(potential: Potential, atoms: Atoms, stress: bool = False):
    return potential(from_ase(atoms, CUTOFF), stress=stress)


def assert_relative(actual, expected, tolerance: float) -> None:
    error = (torch.as_tensor(actual) - torch.as_tensor(expected)).abs().max()
    assert error <= tolerance * torch.as_tensor(expected).abs().max(), f"error {error:.2e}"


@every_model
def test_energy_forces_and_stress_turn_with_the_structure(architecture, config):
    potential = random_potential(architecture, config)
    rotation = -o3.rand_matrix(dtype=torch.float64)
    turned = crystal()
    turned.set_cell(turned.cell.array @ rotation.numpy().T, scale_atoms=False)
    turned.positions = crystal().positions @ rotation.numpy().T
    before, after = predict(potential, crystal(), stress=True), predict(potential, turned, stress=True)
    assert_relative(after.energy, before.energy, 1e-12)
    assert_relative(after.forces, before.forces @ rotation.T, 1e-10)
    assert_relative(after.stress, rotation @ before.stress @ rotation.T, 1e-10)


@every_model
def test_translation_changes_nothing(architecture, config):
    potential = random_potential(architecture, config)
    for atoms in (ethanol(), crystal()):
        moved = atoms.copy()
        moved.positions += [100.0, -200.0, 300.0]
        before, after = predict(potential, atoms), predict(potential, moved)
        assert_relative(after.energy, before.energy, 1e-12)
        assert_relative(after.forces, before.forces, 1e-10)


@every_model
def test_wrapping_atoms_into_the_cell_changes_nothing(architecture, config):
    potential = random_potential(architecture, config)
    outside = crystal()
    outside.positions += outside.cell.array[0] * np.array([[3.0], [-5.0]])
    assert_relative(predict(potential, outside).forces, predict(potential, crystal()).forces, 1e-10)


@every_model
def test_permutation_permutes_the_forces(architecture, config):
    potential = random_potential(architecture, config)
    order = np.random.default_rng(0).permutation(9)
    before, after = predict(potential, ethanol()), predict(potential, ethanol()[order])
    assert_relative(after.energy, before.energy, 1e-12)
    assert_relative(after.forces, before.forces[order], 1e-10)
    assert_relative(after.atomic_energies, before.atomic_energies[order], 1e-10)


@every_model
def test_forces_are_minus_the_derivative_of_the_energy(architecture, config):
    potential, step = random_potential(architecture, config), 1e-4
    for atoms in (ethanol(), crystal()):
        forces, numerical = predict(potential, atoms).forces, torch.zeros(len(atoms), 3, dtype=torch.float64)
        for i in range(len(atoms)):
            for axis in range(3):
                for weight, steps in ((8, 1), (-8, -1), (-1, 2), (1, -2)):  # exact to the fourth order
                    moved = atoms.copy()
                    moved.positions[i, axis] += steps * step
                    # without E0 the sum keeps more digits
                    energy = (predict(potential, moved).atomic_energies - potential.shifts.mean()).sum()
                    numerical[i, axis] -= weight * energy / (12 * step)
        assert_relative(forces, numerical, 1e-6)


@every_model
def test_stress_is_the_derivative_with_respect_to_strain(architecture, config):
    potential, step, atoms = random_potential(architecture, config), 1e-5, crystal()
    stress, numerical = predict(potential, atoms, stress=True).stress[0], torch.zeros(3, 3, dtype=torch.float64)
    torch.testing.assert_close(stress, stress.T)
    for i in range(3):
        for j in range(3):
            energies = []
            for sign in (1, -1):
                strain = np.zeros((3, 3))
                strain[i, j] += sign * step / 2
                strain[j, i] += sign * step / 2
                strained = atoms.copy()
                strained.set_cell(atoms.cell.array @ (np.eye(3) + strain), scale_atoms=True)
                energies.append((predict(potential, strained).atomic_energies - potential.shifts.mean()).sum())
            numerical[i, j] = (energies[0] - energies[1]) / (2 * step) / atoms.get_volume()
    assert_relative(stress, numerical, 1e-6)


@every_model
def test_two_far_copies_have_twice_the_energy(architecture, config):
    potential = random_potential(architecture, config)
    far = ethanol()
    far.positions += 50.0
    both = predict(potential, ethanol() + far)
    assert_relative(both.energy, 2 * predict(potential, ethanol()).energy, 1e-12)


@every_model
def test_a_supercell_has_the_energy_of_its_cells_and_the_same_stress(architecture, config):
    potential = random_potential(architecture, config)
    one, eight = predict(potential, crystal(), stress=True), predict(potential, crystal() * (2, 2, 2), stress=True)
    assert_relative(eight.energy, 8 * one.energy, 1e-12)
    assert_relative(eight.stress, one.stress, 1e-9)


@every_model
def test_energy_and_forces_are_continuous_when_an_atom_crosses_the_cutoff(architecture, config):
    potential = random_potential(architecture, config)

    def at(distance: float):
        return predict(potential, Atoms("OH2", [[0, 0, 0], [1.0, 0, 0], [0, distance, 0]]))

    inside, outside = at(CUTOFF - 1e-6), at(CUTOFF + 1e-6)
    assert abs(inside.energy - outside.energy) < 1e-9
    assert (inside.forces - outside.forces).abs().max() < 1e-8
    # and well inside, the atom is felt
    assert (at(2.0).forces[2]).abs().max() > 1e-4


@every_model
def test_a_batch_is_its_structures_one_by_one(architecture, config):
    potential = random_potential(architecture, config)
    structures = [ethanol(), crystal(), Atoms("O"), crystal() * (1, 2, 1)]
    batch = potential(Batch.from_data_list([from_ase(atoms, CUTOFF) for atoms in structures]), stress=True)
    singles = [predict(potential, atoms, stress=True) for atoms in structures]
    assert_relative(batch.energy, torch.cat([single.energy for single in singles]), 1e-12)
    assert_relative(batch.forces, torch.cat([single.forces for single in singles]), 1e-10)
    for index in (1, 3):
        assert_relative(batch.stress[index], singles[index].stress[0], 1e-10)
    for index in (0, 2):  # no volume: no stress
        assert batch.stress[index].isnan().all()


@every_model
def test_an_isolated_atom_feels_no_force(architecture, config):
    prediction = predict(random_potential(architecture, config), Atoms("O"))
    assert prediction.energy.isfinite()
    assert (prediction.forces == 0).all()


@every_model
def test_a_float32_network_agrees_with_float64(architecture, config):
    potential = random_potential(architecture, config)
    single = copy.deepcopy(potential).float()
    assert single.shifts.dtype == torch.float64
    exact, rounded = predict(potential, ethanol()), predict(single, ethanol())
    assert rounded.energy.dtype == rounded.forces.dtype == torch.float64
    assert abs(rounded.energy - exact.energy) < 1e-4
    assert_relative(rounded.forces, exact.forces, 1e-4)


@every_model
def test_training_can_differentiate_the_forces(architecture, config):
    potential = random_potential(architecture, config).train()
    data = Batch.from_data_list([from_ase(ethanol(), CUTOFF), from_ase(crystal(), CUTOFF)])
    potential(data).forces.square().sum().backward()
    # the last shift of the energy, and only what is linear in it, has no influence on forces
    touched = [name for name, p in potential.named_parameters() if p.grad is not None and p.grad.abs().max() > 0]
    assert any("radial.layer0.weight" in name for name in touched)
    assert any("embedding" in name for name in touched)


@every_model
def test_molecules_in_a_batch_do_not_spoil_the_gradients_of_a_stress(architecture, config):
    potential = random_potential(architecture, config).train()
    data = Batch.from_data_list([from_ase(ethanol(), CUTOFF), from_ase(crystal(), CUTOFF)])
    stress = potential(data, stress=True).stress
    stress[stress.isfinite()].square().sum().backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in potential.parameters())
    assert any(p.grad is not None and p.grad.abs().max() > 0 for p in potential.parameters())


@every_model
def test_save_and_load_gives_the_same_numbers(architecture, config, tmp_path):
    potential = random_potential(architecture, config)
    save_potential(tmp_path / "model.eqg", potential, {"data_hash": "abc", "units": {"energy": "eV"}})
    loaded, header = load_potential(tmp_path / "model.eqg")
    before, after = predict(potential, ethanol()), predict(loaded, ethanol())
    assert torch.equal(before.energy, after.energy)
    assert torch.equal(before.forces, after.forces)
    assert loaded.dtype == torch.float64
    assert not loaded.training
    assert header["architecture"] == architecture
    assert header["species"] == [1, 6, 8, 29]
    assert header["cutoff"] == CUTOFF
    assert header["metadata"] == {"data_hash": "abc", "units": {"energy": "eV"}}


@every_model
def test_an_unknown_species_is_named(architecture, config):
    potential = random_potential(architecture, config)
    with pytest.raises(ValueError, match=r"trained on \(H, C, O, Cu\), got N, Si"):
        predict(potential, Atoms("NSiO", [[0, 0, 0], [2, 0, 0], [0, 2, 0]]))


@every_model
def test_without_forces_only_the_energy_comes(architecture, config):
    potential = random_potential(architecture, config)
    prediction = potential(from_ase(ethanol(), CUTOFF), forces=False)
    assert prediction.forces is None
    assert prediction.stress is None
    assert torch.equal(prediction.energy, predict(potential, ethanol()).energy)


@every_model
def test_shifts_and_scales_enter_linearly(architecture, config):
    potential = random_potential(architecture, config)
    before = predict(potential, ethanol())
    potential.scales *= 2
    after = predict(potential, ethanol())
    assert_relative(after.forces, 2 * before.forces, 1e-12)
    total = 2 * -1027.0 + 6 * -13.6 - 2037.8
    assert math.isclose(after.energy - total, 2 * (before.energy - total), rel_tol=1e-9)


@pytest.mark.parametrize("architecture", MODELS)
def test_normalizations_that_couple_atoms_are_refused(architecture):
    with pytest.raises(
        ValueError, match=r"need.* no other nodes in evaluation, got 'graph'.*Take 'layer', 'rms' or 'none'"
    ):
        build_potential(architecture, {"normalization": "graph"}, [1], CUTOFF, [0.0], [1.0], 6.0)
