"""Committees and active learning."""

import ase.io
import numpy as np
import pytest
from squares import tiny

from eqgraph.calculators import EqgraphCalculator
from eqgraph.cli import main
from eqgraph.models import build_potential
from eqgraph.uncertainty import Committee


def test_every_promised_uncertainty_is_there_and_the_deviation_of_forces_is_a_vector_per_atom(run_of_seeds):
    """mace#220: KeyError 'forces_var', or another shape than expected; mace#1018: forces have no deviation to be had."""
    atoms = ase.io.read(run_of_seeds.parent / "train.xyz")
    atoms.calc = EqgraphCalculator(run_of_seeds)
    promised = [name for name in atoms.calc.implemented_properties if name.endswith("_uncertainty")]
    shapes = {name: np.shape(atoms.calc.get_property(name, atoms)) for name in promised}
    assert shapes == {"energy_uncertainty": (), "energies_uncertainty": (4,), "forces_uncertainty": (4, 3)}


def test_structures_of_any_engine_can_be_chosen_from(run_of_seeds, tmp_path):
    """mace#568: active learning with another engine than ASE; a trajectory that LAMMPS wrote is a pool."""
    frames = ase.io.read(run_of_seeds.parent / "train.xyz", ":")
    dump = []
    for step, atoms in enumerate(frames):
        dump += ["ITEM: TIMESTEP", str(step), "ITEM: NUMBER OF ATOMS", "4", "ITEM: BOX BOUNDS ff ff ff", *["-9 9"] * 3]
        dump.append("ITEM: ATOMS id type element x y z")
        dump += [
            f"{number + 1} {1 + (symbol == 'O')} {symbol} {x} {y} {z}"
            for number, (symbol, (x, y, z)) in enumerate(zip(atoms.symbols, atoms.positions, strict=True))
        ]
    (tmp_path / "a.lammpstrj").write_text("\n".join(dump) + "\n")
    committee = ["--committee", str(run_of_seeds)]
    assert main(["select", "a.lammpstrj", "-n", "4", *committee, "-o", "c.xyz", "--device", "cpu"]) == 0
    assert len(ase.io.read("c.xyz", ":")) == 4


def test_members_that_do_not_fit_are_named():
    """mace#1325: a model and its fine-tuned version with other elements fail deep inside with a mismatch of shapes."""
    one = tiny()
    other = build_potential("nequip", one.network.config, [1, 6, 8], 4.0, [0.0] * 3, [1.0] * 3, 3.0)
    with pytest.raises(ValueError, match=r"got \[1, 8\] within 4 Å and, as number 1, \[1, 6, 8\] within 4 Å"):
        Committee([one, other])
