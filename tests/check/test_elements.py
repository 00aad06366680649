"""Elements of later files that are not in the first."""

from ase import Atoms
from ase.build import molecule
from check_data import checked

from eqgraph.check.elements import check_elements


def test_elements_that_nobody_trains_on_are_errors():
    first, second = check_elements(checked([molecule("CH4"), molecule("H2O")], [molecule("CO2"), molecule("NH3")]))
    assert first.numbers == {"H": 6, "C": 1, "O": 1}
    assert (second.severity, second.frames) == ("error", (1,))
    assert "came N." in second.message
    _, fine = check_elements(checked([molecule("H2O")], [Atoms("N")]))
    assert fine.severity == "ok"  # isolated atoms are not trained on
    _, fine = check_elements(checked([molecule("CH4"), molecule("H2O")], [molecule("CO2")]))
    assert fine.severity == "ok"
