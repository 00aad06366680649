"""Rank of the compositions, E0s and isolated atoms."""

import ase
import numpy as np
from ase.build import molecule
from check_data import checked

from eqgraph.check.compositions import check_compositions
from eqgraph.check.isolated_atoms import check_isolated_atoms

E0 = {"H": -13.6, "C": -1027.0, "O": -2040.0}


def labelled(name: str) -> ase.Atoms:
    atoms = molecule(name) if len(name) > 1 else ase.Atoms(name)
    atoms.info["energy"] = sum(E0[symbol] for symbol in atoms.symbols)
    return atoms


def test_e0s_of_compositions_that_determine_them():
    (found,) = check_compositions(checked([labelled(name) for name in ("CH4", "H2O", "CO2", "CH3OH")]))
    assert (found.severity, found.numbers["rank"]) == ("ok", 3)
    np.testing.assert_allclose([found.numbers["E0s"][symbol] for symbol in E0], list(E0.values()), rtol=1e-9)


def test_compositions_that_do_not():
    (one,) = check_compositions(checked([labelled("CH4")] * 3))
    assert (one.severity, one.numbers["rank"]) == ("info", 1)
    (tied,) = check_compositions(checked([labelled("CH4"), labelled("H2O")]))
    assert (tied.severity, tied.numbers["rank"]) == ("warning", 2)
    assert "tied" in tied.message


def test_isolated_atoms_of_any_file_count():
    data = checked([labelled("CH4")], [labelled("H"), labelled("C"), labelled("O")])
    (found,) = check_compositions(data)
    assert "isolated atoms" in found.message
    (listed,) = check_isolated_atoms(data)
    assert (listed.file, listed.frames, listed.numbers) == ("b.xyz", (0, 1, 2), E0)
    (crystal,) = check_isolated_atoms(checked([ase.Atoms("Cu", cell=[2.5] * 3, pbc=True)]))
    assert "one atom (Cu) with a periodic image" in crystal.message
