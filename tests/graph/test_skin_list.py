import ase.neighborlist
import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk, molecule

from eqgraph.graph import SkinNeighborList, edge_vectors, from_ase, reverse_edges
from eqgraph.ops import Edges

CUTOFF = 4.0


def update(neighbors: SkinNeighborList, atoms: Atoms):
    return neighbors.update(torch.tensor(atoms.positions), torch.tensor(atoms.cell.array), torch.tensor(atoms.pbc))


def assert_same(found, atoms: Atoms) -> None:
    """The edges of the full search in the same order, and as many as ASE finds."""
    data = from_ase(atoms, CUTOFF)
    expected = Edges.of(data.edge_index, len(atoms), len(atoms), reverse_edges(data.edge_index, data.edge_shift))
    for a, b in zip((*found.edges[:4], *found.edges.sorted), (*expected[:4], *expected.sorted), strict=True):
        assert torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b
    vectors = edge_vectors(data.pos, data.cell, data.edge_index, data.edge_shift)
    torch.testing.assert_close(found.edge_vec, vectors, rtol=0, atol=1e-12)
    assert len(vectors) == len(ase.neighborlist.neighbor_list("i", atoms, CUTOFF))


def structures() -> dict[str, Atoms]:
    crystal = bulk("Cu", cubic=True).repeat((2, 3, 2))
    crystal.rattle(0.1, seed=0)
    slab = crystal.copy()
    slab.pbc = [True, False, True]
    thin = bulk("Cu")
    dense = molecule("C6H6")
    return {"crystal": crystal, "slab": slab, "one atom": thin, "molecule": dense, "isolated atom": Atoms("H")}


@pytest.mark.parametrize("name", structures())
@pytest.mark.parametrize("skin", [0.0, 0.3, 1.5])
def test_every_step_has_the_edges_of_a_full_search(name, skin):
    atoms, rng = structures()[name], np.random.default_rng(0)
    neighbors = SkinNeighborList(CUTOFF, skin)
    for _ in range(12):
        assert_same(update(neighbors, atoms), atoms)
        atoms.positions += rng.normal(scale=0.05, size=atoms.positions.shape)
    assert neighbors.num_builds == 12 if skin == 0 else neighbors.num_builds < 12


@pytest.mark.parametrize("name", ["crystal", "slab", "one atom"])
def test_strained_cells_have_the_edges_of_a_full_search(name):
    atoms, rng = structures()[name], np.random.default_rng(0)
    neighbors = SkinNeighborList(CUTOFF, 0.4)
    for _ in range(20):
        assert_same(update(neighbors, atoms), atoms)
        strain = np.eye(3) + rng.normal(scale=0.02, size=(3, 3))
        atoms.set_cell(atoms.cell.array @ strain, scale_atoms=True)
        atoms.positions += rng.normal(scale=0.02, size=atoms.positions.shape)
    assert 1 < neighbors.num_builds < 20


def test_search_is_repeated_at_half_of_the_skin_not_before():
    atoms = Atoms("H2", [[0, 0, 0], [0, 0, 4.98]])
    neighbors = SkinNeighborList(CUTOFF, 1.0)
    update(neighbors, atoms)
    atoms.positions[:, 2] += [0.495, -0.495]
    assert len(update(neighbors, atoms).edge_vec) == 2
    assert neighbors.num_builds == 1
    atoms.positions[:, 2] += [0.01, -0.01]
    update(neighbors, atoms)
    assert neighbors.num_builds == 2


def test_what_moves_as_a_whole_is_not_searched_again():
    atoms = structures()["crystal"]
    neighbors = SkinNeighborList(CUTOFF, 0.5)
    update(neighbors, atoms)
    atoms.positions += 100.0
    assert_same(update(neighbors, atoms), atoms)
    assert neighbors.num_builds == 1


def test_steps_without_new_neighbors_share_the_sorted_edges():
    atoms, neighbors = molecule("H2O"), SkinNeighborList(CUTOFF)
    first = update(neighbors, atoms)
    atoms.rattle(0.01)
    second = update(neighbors, atoms)
    assert first.edges is second.edges
    assert not torch.equal(first.edge_vec, second.edge_vec)


def test_another_structure_is_searched():
    neighbors = SkinNeighborList(CUTOFF)
    crystal = structures()["crystal"]
    for atoms in (molecule("H2O"), crystal, structures()["slab"], crystal[:-1], structures()["isolated atom"]):
        assert_same(update(neighbors, atoms), atoms)
    assert neighbors.num_builds == 5


def test_atoms_moved_in_place_are_seen():
    atoms, neighbors = structures()["crystal"], SkinNeighborList(CUTOFF, 0.5)
    pos = torch.from_numpy(atoms.positions)  # shares the memory
    neighbors.update(pos, torch.tensor(atoms.cell.array), torch.tensor(atoms.pbc))
    atoms.positions[0] += 1.0
    found = neighbors.update(pos, torch.tensor(atoms.cell.array), torch.tensor(atoms.pbc))
    assert neighbors.num_builds == 2
    assert_same(found, atoms)


@pytest.mark.parametrize("skin", [-0.1, float("nan"), float("inf")])
def test_a_skin_that_is_none_is_refused(skin):
    with pytest.raises(ValueError, match=f"expected a skin that is zero or a positive number .*got {skin}"):
        SkinNeighborList(CUTOFF, skin)


def test_atoms_that_meet_are_refused():
    atoms, neighbors = Atoms("H2", [[0, 0, 0], [0, 0, 0.2]]), SkinNeighborList(CUTOFF)
    update(neighbors, atoms)
    atoms.positions[1, 2] = 1e-5
    with pytest.raises(ValueError, match=r"got atoms [01] and [01] 1\.0e-05 Å apart"):
        update(neighbors, atoms)


def test_positions_that_are_not_finite_are_refused():
    atoms, neighbors = molecule("H2O"), SkinNeighborList(CUTOFF)
    update(neighbors, atoms)
    atoms.positions[1, 0] = np.nan
    with pytest.raises(ValueError, match=r"expected finite positions, got .* for atom 1"):
        update(neighbors, atoms)
    atoms = structures()["crystal"]
    update(neighbors, atoms)
    atoms.cell[0, 0] = np.nan
    with pytest.raises(ValueError, match="expected a finite cell"):
        update(neighbors, atoms)
