"""How many neighbors atoms have within the cutoff, and which have none."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .data_file import CheckedData
from .finding import Finding

CHECK = "neighbors"


def check_neighbors(data: CheckedData) -> Iterator[Finding]:
    """Count the neighbors of each atom, file by file, isolated atoms left out."""
    for file in data.files:
        counts, lonely = [], []
        for frame, env in data.environments(file):
            if not frame.is_isolated_atom:
                counts.append(env.num_neighbors)
                if not env.num_neighbors.all():
                    lonely.append(frame.index)
        if not counts:
            continue
        counts = np.concatenate(counts)
        numbers = {
            "mean": float(counts.mean()), "min": int(counts.min()), "max": int(counts.max()), "cutoff": data.cutoff
        }  # fmt: skip
        text = f"{counts.mean():.1f} neighbors on average (at least {counts.min()}, at most {counts.max()}) within {data.cutoff:g} Å"
        if not counts.any():
            message = (
                f"Expected atoms closer than the cutoff of {data.cutoff:g} Å, came none "
                f"in {len(lonely)} frames. Raise it, and look whether positions are in Å."
            )
            yield Finding("error", CHECK, message, file.name, tuple(lonely), numbers)
        elif lonely:
            message = (
                f"Expected every atom to have neighbors within {data.cutoff:g} Å, "
                f"came {int((counts == 0).sum())} atoms without in "
                f"{len(lonely)} frames: their forces are zero for the model. "
                f"Raise the cutoff, or leave the frames out. There are {text}."
            )
            yield Finding("warning", CHECK, message, file.name, tuple(lonely), numbers)
        else:
            yield Finding("ok", CHECK, f"There are {text}.", file.name, numbers=numbers)
