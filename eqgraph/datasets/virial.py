"""Virials and stresses: the same label in two conventions."""

import ase
import numpy as np

_REL, _ABS = 1e-3, 1e-5
"""Of the largest component, and eV/Å³ (16 bar): what is left of a stress that was rounded on its way from another unit."""


def stress_of(
    atoms: ase.Atoms,
    stress: np.ndarray | None,
    virial: np.ndarray | None,
    keys: dict[str, str],
    where: str,
) -> np.ndarray | None:
    """The stress [eV/Å³] of a structure that has a stress, a virial or both; None without them.

    σ = -W / V in the sign of ASE: W = -dE/dε [eV], the virial of QUIP and MACE. Where the structure has both, the stress is kept.

    Args:
        atoms: the structure.
        stress: (3, 3) [eV/Å³].
        virial: (3, 3) [eV].
        keys: under which names "stress" and "virial" are stored.
        where: the structure's name in messages.

    Raises:
        ValueError: if there is one but no volume, or if the two disagree.

    Example:
        >>> atoms = ase.Atoms("H", cell=[2, 2, 2], pbc=True)
        >>> stress_of(atoms, None, 8 * np.eye(3), {"virial": "virial"}, "frame 0").diagonal().round(9).tolist()
        [-1.0, -1.0, -1.0]
    """
    if atoms.cell.rank < 3:
        for name, label in (("stress", stress), ("virial", virial)):
            if label is not None and label.any():
                raise ValueError(
                    f"{where}: expected three cell vectors for the {name} {keys[name]!r}, got a cell of rank {atoms.cell.rank}. Set "
                    f"the cell or remove the {name}."
                )
        return None  # some programs print zeros for molecules: without volume there is no stress
    if virial is None:
        return stress
    converted = -virial / atoms.get_volume()
    if stress is None:
        return converted
    difference, largest = np.abs(converted - stress).max(), np.abs(stress).max()
    if difference > _ABS + _REL * largest:
        ratio = np.vdot(converted, stress) / max(np.vdot(stress, stress), np.finfo(float).tiny)
        raise ValueError(
            f"{where}: expected stress {keys['stress']!r} = -virial {keys['virial']!r} / volume, got a difference of {difference:.2g} "
            f"eV/Å³ (-virial / volume is {ratio:.3g} times the stress). Correct sign and unit of the wrong one, or remove it."
        )
    return stress
