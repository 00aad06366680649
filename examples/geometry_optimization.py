"""Where the forces of a trained potential vanish.

    python examples/geometry_optimization.py runs/demo/model.eqg
    python examples/geometry_optimization.py model.eqg --structure crystal.cif --cell

Starts from the first frame of a file (default: the ethanol test set), moves atoms, and with --cell the cell vectors too, until no force
is larger than --fmax; writes the structures on the way (optimization.xyz) and a plot (optimization.png) beside the model.
"""

import argparse
from pathlib import Path

import ase.io
import matplotlib
import numpy as np
from ase.filters import FrechetCellFilter
from ase.optimize import BFGSLineSearch

from eqgraph.calculators import EqgraphCalculator

matplotlib.use("Agg")
import matplotlib.pyplot as plt

DEFAULT_STRUCTURE = Path(__file__).parents[1] / "datasets" / "ethanol" / "test_300K.xyz"


def run(model: Path, structure: Path, fmax: float, cell: bool, max_steps: int) -> ase.Atoms:
    """Optimize, write optimization.xyz and optimization.png beside the model; the last structure."""
    start = ase.io.read(structure, 0)
    atoms = ase.Atoms(start.numbers, start.positions, cell=start.cell, pbc=start.pbc)
    if cell and not atoms.pbc.all():
        raise SystemExit(
            f"Expected a structure that is periodic in all directions for --cell, got pbc={atoms.pbc.tolist()}."
        )
    atoms.calc = EqgraphCalculator(model)
    trajectory = model.parent / "optimization.xyz"
    trajectory.unlink(missing_ok=True)
    energies, forces = [], []
    optimizer = BFGSLineSearch(FrechetCellFilter(atoms) if cell else atoms, logfile=None)

    def record() -> None:
        energies.append(atoms.get_potential_energy())
        forces.append(np.linalg.norm(atoms.get_forces(), axis=1).max())
        ase.io.write(trajectory, atoms, append=True, format="extxyz")

    optimizer.attach(record)
    converged = optimizer.run(fmax=fmax, steps=max_steps)
    plot(model.parent / "optimization.png", np.array(energies), np.array(forces), fmax)
    print(f"{'converged' if converged else 'NOT converged'} in {len(energies) - 1} steps, {len(atoms)} atoms")
    print(f"energy         {energies[-1]:.6f} eV, {energies[-1] - energies[0]:+.6f} eV from the start")
    print(f"largest force  {forces[-1]:.4f} eV/Å, at the start {forces[0]:.4f} eV/Å")
    if cell:
        lengths = ", ".join(f"{value:.3f}" for value in atoms.cell.lengths())
        print(f"cell vectors   {lengths} Å, {atoms.get_volume() / len(atoms):.3f} Å³/atom")
    print(f"structures     {trajectory}")
    print(f"plot           {model.parent / 'optimization.png'}")
    return atoms


def plot(path: Path, energies: np.ndarray, forces: np.ndarray, fmax: float) -> None:
    """Above, the energy over its last value; below, the largest force, down to where it had to be."""
    figure, (above, below) = plt.subplots(2, 1, sharex=True, figsize=(7, 5), layout="constrained")
    above.plot(1000 * (energies - energies[-1]), color="#0072B2", marker="o", markersize=3)
    above.set_ylabel("energy - last [meV]")
    below.semilogy(forces, color="#D55E00", marker="o", markersize=3)
    below.axhline(fmax, color="0.6", linestyle="--", linewidth=1)
    below.set_ylabel("largest force [eV/Å]")
    below.set_xlabel("step")
    figure.savefig(path, dpi=150)
    plt.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="model file (*.eqg)")
    parser.add_argument(
        "--structure", type=Path, default=DEFAULT_STRUCTURE, help="any file that ASE reads; its first frame is used"
    )
    parser.add_argument("--fmax", type=float, default=0.01, help="the largest force at the end [eV/Å]; default 0.01")
    parser.add_argument("--cell", action="store_true", help="optimize the cell vectors, too")
    parser.add_argument("--max-steps", type=int, default=500, help="default 500")
    args = parser.parse_args()
    run(args.model, args.structure, args.fmax, args.cell, args.max_steps)


if __name__ == "__main__":
    main()
