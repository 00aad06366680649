"""Where labels are found. Their messages are tested where users meet them: test_read_frames.py."""

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.constraints import FixAtoms

from eqgraph.datasets.labels import find_label, has_stale_results


def hydrogen() -> Atoms:
    return Atoms("H2", [[0, 0, 0], [0, 0, 0.8]], cell=[9, 9, 9])


@pytest.mark.parametrize("place", ["info", "arrays", "calculator", "database"])
def test_forces_are_found_wherever_they_are(place):
    atoms, forces = hydrogen(), np.arange(6.0).reshape(2, 3)
    if place == "info":
        atoms.info["forces"] = forces
    elif place == "arrays":
        atoms.arrays["forces"] = forces
    elif place == "database":
        atoms.info["data"] = {"forces": forces}
    else:
        atoms.calc = SinglePointCalculator(atoms, forces=forces)
        atoms.set_constraint(FixAtoms([0]))  # does not turn a label into zero
    np.testing.assert_array_equal(find_label(atoms, "forces", "forces", "here"), forces)
    assert find_label(atoms, "energy", "energy", "here") is None


def test_stress_comes_in_every_shape_that_ase_writes():
    voigt = [1.0, 2.0, 3.0, 0.4, 0.5, 0.6]  # xx, yy, zz, yz, xz, xy
    matrix = np.array([[1.0, 0.6, 0.5], [0.6, 2.0, 0.4], [0.5, 0.4, 3.0]])
    for stored in (voigt, matrix, matrix.ravel()):
        atoms = hydrogen()
        atoms.info["s"] = stored
        np.testing.assert_array_equal(find_label(atoms, "stress", "s", "here"), matrix)


def test_results_of_another_structure_are_stale():
    atoms = hydrogen()
    atoms.calc = SinglePointCalculator(atoms, energy=-31.0)
    assert not has_stale_results(atoms)
    atoms.positions[1, 2] += 0.1
    assert has_stale_results(atoms)
    with pytest.raises(ValueError, match="here: expected the calculator's 'energy' to belong to this structure"):
        find_label(atoms, "energy", "energy", "here")
