"""A fingerprint of data."""

import hashlib
from collections.abc import Iterable

import numpy as np

from .frame import Frame


def data_hash(frames: Iterable[Frame]) -> str:
    """SHA-256 of structures and labels in their order, to 8 decimals: the same on all machines, from all formats.

    It is the hash of the digests of the frames, so that any part of a data set has its hash without being read again.

    Args:
        frames: atomic numbers, positions, cells, periodicity, labels and weights count; names, constraints and the rest do not.

    Example:
        >>> import ase
        >>> data_hash([Frame(ase.Atoms("H"), energy=-13.6)])[:12]
        '...'
    """
    digest = hashlib.sha256()
    for frame in frames:
        digest.update(frame_digest(frame))
    return digest.hexdigest()


def frame_digest(frame: Frame) -> bytes:
    """SHA-256 of one structure and its labels, 32 bytes."""
    atoms, digest = frame.atoms, hashlib.sha256()
    digest.update(atoms.numbers.astype("<i8").tobytes() + atoms.pbc.tobytes())
    for values in (atoms.positions, atoms.cell.array, frame.energy, frame.forces, frame.stress):
        rounded = np.empty(0) if values is None else np.round(values, 8) + 0.0  # turns -0 into 0
        digest.update(rounded.size.to_bytes(8, "little") + rounded.astype("<f8").tobytes())
    if frame.dipole is not None:
        digest.update(b"dipole" + (np.round(frame.dipole, 8) + 0.0).astype("<f8").tobytes())
    if frame.weight != 1:
        digest.update(b"weight" + np.float64(frame.weight).astype("<f8").tobytes())
    return digest.digest()
