"""Microcanonical molecular dynamics with a trained potential: does it conserve energy?

    python examples/molecular_dynamics.py runs/demo/model.eqg

Starts from the first frame of a file (default: the ethanol test set), draws velocities at a temperature, runs velocity Verlet,
prints the drift of the total energy and writes the trajectory (md.xyz) and a plot of the energies (md.png) beside the model.
"""

import argparse
from pathlib import Path

import ase.io
import matplotlib
import numpy as np
from ase import units
from ase.md.velocitydistribution import thermalize_momenta
from ase.md.verlet import VelocityVerlet
from rich.progress import track

from eqgraph.calculators import EqgraphCalculator

matplotlib.use("Agg")
import matplotlib.pyplot as plt

DEFAULT_STRUCTURE = Path(__file__).parents[1] / "datasets" / "ethanol" / "test_300K.xyz"


def run(model: Path, structure: Path, temperature: float, time_step: float, duration: float, seed: int) -> float:
    """Run the dynamics, write md.xyz and md.png beside the model; the drift of the total energy over the run [meV/atom]."""
    start = ase.io.read(structure, 0)
    atoms = ase.Atoms(start.numbers, start.positions, cell=start.cell, pbc=start.pbc)
    atoms.calc = EqgraphCalculator(model)
    thermalize_momenta(atoms, temperature, rng=np.random.default_rng(seed))
    dynamics = VelocityVerlet(atoms, time_step * units.fs)

    num_steps, every = round(1000 * duration / time_step), 10
    times, potential, kinetic = [], [], []
    trajectory = model.parent / "md.xyz"
    trajectory.unlink(missing_ok=True)
    for step in track(range(0, num_steps + 1, every), description="molecular dynamics"):
        if step:
            dynamics.run(every)
        times.append(step * time_step / 1000)
        potential.append(atoms.get_potential_energy())
        kinetic.append(atoms.get_kinetic_energy())
        ase.io.write(trajectory, atoms, append=True, format="extxyz")

    total = 1000 * (np.array(potential) + np.array(kinetic)) / len(atoms)
    slope, _ = np.polyfit(times, total, 1)
    drift = slope * duration
    plot(model.parent / "md.png", np.array(times), np.array(potential), np.array(kinetic), total, drift)
    print(f"{duration:g} ps of dynamics at {temperature:g} K, {time_step:g} fs steps, {len(atoms)} atoms, NVE")
    print(f"mean temperature  {2 * np.mean(kinetic) / (3 * len(atoms) * units.kB):.0f} K")
    print(f"energy drift      {drift:+.4f} meV/atom (linear fit over the run)")
    print(f"fluctuation       {np.std(total):.4f} meV/atom (standard deviation of the total energy)")
    print(f"trajectory        {trajectory}")
    print(f"plot              {model.parent / 'md.png'}")
    return drift


def plot(path: Path, times, potential, kinetic, total, drift: float) -> None:
    """Above, the exchange of potential and kinetic energy; below, their sum on a scale of its own."""
    figure, (above, below) = plt.subplots(2, 1, sharex=True, figsize=(7, 5), layout="constrained")
    above.plot(times, potential - potential[0], color="#0072B2", label="potential")
    above.plot(times, kinetic - kinetic[0], color="#E69F00", label="kinetic")
    above.set_ylabel("energy - start [eV]")
    above.legend(frameon=False, ncols=2)
    below.plot(times, total - total[0], color="#009E73")
    below.set_ylabel("total - start [meV/atom]")
    below.set_xlabel("time [ps]")
    below.set_title(f"drift {drift:+.4f} meV/atom", fontsize=10)
    figure.savefig(path, dpi=150)
    plt.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="model file (*.eqg)")
    parser.add_argument(
        "--structure", type=Path, default=DEFAULT_STRUCTURE, help="any file that ASE reads; its first frame is used"
    )
    parser.add_argument("--temperature", type=float, default=300.0, help="of the initial velocities [K]; default 300")
    parser.add_argument("--time-step", type=float, default=0.5, help="[fs]; default 0.5")
    parser.add_argument("--duration", type=float, default=1.0, help="[ps]; default 1")
    parser.add_argument("--seed", type=int, default=0, help="of the initial velocities; default 0")
    args = parser.parse_args()
    run(args.model, args.structure, args.temperature, args.time_step, args.duration, args.seed)


if __name__ == "__main__":
    main()
