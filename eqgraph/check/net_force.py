"""The sum of the forces of a structure, which is zero unless something outside acts on it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from eqgraph.datasets import Frame

from .data_file import CheckedData
from .finding import Finding

CHECK = "net force"
_LARGE = 0.1
"""Of the net force that forces without any relation to each other would have."""
_NOISE = 0.01
"""Net force per atom [eV/Å] that nobody notices."""


def net_force(frame: Frame) -> float:
    """|Σ F| / N [eV/Å] of a frame with forces."""
    return float(np.linalg.norm(frame.forces.sum(0))) / len(frame.atoms)


def check_net_force(data: CheckedData) -> Iterator[Finding]:
    """Compare net forces with the forces."""
    for file in data.files:
        frames = [frame for frame in file.molecules if frame.forces is not None and len(frame.atoms) > 1]
        if not frames:
            continue
        net = np.array([net_force(frame) for frame in frames])
        size = np.array([np.sqrt(np.square(frame.forces).sum() / len(frame.atoms)) for frame in frames])
        random = size / np.sqrt([len(frame.atoms) for frame in frames])
        large = (net > _LARGE * random) & (net > _NOISE)
        numbers = {"median_net_force_per_atom": float(np.median(net)), "max_net_force_per_atom": float(net.max())}
        if large.any():
            worst = max(zip(net, frames, strict=True), key=lambda pair: pair[0])[1].index
            message = (
                f"Expected forces that add up to zero, came {large.sum()} of {len(frames)} frames with net forces of up to "
                f"{net.max():.3g} eV/Å per atom (frame {worst}). A potential without outer field cannot fit them: look for missing or "
                "zeroed forces of some atoms, or too loose convergence."
            )
            indices = tuple(frame.index for frame, is_large in zip(frames, large, strict=True) if is_large)
            yield Finding("warning", CHECK, message, file.name, indices, numbers)
        else:
            yield Finding(
                "ok", CHECK, f"Net forces are small: at most {net.max():.3g} eV/Å per atom.", file.name, numbers=numbers
            )
