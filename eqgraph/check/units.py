"""Which mistakes of units explain a factor between what energies say and what forces or stress say."""

from __future__ import annotations

from itertools import product

from ase import units

_KCAL, _KJ = units.kcal / units.mol, units.kJ / units.mol
ENERGIES = {"eV": 1.0, "Hartree": units.Hartree, "kcal/mol": _KCAL, "Rydberg": units.Rydberg, "kJ/mol": _KJ}
FORCES = {
    "eV/Å": 1.0,
    "Hartree/Bohr": units.Hartree / units.Bohr,
    "kcal/mol/Å": _KCAL,
    "eV/Bohr": 1 / units.Bohr,
    "Hartree/Å": units.Hartree,
    "Rydberg/Bohr": units.Rydberg / units.Bohr,
    "kJ/mol/nm": _KJ / 10,
    "kJ/mol/Å": _KJ,
}
LENGTHS = {"Å": 1.0, "Bohr": units.Bohr, "nm": 10.0}
STRESSES = {
    "eV/Å³": 1.0,
    "GPa": units.GPa,
    "kbar": 0.1 * units.GPa,
    "Hartree/Bohr³": units.Hartree / units.Bohr**3,
}
_CLOSE = 0.06
_MOST = 3


def explain_forces(slope: float, lengths: tuple[str, ...] = tuple(LENGTHS)) -> str:
    """Units with which the rise of the energy is `slope` times the work of the forces, for people; "" if there are none.

    Args:
        slope: number, positive.
        lengths: which units of the positions are possible.

    Example:
        >>> explain_forces(1 / 27.2)
        'energies in Hartree'
    """
    names = {"energies": ENERGIES, "forces": FORCES, "positions": {name: LENGTHS[name] for name in lengths}}
    return _explain(slope, names, lambda energy, force, length: force * length / energy)


def explain_stress(slope: float, lengths: tuple[str, ...] = ("Å",)) -> str:
    """Units with which the rise of the energy is `slope` times the work of the stress, for people; "" if there are none.

    Args:
        slope: number, positive.
        lengths: which units of positions and cells are possible.

    Example:
        >>> explain_stress(1 / 160.2)
        'stress in GPa'
    """
    names = {"energies": ENERGIES, "stress": STRESSES, "positions": {name: LENGTHS[name] for name in lengths}}
    return _explain(slope, names, lambda energy, stress, length: stress * length**3 / energy)


def _explain(slope: float, names: dict[str, dict[str, float]], factor) -> str:
    found = []
    for combination in product(*(values.items() for values in names.values())):
        expected = factor(*(value for _, value in combination))
        changed = [f"{what} in {unit}" for what, (unit, value) in zip(names, combination, strict=True) if value != 1]
        if 0 < len(changed) <= 3 and abs(slope / expected - 1) < _CLOSE:
            found.append((len(changed), abs(slope / expected - 1), " and ".join(changed)))
    fewest = min((number for number, *_ in found), default=0)
    # what needs one mistake more is told only where it is the same system of units all through
    kept = [text for number, _, text in sorted(found) if number == fewest or text.count("Hartree") > 1]
    return ", or ".join(kept[:_MOST])
