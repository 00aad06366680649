"""Forces add up to zero."""

from check_data import checked, keep

from eqgraph.check.net_force import check_net_force


def test_net_force(methanol):
    structures = [keep(atoms) for atoms in methanol]
    (fine,) = check_net_force(checked(structures))
    assert fine.severity == "ok"
    structures[3].calc.results["forces"][:, 0] += 0.5
    (found,) = check_net_force(checked(structures))
    assert found.severity == "warning"
    assert found.frames == (3,)
    assert "frame 3" in found.message
