import pytest
from ase import Atoms

from eqgraph.datasets import Frame


@pytest.mark.parametrize(
    ("atoms", "expected"),
    [
        (Atoms("H"), True),
        (Atoms("H", cell=[9, 9, 9]), True),
        (Atoms("H", cell=[9, 9, 9], pbc=[False, False, True]), False),
        (Atoms("H2", [[0, 0, 0], [0, 0, 1]]), False),
    ],
    ids=["open", "open in a box", "chain", "molecule"],
)
def test_isolated_atoms(atoms, expected):
    assert Frame(atoms).is_isolated_atom == expected


def test_config_type():
    assert Frame(Atoms("H", info={"config_type": 5})).config_type == "5"
    assert Frame(Atoms("H")).config_type is None
