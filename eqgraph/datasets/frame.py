"""One structure with its labels."""

from dataclasses import dataclass, field

import ase
import numpy as np
from jaxtyping import Float


@dataclass(frozen=True, eq=False)
class Frame:
    """A structure and the labels that it comes with: raw numbers, whatever constraints the structure has.

    Attributes:
        atoms: the structure with all else that came with it (info, arrays, constraints, calculator results).
        index: its place in the file or list that it comes from, counted from 0.
        energy: total energy [eV], None if there is none.
        forces: forces [eV/Å], None if there are none.
        stress: symmetric stress [eV/Å³] in ASE's sign, None if there is none.

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

    @property
    def is_isolated_atom(self) -> bool:
        """A single atom without periodic images."""
        return len(self.atoms) == 1 and not self.atoms.pbc.any()

    @property
    def config_type(self) -> str | None:
        """What kind of structure the file says that it is."""
        value = self.atoms.info.get("config_type")
        return None if value is None else str(value)
