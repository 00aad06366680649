"""Units that nobody said."""

import ase
import ase.io
import pytest
from ase import units
from ase.calculators.singlepoint import SinglePointCalculator

from eqgraph.train import parse_config
from eqgraph.train.potential.task import PotentialTask


def with_labels(source, target, energy: float, forces: float) -> None:
    frames = ase.io.read(source, ":")
    for atoms in frames:
        results = {"energy": energy * atoms.get_potential_energy(), "forces": forces * atoms.get_forces()}
        atoms.calc = SinglePointCalculator(atoms, **results)
    ase.io.write(target, frames)


@pytest.mark.parametrize(
    ("energy", "forces", "message"),
    [
        (1.0, -1.0, "wrong sign"),
        (1 / units.Hartree, 1.0, "Hartree"),
        (1.0, units.Bohr / units.Hartree, "Hartree"),
        (units.mol / units.kcal, 1.0, "kcal/mol"),
    ],
)
def test_labels_in_other_units_do_not_train(raw, tmp_path, energy, forces, message):
    """chgnet#228, mace#442, fairchem#1818 and gap 2 of the field: signs and units of labels are believed, and errors called noise."""
    with_labels(tmp_path / "train.xyz", tmp_path / "wrong.xyz", energy, forces)
    raw["data"]["train"] = str(tmp_path / "wrong.xyz")
    with pytest.raises(ValueError, match=message):
        PotentialTask().read(parse_config(raw))


def test_labels_that_agree_do(raw):
    assert PotentialTask().read(parse_config(raw)).check.of("error") == []
