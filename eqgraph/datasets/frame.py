"""One structure with its labels."""

from dataclasses import dataclass, field

import ase
import numpy as np
from ase.geometry import minkowski_reduce
from jaxtyping import Float

from eqgraph.graph import MIN_THICKNESS

_ISOLATED_DISTANCE = 8.0
"""An atom whose periodic images are all further away than this [Å] hardly notices them: bonds are shorter than 4 Å."""


@dataclass(frozen=True, eq=False)
class Frame:
    """A structure and the labels that it comes with: raw numbers, whatever constraints the structure has.

    Attributes:
        atoms: the structure with all else that came with it (info, arrays, constraints, calculator results).
        index: its place in the file or list that it comes from, counted from 0.
        energy: total energy [eV], None if there is none.
        forces: forces [eV/Å], None if there are none.
        stress: symmetric stress [eV/Å³] in ASE's sign, None if there is none.
        dipole: dipole moment [e·Å], None if there is none.
        weight: how much the structure counts in the loss.
        source: the file that it comes from, for messages.

    Example:
        >>> frame = Frame(ase.Atoms("H"), energy=-13.6)
        >>> frame.is_isolated_atom, frame.config_type
        (True, None)
    """

    atoms: ase.Atoms
    index: int = 0
    energy: float | None = None
    forces: Float[np.ndarray, "atoms 3"] | None = field(default=None, repr=False)
    stress: Float[np.ndarray, "3 3"] | None = field(default=None, repr=False)
    dipole: Float[np.ndarray, "3"] | None = field(default=None, repr=False)
    weight: float = field(default=1.0, repr=False)
    source: str | None = field(default=None, repr=False)

    @property
    def virial(self) -> Float[np.ndarray, "3 3"] | None:
        """-stress · volume [eV], None if there is no stress."""
        return None if self.stress is None else -self.stress * self.atoms.get_volume()

    @property
    def place(self) -> str:
        """Where it comes from, in the words of messages."""
        return f"frame {self.index}" if self.source is None else f"{self.source}, frame {self.index}"

    @property
    def is_isolated_atom(self) -> bool:
        """A single atom that is alone: no periodic image within 8 Å, or a config_type with "isolated" in it."""
        return len(self.atoms) == 1 and (
            "isolated" in (self.config_type or "").lower() or _image_distance(self.atoms) > _ISOLATED_DISTANCE
        )

    @property
    def config_type(self) -> str | None:
        """What kind of structure the file says that it is."""
        value = self.atoms.info.get("config_type")
        return None if value is None else str(value)


def _image_distance(atoms: ase.Atoms) -> float:
    """Distance [Å] of an atom to its nearest periodic image; infinite without periodicity, 0 for a degenerate cell."""
    periodic = atoms.cell.array[atoms.pbc]
    if not len(periodic):
        return np.inf
    if not np.isfinite(periodic).all() or np.linalg.svd(periodic, compute_uv=False).min() < MIN_THICKNESS:
        return 0.0
    reduced, _ = minkowski_reduce(atoms.cell.array, atoms.pbc)  # its vectors are the shortest there are
    return float(np.linalg.norm(reduced[atoms.pbc], axis=1).min())
