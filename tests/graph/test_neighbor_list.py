import itertools
import math
import time

import numpy as np
import pytest
import torch
from ase.neighborlist import primitive_neighbor_list

from eqgraph.graph import edge_vectors, neighbor_list

EMPTY_CELL = torch.zeros(3, 3, dtype=torch.float64)


def as_set(edge_index, edge_shift):
    edges = {tuple(row) for row in torch.cat([edge_index.T, edge_shift.long()], dim=1).tolist()}
    assert len(edges) == edge_index.shape[1]  # no edge twice
    return edges


def ase_edges(pos, cutoff, cell, pbc):
    src, dst, shift = primitive_neighbor_list("ijS", pbc, cell.numpy(), pos.numpy(), cutoff)
    return {tuple(row) for row in np.column_stack([src, dst, shift]).tolist()}


def random_cell(rng, size):
    """Triclinic, skewed, but thicker than 0.4 Å."""
    while True:
        cell = rng.normal(size=(3, 3)) * size
        if np.linalg.norm(np.linalg.inv(cell), axis=0).max() < 1 / 0.4:
            return torch.from_numpy(cell)


@pytest.mark.parametrize("pbc", list(itertools.product([False, True], repeat=3)), ids=str)
def test_same_edges_as_ase(pbc):
    rng = np.random.default_rng(0)
    for _ in range(40):
        cell, cutoff = random_cell(rng, rng.choice([1, 3, 6])), rng.uniform(1, 5)
        # spread over many cells, far outside of the first
        pos = torch.from_numpy(rng.normal(size=(rng.integers(1, 7), 3)) * rng.choice([1, 10, 50]))
        assert as_set(*neighbor_list(pos, cutoff, cell, pbc)) == ase_edges(pos, cutoff, cell, pbc)


@pytest.mark.parametrize("offset", [0.0, 100.0, -1e6])
def test_open_structures_do_not_depend_on_the_origin(offset):
    pos = torch.randn(30, 3, dtype=torch.float64) * 3
    edge_index, edge_shift = neighbor_list(pos + offset, 4.0)
    assert torch.equal(edge_index, neighbor_list(pos, 4.0)[0])
    assert not edge_shift.any()
    assert edge_vectors(pos + offset, EMPTY_CELL, edge_index, edge_shift).norm(dim=-1).max() < 4.0


@pytest.mark.parametrize("pbc", [[True, True, False], [True, True, True]])
def test_periodic_structures_do_not_depend_on_the_cell_that_atoms_lie_in(pbc):
    cell = torch.from_numpy(random_cell(np.random.default_rng(1), 4).numpy())
    pos, moves = torch.randn(8, 3, dtype=torch.float64), torch.randint(-1000, 1000, (8, 3)) * torch.tensor(pbc)
    edge_index, edge_shift = neighbor_list(pos, 4.0, cell, pbc)
    moved_index, moved_shift = neighbor_list(pos + moves.double() @ cell, 4.0, cell, pbc)
    src, dst = moved_index
    assert as_set(moved_index, moved_shift + moves[dst] - moves[src]) == as_set(edge_index, edge_shift)


@pytest.mark.parametrize("far", [1e3, 1e4, 1e6, 1e9])
def test_fragments_far_apart(far):
    pos = torch.tensor([[0.0, 0, 0], [1, 0, 0], [far, 0, 0], [0, far, 0], [0, far, 1]], dtype=torch.float64)
    assert neighbor_list(pos, 4.0)[0].T.tolist() == [[1, 0], [0, 1], [4, 3], [3, 4]]


@pytest.mark.parametrize("cutoff", [1e3, 1e5, 1e10, 1e300])
def test_cutoff_larger_than_the_structure(cutoff):
    """At once, and with all pairs: nothing is searched where there are no points."""
    pos = torch.randn(5, 3, dtype=torch.float64)
    start = time.process_time()
    edges = as_set(*neighbor_list(pos, cutoff))
    assert time.process_time() - start < 1
    assert edges == {(i, j, 0, 0, 0) for i, j in itertools.permutations(range(5), 2)}


@pytest.mark.parametrize("pbc", [[True, False, False], [False, True, True], [False, False, False]], ids=str)
def test_open_directions_have_no_images(pbc):
    """A long cutoff, thin open directions, and a short cell vector along them that means nothing."""
    cell = torch.diag(torch.tensor([3.0, 4.0, 5.0], dtype=torch.float64))
    cell[~torch.tensor(pbc)] *= 0.01
    pos = torch.rand(3, 3, dtype=torch.float64)
    start = time.process_time()
    edges = as_set(*neighbor_list(pos, 60.0, cell, pbc))
    assert time.process_time() - start < 1
    shortened = as_set(*neighbor_list(pos, 11.0, cell, pbc))
    assert shortened == ase_edges(pos, 11.0, cell, pbc)
    assert shortened < edges or not any(pbc)


@pytest.mark.parametrize("lengths", [[1e6, 5, 5], [5, 1e4, 1e4], [5000, 3, 1000]])
def test_elongated_cells(lengths):
    cell = torch.diag(torch.tensor(lengths, dtype=torch.float64))
    pos = torch.tensor([[0.1, 0.1, 0.1]], dtype=torch.float64) @ cell
    pos = torch.cat([pos, pos - 1.0])
    assert as_set(*neighbor_list(pos, 4.0, cell, [True] * 3)) == ase_edges(pos, 4.0, cell, [True] * 3)


def test_cell_smaller_than_the_cutoff_has_self_images():
    cell = torch.eye(3, dtype=torch.float64)
    edge_index, edge_shift = neighbor_list(torch.zeros(1, 3, dtype=torch.float64), 1.1, cell, [True] * 3)
    assert not edge_index.any()
    assert as_set(edge_index, edge_shift) == {
        (0, 0, 0, 0, 1), (0, 0, 0, 1, 0), (0, 0, 1, 0, 0), (0, 0, 0, 0, -1), (0, 0, 0, -1, 0), (0, 0, -1, 0, 0),
    }  # fmt: skip


def test_open_directions_may_lack_a_cell_vector():
    cell = torch.diag(torch.tensor([2.0, 0.0, 0.0], dtype=torch.float64))
    pos = torch.tensor([[0.0, 0, 0], [0, 1, 100]], dtype=torch.float64)
    edges = as_set(*neighbor_list(pos, 2.5, cell, [True, False, False]))
    assert edges == {(i, i, s, 0, 0) for i in (0, 1) for s in (-1, 1)}


def test_cell_of_an_open_structure_does_not_matter():
    pos = torch.tensor([[0.1, 0.1, 0.1], [9.9, 9.9, 9.9]], dtype=torch.float64)
    assert neighbor_list(pos, 5.0, 10 * torch.eye(3, dtype=torch.float64), [False] * 3)[0].shape == (2, 0)


@pytest.mark.parametrize("num_points", [0, 1])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_no_edges(num_points, dtype):
    edge_index, edge_shift = neighbor_list(torch.zeros(num_points, 3, dtype=dtype), 5.0)
    assert edge_index.shape == (2, 0)
    assert edge_index.dtype == torch.int64
    assert edge_shift.shape == (0, 3)
    assert edge_shift.dtype == dtype


def test_the_cutoff_itself_is_excluded_and_pairs_are_complete():
    pos = torch.tensor([[0.0, 0, 0], [3, 0, 0]], dtype=torch.float64)
    assert neighbor_list(pos, 3.0)[0].shape[1] == 0
    assert neighbor_list(pos, math.nextafter(3.0, 4.0))[0].shape[1] == 2


def test_every_edge_has_its_opposite_in_a_crystal_with_the_cutoff_on_a_shell():
    cell = torch.eye(3, dtype=torch.float64) * 3.3
    pos = torch.tensor([[0.1, 0.2, 0.3], [1.75, 1.85, 1.95]], dtype=torch.float64)
    edges = as_set(*neighbor_list(pos, 3.3, cell, [True] * 3))
    assert edges == {(j, i, -x, -y, -z) for i, j, x, y, z in edges}


def test_edges_are_sorted():
    cell = torch.from_numpy(random_cell(np.random.default_rng(2), 3).numpy())
    (src, dst), shift = neighbor_list(torch.randn(5, 3, dtype=torch.float64), 5.0, cell, [True] * 3)
    keys = torch.stack([dst.double(), src.double(), *shift.T], dim=1).tolist()
    assert keys == sorted(keys)


def test_input_may_need_gradients_and_stays_as_it_is():
    pos = torch.full((2, 3), 7.0, dtype=torch.float64, requires_grad=True)
    cell = torch.eye(3, dtype=torch.float64, requires_grad=True)
    neighbor_list(pos, 0.9, cell, [True, False, False])
    assert torch.equal(pos, torch.full_like(pos, 7.0))
    assert torch.equal(cell, torch.eye(3, dtype=torch.float64))


@pytest.mark.parametrize("cutoff", [0.0, -1.0, math.nan, math.inf])
def test_refuses_a_cutoff_that_is_not_positive(cutoff):
    with pytest.raises(ValueError, match=r"expected a cutoff that is a positive number \[Å\], got"):
        neighbor_list(torch.zeros(2, 3), cutoff)


def test_refuses_positions_that_are_not_finite():
    with pytest.raises(ValueError, match=r"expected finite positions, got \[0.0, nan, 0.0\] for atom 1"):
        neighbor_list(torch.tensor([[0.0, 0, 0], [0, math.nan, 0]]), 3.0)


def test_refuses_a_cell_that_is_not_finite():
    with pytest.raises(ValueError, match="expected a finite cell"):
        neighbor_list(torch.zeros(2, 3), 3.0, torch.full((3, 3), math.inf), [True] * 3)


@pytest.mark.parametrize(
    ("cell", "pbc"),
    [
        ([[5.0, 0, 0], [0, 5, 0], [0, 0, 0]], [True, True, True]),
        ([[5.0, 0, 0], [10, 0, 0], [0, 0, 5]], [True, True, False]),
        ([[1.0, 2, 3], [4, 5, 6], [7, 8, 9]], [True, True, True]),
    ],
    ids=["zero vector", "parallel vectors", "vectors in a plane"],
)
def test_refuses_a_degenerate_periodic_cell(cell, pbc):
    with pytest.raises(ValueError, match="expected linearly independent cell vectors"):
        neighbor_list(torch.zeros(1, 3), 3.0, torch.tensor(cell), pbc)


def test_refuses_periodicity_without_a_cell():
    with pytest.raises(ValueError, match="expected a cell for pbc="):
        neighbor_list(torch.zeros(1, 3), 3.0, None, [True, False, False])


def test_refuses_a_cell_without_periodicity():
    with pytest.raises(ValueError, match="expected pbc for the cell"):
        neighbor_list(torch.zeros(1, 3), 3.0, torch.eye(3))
