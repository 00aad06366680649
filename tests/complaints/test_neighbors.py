"""Edges that are missing, or that are none; atoms that have none."""

import ase
import ase.build
import numpy as np
import pytest
from ase.neighborlist import neighbor_list as ase_neighbor_list

from eqgraph.datasets import AtomsDataset, Frame
from eqgraph.graph import from_ase
from eqgraph.models import build_potential

CONFIG = {"num_layers": 2, "num_features": 4}


def lengths(atoms: ase.Atoms, cutoff: float) -> np.ndarray:
    data = from_ase(atoms, cutoff)
    src, dst = data.edge_index
    vectors = data.pos[dst] - data.pos[src] + data.edge_shift.double() @ data.cell[0]
    return np.sort(vectors.norm(dim=1).numpy())


def test_molecules_far_from_the_origin_have_the_same_neighbors():
    """mace PR#1726: with an offset of 100 Å, molecules had "edges" of 155.9 Å."""
    for offset in (0.0, 100.0, -1e4):
        water = ase.build.molecule("C6H6")
        water.translate([offset, 2 * offset, -offset])
        expected = np.sort(ase_neighbor_list("d", ase.build.molecule("C6H6"), 3.0))
        np.testing.assert_allclose(lengths(water, 3.0), expected, atol=1e-9)


def test_small_cells_have_edges_to_their_own_images():
    """FeNNol#11: an atom in a cell smaller than the cutoff is its own neighbor, several times."""
    iron = ase.build.bulk("Fe")
    found = lengths(iron, 6.0)
    np.testing.assert_allclose(found, np.sort(ase_neighbor_list("d", iron, 6.0)), atol=1e-9)
    assert len(found) > 50


@pytest.mark.parametrize("pbc", [(False, False, False), (True, False, False), (True, True, False), (True, True, True)])
def test_pbc_decides_and_not_the_cell(pbc):
    """torch-sim#575, mace PR#1395: pbc=False with a cell has no images; a slab only those along it."""
    atoms = ase.build.bulk("Cu", cubic=True)
    atoms.pbc = pbc
    np.testing.assert_allclose(lengths(atoms, 4.0), np.sort(ase_neighbor_list("d", atoms, 4.0)), atol=1e-9)


def test_the_structure_is_not_changed():
    """MACE get_neighborhood scales the cell by the largest position and edits its input."""
    atoms = ase.build.bulk("Cu", cubic=True)
    atoms.pbc = (True, True, False)
    atoms.translate([50.0, 0, 0])
    before = atoms.copy()
    from_ase(atoms, 5.0)
    assert (atoms.positions == before.positions).all()
    assert (atoms.cell.array == before.cell.array).all()


def test_no_neighbor_is_dropped_where_there_are_many():
    """TorchMD-Net max_num_neighbors=32: what is beyond was left out, or ended the run."""
    copper = ase.build.bulk("Cu")
    assert len(lengths(copper, 9.0)) == len(ase_neighbor_list("d", copper, 9.0)) > 200


def test_isolated_atoms_have_an_energy_and_no_forces():
    """mace PR#493, symmetrix#42, fairchem#1388: an atom without neighbors crashed, or gave NaN."""
    potential = build_potential("nequip", CONFIG, [1, 8], 3.0, [-13.6, -2037.8], [1.0, 1.0], 2.0).eval()
    alone = potential(from_ase(ase.Atoms("H"), 3.0), stress=True)
    assert bool(alone.energy.isfinite().all())
    assert (alone.forces == 0).all()
    pair = potential(from_ase(ase.Atoms("HO", [(0, 0, 0), (0, 0, 50.0)]), 3.0))
    other = potential(from_ase(ase.Atoms("O"), 3.0))
    assert float(pair.energy) == pytest.approx(float(alone.energy + other.energy), abs=1e-9)
    assert (pair.forces == 0).all()


def test_average_number_of_neighbors_is_a_number_without_any():
    """mace#326: isolated atoms alone made it NaN, and with it every weight; among others they lowered it."""
    atoms = [Frame(ase.Atoms("H"), 0, energy=-13.6)]
    assert AtomsDataset(atoms, 3.0).avg_num_neighbors == 1.0
    water = Frame(ase.build.molecule("H2O"), 1, energy=-1.0)
    assert AtomsDataset([*atoms, water], 3.0).avg_num_neighbors == 2.0


def test_energies_are_extensive():
    """fairchem#1215: two copies far apart had 4 eV more than twice the energy of one."""
    potential = build_potential("nequip", CONFIG, [1, 8], 3.0, [-13.6, -2037.8], [1.0, 1.0], 2.0).eval()
    water = ase.build.molecule("H2O")
    far = water.copy()
    far.translate([1000.0, 0, 0])
    one, two = (float(potential(from_ase(atoms, 3.0)).energy) for atoms in (water, water + far))
    assert two == pytest.approx(2 * one, abs=1e-8)
