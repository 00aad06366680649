"""Does stress agree with energies? Between strained cells the energy rises by the work of the stress."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations

import numpy as np

from .data_file import CheckedData, DataFile
from .finding import Finding
from .frame_pairs import FramePair
from .length_unit import possible_lengths
from .slope import Slope, fit_slope
from .units import explain_stress

CHECK = "stress against energies"
_FEWEST, _MANY = 6, 20
_LOOSE, _TIGHT = 0.5, 0.9
_FINE = 1.25
_AFFINE = 1e-3
"""Movement inside of the cell, in units of the shortest distance, that forces do no work in."""
_SHEARED = 0.5
"""Pairs tell the order of shear components where these do at least so much of the work that the others do."""
_SHEAR = ("yz", "xz", "xy")


def check_stress_energy(data: CheckedData) -> Iterator[Finding]:
    """Regress the rise of the energy on V σ : ε between strained cells, file by file: sign, units, order of the components."""
    for file in data.files:
        if any(frame.stress is not None for frame in file.molecules):
            yield from _judge(file, [p for p in data.pairs(file) if p.strain and np.isfinite(p.stress_work)])


def _judge(file: DataFile, pairs: list[FramePair]) -> Iterator[Finding]:
    if len(pairs) < _FEWEST:
        yield Finding(
            "info",
            CHECK,
            f"Expected {_FEWEST} pairs of frames that differ by a small strain, "
            f"came {len(pairs)}. Sign and unit of the stress were not "
            "seen: compute a cell at two volumes, if in doubt.",
            file.name,
            numbers={"num_pairs": len(pairs)},
        )
        return
    affine = [pair for pair in pairs if pair.movement < _AFFINE]
    if len(affine) >= _MANY:  # forces did no work: whatever is wrong with them does not matter
        pairs = affine
    rise = np.array([pair.rise for pair in pairs])
    work = np.array([pair.stress_work for pair in pairs])
    shear = np.array([pair.shear_work for pair in pairs])
    order, work = _best_order(rise, work, shear, np.array([pair.force_work for pair in pairs]))
    forces = np.nan_to_num([pair.force_work for pair in pairs])
    rest = _without(rise, work, forces)
    fit = fit_slope(work, rest)
    volume = np.array([pair.volume for pair in pairs])
    of_virial = fit_slope(work / volume, _without(rise, work / volume, forces))
    may_be_virial = (
        np.ptp(volume) > 0.05 * volume.mean() or abs(fit.slope) < 0.3
    )  # else V is as good a factor as another
    severity, message = _say(fit, of_virial if may_be_virial else None, possible_lengths(file.molecules))
    yield Finding(severity, CHECK, message, file.name, numbers=fit._asdict())
    if order != (0, 1, 2):
        names = ", ".join(("xx", "yy", "zz", *(_SHEAR[order.index(c)] for c in range(3))))
        yield Finding(
            "error" if fit.num_pairs >= _MANY and fit.r2 > _TIGHT else "warning",
            "order of stress components",
            f"Expected stress components that agree with energies as they are read (Voigt order xx, yy, zz, yz, xz, xy), came "
            f"components that agree (R² {fit.r2:.2f} in {fit.num_pairs} pairs) only in the order {names}. Reorder them, or store 3x3.",
            file.name,
            numbers={"order": names, **fit._asdict()},
        )


def _without(rise: np.ndarray, work: np.ndarray, forces: np.ndarray) -> np.ndarray:
    """What is left of the rise for the stress: without the work of the forces, in whatever unit and sign that is."""
    if forces @ forces < 1e-4 * (rise @ rise):
        return rise - forces
    (_, of_forces), *_ = np.linalg.lstsq(np.stack([work, forces], 1), rise, rcond=None)
    return rise - of_forces * forces


def _best_order(
    rise: np.ndarray, work: np.ndarray, shear: np.ndarray, forces: np.ndarray
) -> tuple[tuple[int, ...], np.ndarray]:
    """The order of the shear components with which stress explains energies, and the work in it: another than as read only if that
    leaves less than a third of the deviation."""
    forces = np.nan_to_num(forces)
    diagonal = work - np.trace(shear, axis1=1, axis2=2)
    sheared = np.abs(shear).max((1, 2)) > _SHEARED * np.abs(diagonal)
    if np.count_nonzero(sheared) < _FEWEST:
        return (0, 1, 2), work
    found = {}
    for order in permutations(range(3)):
        ordered = diagonal + shear[:, range(3), list(order)].sum(1)
        design = np.stack([ordered, forces], 1)[sheared]
        left = rise[sheared] - design @ np.linalg.lstsq(design, rise[sheared], rcond=None)[0]
        found[order] = float(left @ left), ordered
    best = min(found, key=lambda order: found[order][0])
    # a third of the deviation is a ninth of its square
    return (best, found[best][1]) if found[best][0] < found[0, 1, 2][0] / 9 else ((0, 1, 2), work)


def _say(fit: Slope, of_virial: Slope | None, lengths: tuple[str, ...]) -> tuple:
    expected = "Expected energies to rise by the work of the stress, V σ : ε"
    came = f"came {fit.slope:.3g} times that in {fit.num_pairs} pairs of strained cells (correlation R² {fit.r2:.2f})"
    sure = fit.num_pairs >= _MANY and fit.r2 >= _TIGHT
    size = abs(fit.slope)
    is_one = 1 / _FINE < size < _FINE
    if of_virial is not None and not is_one and of_virial.r2 > 0.8 and 1 / _FINE < abs(of_virial.slope) < _FINE:
        sign = "-" if of_virial.slope < 0 else ""
        return (
            "error" if sure else "warning",
            f"{expected}, {came}. It is a virial (energy) instead: store stress = {sign}virial / volume.",
        )
    if fit.r2 < _LOOSE:
        return "info", f"{expected}, {came}: too little to judge."
    if fit.slope > 0 and is_one:
        return (
            "ok",
            f"Stress agrees with energies: energies rise by {fit.slope:.3f} times the work of the stress "
            f"in {fit.num_pairs} pairs of strained cells (R² {fit.r2:.2f}).",
        )
    if fit.slope < 0 and is_one:
        advice = "The stress has the wrong sign (that of a pressure or virial): negate it, tension is positive."
    elif reason := explain_stress(size, lengths):
        sign = "The stress has the wrong sign, and units" if fit.slope < 0 else "Units"
        advice = f"{sign} explain it: {reason}. Convert to eV, Å and eV/Å³."
    else:
        sure = False
        advice = "No unit explains it. Check which calculation, and which keys, energies and stress come from."
    return "error" if sure else "warning", f"{expected}, {came}. {advice}"
