"""Dipole moments of all architectures: vectors that turn with the structure, sums over atoms, of open structures alone."""

import pytest
import torch
from ase import Atoms
from ase.build import molecule
from torch_geometric.data import Batch

from eqgraph import o3
from eqgraph.graph import from_ase
from eqgraph.models import CLASSIFIERS, MODELS, Potential, build_potential, load_potential, save_potential

CUTOFF = 3.5
CONFIG = {"num_layers": 2, "num_features": 4, "radial_hidden": [8]}
every_architecture = pytest.mark.parametrize("architecture", MODELS)


def potential_of(architecture: str, **config) -> Potential:
    config = {**CONFIG, "dipole": True, **config}
    return build_potential(architecture, config, [1, 6, 8], CUTOFF, [0.0] * 3, [1.0] * 3, 6.0).double().eval()


def ethanol() -> Atoms:
    atoms = molecule("CH3CH2OH")
    atoms.rattle(0.1, seed=1)
    return atoms


def dipole(potential: Potential, atoms: Atoms) -> torch.Tensor:
    return potential(from_ase(atoms, CUTOFF), forces=False).dipole[0]


@every_architecture
@pytest.mark.parametrize("config", [{}, {"lmax": 1, "parity": True}])
def test_it_turns_with_the_structure_and_stays_when_it_moves(architecture, config):
    potential, rotation = potential_of(architecture, **config), -o3.rand_matrix(dtype=torch.float64)
    before = dipole(potential, ethanol())
    assert before.norm() > 1e-3
    turned, moved = ethanol(), ethanol()
    turned.positions = turned.positions @ rotation.numpy().T
    moved.positions += [100.0, -200.0, 300.0]
    torch.testing.assert_close(dipole(potential, turned), rotation @ before, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(dipole(potential, moved), before, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(dipole(potential, ethanol()[::-1]), before, rtol=1e-10, atol=1e-10)


@every_architecture
def test_structures_that_are_symmetric_have_none(architecture):
    benzene, far = molecule("C6H6"), ethanol()
    far.positions += 50.0
    potential = potential_of(architecture)
    assert dipole(potential, benzene).norm() < 1e-10
    torch.testing.assert_close(dipole(potential, ethanol() + far), 2 * dipole(potential, ethanol()))


@every_architecture
def test_a_batch_is_its_structures_and_periodic_ones_have_none(architecture):
    potential, crystal = potential_of(architecture), ethanol()
    crystal.set_cell([6.0, 7.0, 8.0])
    crystal.pbc = (True, False, False)
    structures = [ethanol(), crystal, molecule("H2O"), Atoms("O")]
    batch = Batch.from_data_list([from_ase(atoms, CUTOFF) for atoms in structures])
    prediction = potential(batch, stress=True)
    assert prediction.dipole[1].isnan().all()
    for index in (0, 2, 3):
        torch.testing.assert_close(prediction.dipole[index], dipole(potential, structures[index]))
    assert (prediction.dipole[3] == 0).all()
    potential.train()
    found = potential(batch).dipole
    found[found.isfinite()].square().sum().backward()
    grads = [p.grad for p in potential.parameters() if p.grad is not None]
    assert all(grad.isfinite().all() for grad in grads)
    assert any(grad.abs().max() > 0 for grad in grads)


@every_architecture
def test_energies_need_no_dipole_and_forces_stay_their_derivative(architecture):
    potential = potential_of(architecture)
    prediction = potential(from_ase(ethanol(), CUTOFF))
    for i, axis in ((0, 0), (3, 1), (8, 2)):
        energies = []
        for sign in (1, -1):
            moved = ethanol()
            moved.positions[i, axis] += sign * 1e-4
            energies.append(potential(from_ase(moved, CUTOFF)).energy.item())
        assert prediction.forces[i, axis].item() == pytest.approx(
            -(energies[0] - energies[1]) / 2e-4, rel=1e-4, abs=1e-7
        )
    without = build_potential(architecture, CONFIG, [1, 6, 8], CUTOFF, [0.0] * 3, [1.0] * 3, 6.0)
    assert not without.predicts_dipole
    assert without(from_ase(ethanol(), CUTOFF)).dipole is None


@every_architecture
def test_save_and_load(architecture, tmp_path):
    potential = potential_of(architecture)
    save_potential(tmp_path / "model.eqg", potential)
    loaded, header = load_potential(tmp_path / "model.eqg")
    assert header["config"]["dipole"] is True
    assert loaded.predicts_dipole
    assert torch.equal(dipole(loaded, ethanol()), dipole(potential, ethanol()))


@every_architecture
def test_without_vectors_there_is_none(architecture):
    with pytest.raises(ValueError, match="false with lmax: 0, which has no vectors"):
        potential_of(architecture, lmax=0)


@pytest.mark.parametrize("architecture", CLASSIFIERS)
def test_point_clouds_have_none(architecture):
    config = CLASSIFIERS[architecture][0]
    assert "dipole" not in config().model_dump()
    with pytest.raises(ValueError, match="dipole"):
        config(dipole=True)


def test_the_virial_is_minus_the_stress_times_the_volume():
    crystal = ethanol()
    crystal.set_cell([[6.0, 1.0, 0.0], [0.0, 7.0, 0.5], [0.0, 0.0, 8.0]])
    crystal.pbc = True
    prediction = potential_of("nequip")(from_ase(crystal, CUTOFF), stress=True)
    torch.testing.assert_close(prediction.virial, -prediction.stress * crystal.get_volume())
    assert potential_of("nequip")(from_ase(ethanol(), CUTOFF), stress=True).virial.isnan().all()
