"""Molecular dynamics conserves the energy."""

from typing import NamedTuple

import numpy as np
from ase import Atoms, units
from ase.md.velocitydistribution import Stationary, thermalize_momenta
from ase.md.verlet import VelocityVerlet

from eqgraph.calculators import EqgraphCalculator

from .measurement import Measurement
from .result import SelftestResult
from .subject import Subject
from .tolerances import RELATIVE

_TEMPERATURE = 300
"""K"""
_STEP_OF_HYDROGEN = 0.25
"""fs; the fastest vibrations, 9 fs of O-H, are then 36 steps long. Those of heavier atoms are slower by the root of their mass."""
_ACCELERATED = 0.01
"""Å that an atom at rest may move in one step: structures that are far from equilibrium need shorter ones."""
_HALVINGS = 4
_DRIFT = 0.1
"""Tolerance [meV/atom/ps] besides rounding: the 26 meV of a temperature of 300 K would take 0.2 ns to double. Forces that are not the
gradient of the energy cost tens to thousands."""
_OF_POWER = 3e-5
"""And of Σ |F · v|, the energy that flows between atoms, which tells how much there is that could be lost."""


class _Run(NamedTuple):
    """What a run lost, and what flowed, both in meV/atom/ps."""

    drift: float
    power: float


def measure_drift(subject: Subject) -> SelftestResult:
    """Velocity Verlet at 300 K; the slope of the energy over time.

    Of the energy that the integrator itself conserves, which is known to the fourth order of the time step: the ordinary total energy
    swings by its second order, which a short run cannot tell from a drift. Where the drift is above its tolerance, again with half the
    time step: it falls 16 times if the time step was too long for that structure, and stays if forces do not belong to the energy.

    Reference: Toxvaerd 1994, doi:10.1103/PhysRevE.50.2271.
    """
    atoms, steps, tried = subject.enlarged.copy(), subject.md_steps, None
    atoms.calc = EqgraphCalculator(subject.potential)
    masses = atoms.get_masses()
    acceleration = (np.linalg.norm(atoms.get_forces(), axis=1) / masses).max() * units.fs**2  # Å / fs²
    step = _STEP_OF_HYDROGEN * np.sqrt(masses.min())
    if acceleration * step**2 > 2 * _ACCELERATED:
        step = np.sqrt(2 * _ACCELERATED / acceleration)
    for _ in range(_HALVINGS + 1):
        run = _run(atoms.copy(), atoms.calc, step, steps)
        # what the slope of so many energies owes to rounding
        rounding = RELATIVE[subject.dtype] * subject.scales.energy * np.sqrt(12 / steps) / (steps * step) * 1e6
        tolerance = subject.tolerance_scale * (_DRIFT + _OF_POWER * run.power + rounding)
        measurement = Measurement("drift", run.drift, float(tolerance), "meV/atom/ps")
        if tried is None or measurement.severity < tried[0].severity:
            tried = measurement, f"{steps} steps of {step:.2g} fs at {_TEMPERATURE} K"
        if measurement.passed:
            break
        step /= 2  # as many steps as before: a structure that falls apart does so later
    return SelftestResult("NVE drift", (tried[0],), tried[1])


def _run(atoms: Atoms, calculator: EqgraphCalculator, step: float, steps: int) -> _Run:
    """With an infinite drift where atoms collapse or fly away."""
    atoms.calc = calculator
    thermalize_momenta(atoms, _TEMPERATURE, rng=np.random.default_rng(1))
    if len(atoms) > 1:
        Stationary(atoms, preserve_temperature=False)
    time_step, states = step * units.fs, []
    dynamics = VelocityVerlet(atoms, time_step)
    dynamics.attach(lambda: states.append((atoms.get_total_energy(), atoms.get_velocities(), atoms.get_forces())))
    try:
        dynamics.run(steps)
    except ValueError:  # of from_ase: atoms at one place, or nowhere
        return _Run(np.inf, 0.0)
    totals, velocities, forces = (np.array(each) for each in zip(*states, strict=True))
    if not (np.isfinite(totals).all() and np.isfinite(forces).all()):
        return _Run(np.inf, 0.0)
    change = np.gradient(forces, time_step, axis=0)
    shadow = -(velocities * change).sum((1, 2)) / 12 - (forces**2 / atoms.get_masses()[:, None]).sum((1, 2)) / 24
    conserved = (totals + time_step**2 * shadow)[1:-1]  # the derivative at the ends is of lower order
    slope = np.polyfit(time_step * np.arange(len(conserved)), conserved - conserved[0], 1)[0]
    power = np.abs((velocities * forces).sum(2)).sum(1).mean()
    to_report = 1000 * 1000 * units.fs / len(atoms)  # meV/atom/ps
    return _Run(float(abs(slope)) * to_report, float(power) * to_report)
