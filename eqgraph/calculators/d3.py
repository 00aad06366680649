"""Dispersion (van der Waals attraction) for potentials that were trained on labels without it."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.calculators.calculator import BaseCalculator, Calculator, PropertyNotImplementedError, all_changes
from ase.calculators.mixing import SumCalculator
from ase.data import chemical_symbols
from ase.stress import full_3x3_to_voigt_6_stress
from ase.units import Bohr, Hartree

DAMPINGS = {
    "d3bj": "RationalDampingParam",
    "d3zero": "ZeroDampingParam",
    "d3mbj": "ModifiedRationalDampingParam",
    "d3mzero": "ModifiedZeroDampingParam",
    "d3op": "OptimizedPowerDampingParam",
}
"""Name of a damping function -> its class in dftd3.interface."""

_NUM_ELEMENTS = 103
"""The library has parameters up to lawrencium, and returns zero, without a word, beyond."""


def with_dispersion(
    calculator: BaseCalculator, functional: str = "pbe", damping: str = "d3bj", three_body: bool = False
) -> SumCalculator:
    """A calculator and the D3 dispersion: energy, forces and stress are exact sums of both.

    To be used with potentials whose labels have no dispersion in them: where the calculations that were trained on had a D3 correction
    switched on, it would be counted twice. Energies of atoms are not available, D3 does not divide its energy among them.

    Args:
        calculator: of the potential, or any other of ASE.
        functional: that of the labels; names are those of s-dftd3, such as pbe, b3lyp, r2scan, revpbe.
        damping: d3bj (of Becke and Johnson, what most programs mean by D3), d3zero (the original one), d3mbj, d3mzero or d3op.
        three_body: whether to add the Axilrod-Teller-Muto term, whose time grows with the third power of the number of atoms; off
            as in most programs.

    Raises:
        ImportError: if dftd3 is not installed.
        ValueError: if the functional or the damping function is unknown, or the one has no parameters for the other.
        TypeError: if three_body is no bool.

    Example:
        >>> from ase.build import molecule
        >>> from ase.calculators.emt import EMT
        >>> benzene = molecule("C6H6")
        >>> benzene.calc = with_dispersion(EMT())
        >>> f"{benzene.get_potential_energy() - EMT().get_potential_energy(benzene):.3f} eV"
        '-0.298 eV'

    Reference: Grimme et al. 2010, doi:10.1063/1.3382344; Grimme, Ehrlich, Goerigk 2011, doi:10.1002/jcc.21759; library: Ehlert 2024,
    doi:10.21105/joss.07169.
    """
    return SumCalculator([calculator, D3Calculator(functional, damping, three_body)])


class D3Calculator(Calculator):
    """The D3 dispersion alone: energy [eV], forces [eV/Å], stress [eV/Å³] by the library s-dftd3.

    Args and Raises: as with_dispersion.

    Open directions may have any cell vector, or none.
    """

    # the library's own calculator for ASE has no free_energy, computes energies again for forces, gives NaN for slabs without a third
    # cell vector, and energies that depend on that vector if it is short: atoms are wrapped along open directions, too
    implemented_properties = ("energy", "free_energy", "forces", "stress")

    def __init__(self, functional: str = "pbe", damping: str = "d3bj", three_body: bool = False) -> None:
        super().__init__()
        try:
            from dftd3 import interface
        except ImportError as error:
            raise ImportError(
                f'D3Calculator needs dftd3 ({error}). Install it with `pip install "eqgraph[d3]"`.'
            ) from error
        if damping not in DAMPINGS:
            raise ValueError(
                f"D3Calculator: expected damping among {', '.join(DAMPINGS)}, got {damping!r}. Choose one of these."
            )
        if not isinstance(three_body, bool):  # a word such as "False" would be true
            raise TypeError(f"D3Calculator: expected three_body True or False, got {three_body!r}. Pass one of these.")
        try:
            self._damping = getattr(interface, DAMPINGS[damping])(method=functional, atm=three_body)
        except (RuntimeError, TypeError, AttributeError) as error:
            raise ValueError(
                f"D3Calculator: expected a functional that s-dftd3 has parameters of for {damping}, got {functional!r}. "
                f"{_suggestion(functional, interface.__file__)}"
            ) from error
        self._model = interface.DispersionModel
        self._arguments = functional, damping, three_body

    def __reduce__(self) -> tuple:
        # the library's handles cannot be copied: a copy is a new one, without results
        return type(self), self._arguments

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = all_changes,
    ) -> None:
        """Fill self.results; called by ASE."""
        super().calculate(atoms, properties, system_changes)
        self.results = {}  # not those of the last atoms, should these be refused
        atoms = self.atoms
        has_volume = atoms.cell.rank == 3
        if "stress" in properties and not has_volume:
            raise PropertyNotImplementedError(
                f"D3Calculator: expected three cell vectors for the stress, got a cell of rank {atoms.cell.rank}. Give the atoms a "
                "cell."
            )
        if (atoms.numbers > _NUM_ELEMENTS).any() or (atoms.numbers < 1).any():
            wrong = sorted({chemical_symbols[z] for z in atoms.numbers if not 1 <= z <= _NUM_ELEMENTS})
            raise ValueError(
                f"D3Calculator: expected elements between H and {chemical_symbols[_NUM_ELEMENTS]}, got {', '.join(wrong)}. D3 has no "
                "parameters of them: compute without dispersion."
            )
        periodic = atoms.cell.array[atoms.pbc]
        if np.linalg.matrix_rank(periodic) < len(periodic):
            raise ValueError(
                "D3Calculator: expected linearly independent cell vectors along the periodic directions "
                f"pbc={atoms.pbc.tolist()}, got {atoms.cell.tolist()}. Set the cell, or pbc=False along directions without one."
            )
        positions, box = _boxed(atoms)
        model = self._model(atoms.numbers, positions / Bohr, box / Bohr, atoms.pbc)
        found = model.get_dispersion(self._damping, grad=True)
        energy = float(found["energy"]) * Hartree
        self.results = {
            "energy": energy,
            "free_energy": energy,
            "forces": -found["gradient"] * (Hartree / Bohr),
        }
        if has_volume:
            self.results["stress"] = full_3x3_to_voigt_6_stress(found["virial"] * (Hartree / atoms.get_volume()))


def _boxed(atoms: Atoms) -> tuple[np.ndarray, np.ndarray]:
    """Positions and cell [Å] of the same structure, with cell vectors along open directions that are longer than the structure."""
    box = atoms.cell.array.copy()
    if atoms.pbc.all():
        return atoms.positions, box
    open_ = ~atoms.pbc
    box[open_] = np.linalg.svd(box[atoms.pbc])[2][atoms.pbc.sum() :] if atoms.pbc.any() else np.eye(3)
    along = atoms.positions @ np.linalg.inv(box)
    shift = np.where(open_, 1.0 - along.min(0), 0.0)  # unit vectors: along open directions these are lengths
    positions = atoms.positions + shift @ box
    box[open_] *= (np.ptp(along, axis=0) + 2.0)[open_, None]
    return positions, box


def _suggestion(functional: str, library: str) -> str:
    table = Path(library).parent / "parameters.toml"
    names = list(tomllib.loads(table.read_text())["parameter"]) if table.is_file() else []
    nearest = difflib.get_close_matches(str(functional).lower(), names, n=1)
    return f"Did you mean {nearest[0]!r}?" if nearest else "Names are written like pbe, b3lyp, r2scan."
