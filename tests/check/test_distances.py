"""Short distances, atoms at the same place, and atoms without neighbors."""

import ase
import pytest
from ase.build import molecule
from check_data import checked

from eqgraph.check.distances import check_distances
from eqgraph.check.neighbors import check_neighbors


def test_shortest_distances_and_close_atoms():
    (fine,) = check_distances(checked([molecule("H2O"), molecule("CO2")]))
    assert fine.severity == "ok"
    assert fine.numbers["H-O"]["distance"] == pytest.approx(0.969, abs=1e-3)
    close = ase.Atoms("OH", [[0, 0, 0], [0, 0, 0.3]])
    (found,) = check_distances(checked([molecule("H2O"), close]))
    assert (found.severity, found.frames) == ("warning", (1,))
    same, _ = check_distances(checked([ase.Atoms("O2", [[0, 0, 0], [0, 0, 0]]), molecule("H2O")]))
    assert (same.severity, same.frames) == ("error", (0,))


def test_atoms_without_neighbors():
    (fine,) = check_neighbors(checked([molecule("H2O")]))
    assert (fine.severity, fine.numbers["mean"]) == ("ok", 2.0)
    far = ase.Atoms("OHH", [[0, 0, 0], [0, 0, 1], [0, 0, 9]])
    (found,) = check_neighbors(checked([molecule("H2O"), far]))
    assert (found.severity, found.frames) == ("warning", (1,))
    (none,) = check_neighbors(checked([ase.Atoms("He2", [[0, 0, 0], [0, 0, 9]])]))
    assert none.severity == "error"
