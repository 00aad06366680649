import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from eqgraph.datasets import Frame


@pytest.mark.parametrize(
    ("atoms", "expected"),
    [
        (Atoms("H"), True),
        (Atoms("H", cell=[9, 9, 9]), True),
        (Atoms("Cu", cell=[15] * 3, pbc=True), True),
        (Atoms("H", cell=[9, 3, 3], pbc=[True, False, False]), True),
        (Atoms("H", cell=[9, 9, 3], pbc=[False, False, True]), False),
        (Atoms("Cu", cell=[8] * 3, pbc=True), False),
        (Atoms("Cu", cell=[[20, 0, 0], [18, 3, 0], [0, 0, 30]], pbc=True), False),
        (Atoms("Cu", cell=[[20, 0, 0], [15, 10, 0], [3, 2, 30]], pbc=True), True),
        (bulk("Cu"), False),
        (Atoms("H2", [[0, 0, 0], [0, 0, 1]]), False),
        (Atoms("H", pbc=True), False),
        (Atoms("H", cell=[np.nan] * 3, pbc=True), False),
    ],
    ids=[
        "open",
        "open in a box",
        "vacuum box",
        "wide chain",
        "chain",
        "small box",
        "skewed box, images near",
        "skewed box, images far",
        "crystal",
        "molecule",
        "no cell",
        "cell that is no number",
    ],
)
def test_isolated_atoms(atoms, expected):
    assert Frame(atoms).is_isolated_atom == expected


@pytest.mark.parametrize("name", ["IsolatedAtom", "isolated_atom", "Cu isolated", "ISOLATED-ATOM"])
def test_isolated_atoms_in_a_small_box_that_are_called_so(name):
    assert Frame(Atoms("Cu", cell=[7] * 3, pbc=True, info={"config_type": name})).is_isolated_atom
    assert not Frame(Atoms("Cu2", [[0, 0, 0], [0, 0, 2]], info={"config_type": name})).is_isolated_atom


def test_config_type():
    assert Frame(Atoms("H", info={"config_type": 5})).config_type == "5"
    assert Frame(Atoms("H")).config_type is None
