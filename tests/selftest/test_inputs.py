"""What a self-test can be run on, and what it says of the rest."""

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from broken_networks import correct_potential

from eqgraph.graph import from_ase
from eqgraph.selftest import made_structures, read_structure, run_selftest


@pytest.mark.parametrize(
    ("atoms", "message"),
    [
        (molecule("NH3"), r"only the species that it was trained on \(H, C, O, Cu\), got N\. Train"),
        (
            Atoms("O"),
            r"at least two atoms within the cutoff of 3\.5 Å, got 1 atom \(O\) without neighbors.*Give a structure",
        ),
        (Atoms("H2", [(0, 0, 0), (0, 0, 9)]), r"got 2 atoms \(H2\) without neighbors: there is nothing to test"),
        (Atoms("H", cell=[9, 9, 9], pbc=True), r"got 1 atom \(H\) without neighbors"),
        (
            Atoms("Cu", cell=[0.2, 5, 5], pbc=True),
            r"at least 0\.3 Å apart, got two 0\.2 Å apart \(cell lengths \[0\.2, 5\.0, 5\.0\]",
        ),
        (Atoms("Cu", cell=[1e-5, 5, 5], pbc=True), "expected linearly independent cell vectors"),
        (Atoms("H2", [(0, 0, 0), (0, 0, np.nan)]), "expected finite positions, got NaN"),
        (Atoms(), "expected at least one atom"),
    ],
)
def test_structures_that_cannot_be_used_are_refused(atoms, message):
    with pytest.raises(ValueError, match=message):
        run_selftest(correct_potential(), atoms)


def test_arguments_that_make_no_sense_are_refused():
    water = molecule("H2O")
    with pytest.raises(ValueError, match="expected a tolerance_scale above 0, got 0"):
        run_selftest(correct_potential(), water, tolerance_scale=0)
    with pytest.raises(ValueError, match="expected at least 10 md_steps, got 1"):
        run_selftest(correct_potential(), water, md_steps=1)
    half = correct_potential()
    half.network.half()
    with pytest.raises(ValueError, match=r"expected a network in float32 or float64, got torch\.float16"):
        run_selftest(half, water)


@pytest.mark.parametrize("species", [[1], [8, 29], list(range(1, 20))])
def test_made_structures_have_all_species_and_room(species):
    for name, atoms in made_structures(species, 4.0).items():
        assert set(atoms.numbers) == set(species)
        assert atoms.pbc.all() == (name == "crystal")
        data = from_ase(atoms, 4.0)
        assert set(data.edge_index[1].tolist()) == set(range(len(atoms))), "no atom is without neighbors"
        vectors = data.pos[data.edge_index[1]] - data.pos[data.edge_index[0]] + data.edge_shift @ data.cell[0]
        assert vectors.norm(dim=1).min() > 0.5
        np.testing.assert_array_equal(made_structures(species, 4.0)[name].positions, atoms.positions)


def test_a_structure_is_found_by_its_number(tmp_path):
    ase.io.write(tmp_path / "a.xyz", [molecule("H2O"), molecule("CH4"), bulk("Cu")])
    ase.io.write(tmp_path / "b@1.xyz", molecule("CO"), format="extxyz")
    (tmp_path / "b@1.xyz").rename(tmp_path / "b@1")
    for name, formula in (("a.xyz", "H2O"), ("a.xyz@1", "CH4"), ("a.xyz@-1", "Cu"), ("b@1", "CO")):
        assert read_structure(str(tmp_path / name)).atoms.get_chemical_formula() == formula
    for index in (3, -4):
        with pytest.raises(
            ValueError, match=rf"structure @{index} in .*a\.xyz', came a file of 3 structures\. Choose 0 to 2"
        ):
            read_structure(f"{tmp_path}/a.xyz@{index}")
    with pytest.raises(FileNotFoundError, match="which does not exist"):
        read_structure(str(tmp_path / "c.xyz@0"))


def test_constraints_and_velocities_do_not_matter():
    from ase.constraints import FixAtoms

    atoms = molecule("H2O")
    atoms.set_constraint(FixAtoms([0, 1, 2]))
    atoms.set_momenta(np.full((3, 3), 1e3))
    results = {r.test: r for r in run_selftest(correct_potential(), atoms, md_steps=10)}
    assert all(result.verdict != "fail" for result in results.values())
    assert results["NVE drift"].worst.value > 0
    assert atoms.constraints


def test_chains_far_apart_have_no_atom_to_pull_away():
    """Each atom sees its own images only."""
    places = [[0, 0, 0], [0, 20, 0], [0, 0, 20], [0, 20, 20]]
    atoms = ase.Atoms("H4", places, cell=[2.0, 40, 40], pbc=[True, False, False])
    results = {result.test: result for result in run_selftest(correct_potential(), atoms, md_steps=10)}
    assert results["cutoff"].verdict == "not applicable"
    assert results["rotation"].verdict == "pass"
