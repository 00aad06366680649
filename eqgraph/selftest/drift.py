"""Molecular dynamics conserves the energy."""

import numpy as np
from ase import units
from ase.md.velocitydistribution import Stationary, thermalize_momenta
from ase.md.verlet import VelocityVerlet

from eqgraph.calculators import EqgraphCalculator

from .measurement import Measurement
from .result import SelftestResult
from .subject import Subject
from .tolerances import RELATIVE

_STEPS = 100
_TEMPERATURE = 300
"""K"""
_STEP_OF_HYDROGEN = 0.25
"""fs; the fastest vibrations, 9 fs of O-H, are then 36 steps long. Those of heavier atoms are slower by the root of their mass."""
_HALVINGS = 3
_DRIFT = 0.1
"""Tolerance [meV/atom/ps] besides rounding: the 26 meV of a temperature of 300 K would take 0.2 ns to double. Forces that are not the
gradient of the energy cost tens to thousands."""


def measure_drift(subject: Subject) -> SelftestResult:
    """Velocity Verlet at 300 K; the slope of the energy over time.

    Of the energy that the integrator itself conserves, which is known to the fourth order of the time step: the ordinary total energy
    swings by its second order, which a short run cannot tell from a drift. Where the drift is above its tolerance, again with half the
    time step: it falls 16 times if the time step was too long for that structure, and stays if forces do not belong to the energy.

    Reference: Toxvaerd 1994, doi:10.1103/PhysRevE.50.2271.
    """
    lightest = subject.enlarged.get_masses().min()
    step = _STEP_OF_HYDROGEN * np.sqrt(lightest)
    tried = None
    for _ in range(_HALVINGS + 1):
        drift = 1000 * _drift(subject, step)
        # what the slope of _STEPS energies owes to rounding
        rounding = 1000 * RELATIVE[subject.dtype] * subject.scales.energy * np.sqrt(12 / _STEPS) / (_STEPS * step / 1000)
        measurement = Measurement("drift", drift, subject.tolerance_scale * (_DRIFT + rounding), "meV/atom/ps")
        if tried is None or measurement.severity < tried[0].severity:
            tried = measurement, f"{_STEPS} steps of {step:.3g} fs at {_TEMPERATURE} K"
        if measurement.passed:
            break
        step /= 2  # as many steps as before: a structure that falls apart does so later
    return SelftestResult("NVE drift", (tried[0],), tried[1])


def _drift(subject: Subject, step: float) -> float:
    """|slope| of the energy [eV/atom/ps]; infinite where atoms collapse or fly away."""
    atoms = subject.enlarged.copy()
    atoms.calc = EqgraphCalculator(subject.potential)
    thermalize_momenta(atoms, _TEMPERATURE, rng=np.random.default_rng(1))
    if len(atoms) > 1:
        Stationary(atoms, preserve_temperature=False)
    time_step, states = step * units.fs, []
    dynamics = VelocityVerlet(atoms, time_step)
    dynamics.attach(lambda: states.append((atoms.get_total_energy(), atoms.get_velocities(), atoms.get_forces())))
    try:
        dynamics.run(_STEPS)
    except ValueError:  # of from_ase: atoms at one place, or nowhere
        return np.inf
    totals, velocities, forces = (np.array(each) for each in zip(*states, strict=True))
    masses = atoms.get_masses()[:, None]
    change = np.gradient(forces, time_step, axis=0)
    shadow = -(velocities * change).sum((1, 2)) / 12 - (forces**2 / masses).sum((1, 2)) / 24
    conserved = (totals + time_step**2 * shadow)[1:-1]  # the derivative at the ends is of lower order
    times = step * np.arange(len(conserved)) / 1000
    if not np.isfinite(conserved).all():
        return np.inf
    return float(abs(np.polyfit(times, conserved - conserved[0], 1)[0])) / len(atoms)
