"""Atoms of ASE in LAMMPS."""

import numpy as np

from eqgraph.calculators.lammps import attach

BAR = 1 / (1e4 * 160.21766208)
"""eV/Å³."""

THERMO = "thermo_style custom step temp pe etotal press pxx pyy pzz pyz pxz pxy c_sum_energy c_sum_stress[*]"

ELEMENTS = ["H", "C", "O"]


def create(lmp, atoms, boundary="p p p") -> None:
    """A box with the atoms, numbered as in ASE."""
    (a, _, _), (xy, b, _), (xz, yz, c) = atoms.cell.array.tolist()
    lmp.commands_string(
        f"""units metal
        boundary {boundary}
        atom_modify map yes
        box tilt large
        region box prism 0 {a!r} 0 {b!r} 0 {c!r} {xy!r} {xz!r} {yz!r}
        create_box 3 box
        mass 1 1.008
        mass 2 12.011
        mass 3 15.999"""
    )
    types = [1 + ELEMENTS.index(symbol) for symbol in atoms.symbols]
    lmp.create_atoms(len(atoms), list(range(1, len(atoms) + 1)), types, atoms.positions.ravel().tolist())


def observe(lmp) -> None:
    """Sums of energies and stresses of atoms in the thermodynamic output."""
    lmp.commands_string(
        f"""compute energy all pe/atom
        compute stress all stress/atom NULL virial
        compute sum_energy all reduce sum c_energy
        compute sum_stress all reduce sum c_stress[1] c_stress[2] c_stress[3] c_stress[4] c_stress[5] c_stress[6]
        {THERMO}"""
    )


def per_atom(lmp) -> dict:
    """Numbers (from 0), forces, energies and virials [eV] of the atoms of this process."""
    count = lmp.extract_setting("nlocal")
    if not count:
        return {"index": np.zeros(0, dtype=int), "forces": np.zeros((0, 3)), "energies": np.zeros(0)}
    return {
        "index": lmp.numpy.extract_atom("id", nelem=count) - 1,
        "forces": lmp.numpy.extract_atom("f", nelem=count, dim=3).copy(),
        "energies": lmp.numpy.extract_compute("energy", 1, 1)[:count].copy(),
    }


def single_point(lmp, atoms, model, boundary="p p p") -> dict:
    """Thermodynamic output and what per_atom has."""
    create(lmp, atoms, boundary)
    attach(lmp, model, ELEMENTS)
    observe(lmp)
    lmp.command("run 0")
    return {"thermo": lmp.last_thermo(), **per_atom(lmp)}
