"""Do forces agree with energies? Between neighboring frames the energy rises by the work against the forces."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .data_file import CheckedData, DataFile
from .finding import Finding
from .frame_pairs import FramePair
from .length_unit import possible_lengths
from .slope import Slope, fit_slope
from .units import explain_forces

CHECK = "forces against energies"
_CLOSEST = 100
"""Pairs that count: those with the smallest movements."""
_FEWEST = 8
_MANY = 20
_LOOSE, _TIGHT = 0.5, 0.85
"""R² below which nothing is said, and above which an error is."""
_FINE = 1.25
"""Slopes up to this, or down to its inverse, are 1."""


def check_force_energy(data: CheckedData) -> Iterator[Finding]:
    """Regress the rise of the energy on -mean(F) · dr, file by file: 1 is right, -1 the wrong sign, other factors are units."""
    for file in data.files:
        if any(frame.forces is not None for frame in file.molecules):
            yield _judge(file, [pair for pair in data.pairs(file) if not pair.strain and np.isfinite(pair.force_work)])


def _judge(file: DataFile, pairs: list[FramePair]) -> Finding:
    pairs = sorted(pairs, key=lambda pair: pair.movement)[:_CLOSEST]
    if len(pairs) < _FEWEST:
        return Finding(
            "info",
            CHECK,
            f"Expected {_FEWEST} pairs of frames of the same atoms close to each other, came {len(pairs)}. Whether forces agree with "
            "energies was not seen: compute two frames that differ by a small step, if in doubt.",
            file.name,
            numbers={"num_pairs": len(pairs)},
        )
    fit = fit_slope(np.array([pair.force_work for pair in pairs]), np.array([pair.rise for pair in pairs]))
    numbers = {**fit._asdict(), "median_movement": float(np.median([pair.movement for pair in pairs]))}
    severity, message = _say(fit, pairs, possible_lengths(file.molecules))
    return Finding(severity, CHECK, message, file.name, numbers=numbers)


def _say(fit: Slope, pairs: list[FramePair], lengths: tuple[str, ...]) -> tuple:
    came = (
        f"came {fit.slope:.3g} times that in {fit.num_pairs} pairs of neighboring frames (correlation R² {fit.r2:.2f})"
    )
    expected = "Expected energies to rise by the work against the forces"
    size, sure = abs(fit.slope), fit.num_pairs >= _MANY and fit.r2 >= _TIGHT
    is_one = 1 / _FINE < size < _FINE
    if fit.r2 < _LOOSE:
        near = np.median([pair.movement for pair in pairs]) < 0.2 and fit.num_pairs >= _MANY
        noise = 2e-3  # eV: what electronic structure programs leave unconverged
        if near and fit.r2 < 0.3 and np.std([pair.rise for pair in pairs]) > noise:
            return (
                "warning",
                f"{expected}, {came}: they have nothing to do with each other. Check which labels belong to which frame.",
            )
        return "info", f"{expected}, {came}: too little to judge, since the frames are far apart."
    if fit.slope > 0 and is_one:
        return (
            "ok",
            f"Forces agree with energies: energies rise by {fit.slope:.3f} times the work "
            f"against the forces in {fit.num_pairs} pairs (R² {fit.r2:.2f}).",
        )
    if fit.slope < 0 and is_one:
        advice = "The forces have the wrong sign (they are the gradient): negate them."
    elif reason := explain_forces(size, lengths):
        sign = "The forces have the wrong sign, and units" if fit.slope < 0 else "Units"
        advice = f"{sign} explain it: {reason}. Convert to eV, Å and eV/Å."
    else:
        sure = False
        advice = "No unit explains it. Check which calculation, and which keys, energies and forces come from."
    return "error" if sure else "warning", f"{expected}, {came}. {advice}"
