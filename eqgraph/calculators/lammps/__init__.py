"""Potentials inside LAMMPS, on one process or several: see docs/lammps.md."""

from .attach import attach
from .library import open_lammps
from .script import run_script

__all__ = ["attach", "open_lammps", "run_script"]
