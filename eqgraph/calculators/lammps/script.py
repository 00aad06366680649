"""LAMMPS input scripts that name the potential where a pair style would be."""

import os
import re
import tempfile
from pathlib import Path
from typing import Any

import torch

from .attach import attach

_STYLE = re.compile(r"^\s*pair_style\s+eqgraph\b(.*)$")
_COEFF = re.compile(r"^\s*pair_coeff\s+\*\s+\*\s+([^#]*)")

USAGE = "pair_style eqgraph, and pair_coeff * * model.eqg O H, with the elements of atom types 1, 2, ..."


def run_script(
    lmp: Any,
    path: str | os.PathLike,
    device: torch.device | str | None = None,
    dtype: str | None = None,
) -> None:
    """Run an input script that has these two lines, after the box and before `run`:

        pair_style  eqgraph
        pair_coeff  * * model.eqg O H

    LAMMPS runs what is before and after them; they become `attach`. Variables may stand in them. They have to be in the script
    itself, not in files that it includes, and `jump SELF` stays on its side of them.

    Args:
        lmp: what open_lammps returned.
        path: the script.
        device: where to compute, see EqgraphCalculator.
        dtype: floating-point type of the network, see EqgraphCalculator.

    Raises:
        FileNotFoundError: if the script or the model does not exist.
        ValueError: if these lines are missing, as attach, or what LAMMPS finds wrong.

    Example:
        >>> run_script(open_lammps(), "in.lmp")  # doctest: +SKIP
    """
    parts, coefficients = split_script(Path(path).read_text(encoding="utf-8"), str(path))
    with tempfile.TemporaryDirectory() as folder:
        for number, part in enumerate(parts):
            file = Path(folder, f"{Path(path).name}.{number}")
            file.write_text(part, encoding="utf-8")
            lmp.file(str(file))
            if number < len(coefficients):
                model, *elements = lmp.expand(coefficients[number]).split()
                attach(lmp, model, elements, device, dtype)


def split_script(text: str, name: str) -> tuple[list[str], list[str]]:
    """What is before, between and after the potentials of a script, and the model and elements of each.

    Args:
        text: the script.
        name: of its file, for errors.

    Raises:
        ValueError: if it has no potential, or one of the two lines misses the other.

    Example:
        >>> split_script("units metal\\npair_style eqgraph\\npair_coeff * * a.eqg O H\\nrun 1\\n", "in.lmp")
        (['units metal\\n', 'run 1\\n'], ['a.eqg O H'])
    """
    parts, coefficients, current, waiting = [], [], [], 0
    for number, line in enumerate(text.splitlines(), start=1):
        if _STYLE.match(line) and not waiting:
            waiting = number
        elif waiting and (match := _COEFF.match(line)) and len(match[1].split()) >= 2:
            coefficients.append(match[1].strip())
            parts.append("".join(current))
            current, waiting = [], 0
        elif waiting and line.split("#")[0].strip():
            raise ValueError(
                f"{name}, line {number}: expected `pair_coeff * * model.eqg O H` after the `pair_style eqgraph` of line {waiting}, "
                f"came '{line.strip()}'. Put the two lines one after the other."
            )
        else:
            current.append(line + "\n")
    if waiting or not coefficients:
        where = f"`pair_style eqgraph` in line {waiting} alone" if waiting else "no `pair_style eqgraph`"
        raise ValueError(f"{name}: expected the lines {USAGE}; came {where}. Add them after the box, before `run`.")
    return [*parts, "".join(current)], coefficients
