import dataclasses

import ase.build
import ase.io
import numpy as np
import pytest
from ase.calculators.singlepoint import SinglePointCalculator

from eqgraph.datasets import data_hash, frames_from_atoms, read_frames


def frames():
    rng = np.random.default_rng(0)
    structures = []
    for _ in range(2):
        atoms = ase.build.bulk("Cu", cubic=True)
        atoms.positions = np.round(atoms.positions + rng.normal(size=(4, 3)), 8)
        forces, stress = np.round(rng.normal(size=(4, 3)), 8), np.round(rng.normal(size=6), 8)
        atoms.calc = SinglePointCalculator(atoms, energy=-1.0, forces=forces, stress=stress)
        structures.append(atoms)
    return frames_from_atoms(structures)


def test_known_value():
    atoms = ase.Atoms("H2", [[0, 0, 0], [0, 0, 0.74]], info={"energy": -31.7})
    digest = "690b087495287b14cb44e73492b4071b951f4d915cdd1e454a0d8b284dd78325"
    assert data_hash(frames_from_atoms([atoms], require=["energy"])) == digest


@pytest.mark.parametrize("suffix", ["xyz", "traj", "db"])
def test_same_from_all_formats(tmp_path, suffix):
    reference = frames()
    ase.io.write(tmp_path / f"data.{suffix}", [frame.atoms for frame in reference])
    assert data_hash(read_frames(tmp_path / f"data.{suffix}")) == data_hash(reference)


def test_everything_counts():
    reference = frames()
    first = reference[0]
    hashes = {data_hash(reference), data_hash(reference[::-1]), data_hash(reference[:1]), data_hash([])}
    for name in ("positions", "cell", "numbers", "pbc"):
        atoms = first.atoms.copy()
        values = np.array(getattr(atoms, name))
        values.flat[0] = not values.flat[0] if name == "pbc" else values.flat[0] + 1
        setattr(atoms, name, values)
        hashes.add(data_hash([dataclasses.replace(first, atoms=atoms), reference[1]]))
    for changes in (
        {"energy": -2.0},
        {"energy": None},
        {"forces": first.forces + 1},
        {"forces": None},
        {"stress": None},
    ):
        hashes.add(data_hash([dataclasses.replace(first, **changes), reference[1]]))
    assert len(hashes) == 13


def test_constraints_names_and_the_sign_of_zero_do_not_count():
    reference, other = frames(), frames()
    other[0].atoms.info["name"] = "copper"
    other[0].atoms.set_constraint(ase.constraints.FixAtoms([0]))
    reference[0].forces[0], other[0].forces[0] = 0.0, -0.0
    assert data_hash(reference) == data_hash(other)
