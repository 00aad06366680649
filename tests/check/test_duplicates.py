"""The same structure in every disguise; others are not mistaken for it."""

import ase
import numpy as np
import pytest
from ase.build import bulk, molecule
from check_data import checked, crystals, molecules

from eqgraph.check.duplicates import check_duplicates


def disguised(atoms: ase.Atoms, seed: int, mirror: bool = False) -> ase.Atoms:
    """Turned (and mirrored), moved, with atoms in another order and in other cells, and written with six digits."""
    rng = np.random.default_rng(seed)
    q, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    q *= np.sign(np.linalg.det(q)) * (-1 if mirror else 1)
    copy = ase.Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=atoms.pbc)[rng.permutation(len(atoms))]
    copy.positions += rng.normal(scale=3, size=3)
    if copy.pbc.any():
        copy.wrap()
    copy.set_cell(copy.cell.array @ q)
    copy.positions = np.round(copy.positions @ q, 6)
    return copy


def rattled(atoms: ase.Atoms, number: int) -> list[ase.Atoms]:
    copies = []
    for seed in range(number):
        copy = atoms.copy()
        copy.rattle(0.03, seed=seed)
        copies.append(copy)
    return copies


SETS = {
    "molecules": lambda: molecules(20),
    "strained crystals": lambda: crystals(20),
    "supercells": lambda: rattled(bulk("NaCl", "rocksalt", a=5.6).repeat(2), 15),
    "slabs": lambda: rattled(ase.Atoms("Cu4", bulk("Cu", cubic=True).positions, cell=[3.6, 3.6, 0], pbc=[1, 1, 0]), 15),
    "symmetric": lambda: [
        molecule("C6H6"),
        molecule("CH4"),
        molecule("CO2"),
        bulk("NaCl", "rocksalt", a=5.6).repeat(2),
    ],
}


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("mirror", [False, True])
def test_copies_are_found_and_nothing_else(name, mirror):
    structures = SETS[name]()
    copies = [disguised(atoms, seed, mirror) for seed, atoms in enumerate(structures)]
    assert [finding.severity for finding in check_duplicates(checked(structures))] == ["ok"]
    (leaked,) = check_duplicates(checked(structures, copies))
    assert (leaked.check, leaked.severity, leaked.file) == ("leakage", "warning", "b.xyz")
    assert leaked.frames == tuple(range(len(structures)))
    (within,) = check_duplicates(checked([*structures, copies[1], copies[0]]))
    assert within.frames == (len(structures), len(structures) + 1)
    assert f"{len(structures)} of 1, {len(structures) + 1} of 0" in within.message


def test_copies_with_other_energies():
    first, second = molecules(1), [disguised(molecules(1)[0], 3)]
    second[0].info["energy"] = first[0].get_potential_energy() + 1
    found = {finding.check: finding for finding in check_duplicates(checked(first, second))}
    assert "Expected copies of a structure to have the same energy" in found["contradicting labels"].message


def test_same_distances_but_another_element():
    a, b = ase.Atoms("HCl", [[0, 0, 0], [0, 0, 1.3]]), ase.Atoms("HBr", [[0, 0, 0], [0, 0, 1.3]])
    (found,) = check_duplicates(checked([a, b]))
    assert found.severity == "ok"
