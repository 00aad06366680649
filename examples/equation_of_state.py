"""Energy against volume, and what follows: equilibrium volume, bulk modulus.

    python examples/equation_of_state.py model.eqg crystal.cif

Scales the cell of a periodic structure (atoms relax inside it unless --fixed), fits the equation of state of Birch and Murnaghan, and
writes the numbers (eos.csv) and a plot (eos.png) beside the model. The pressure from the slope of the fit and that from the stress of
the potential are both drawn: they are the same curve where energies and stresses belong together.
"""

import argparse
from pathlib import Path

import ase.io
import matplotlib
import numpy as np
from ase.eos import EquationOfState
from ase.optimize import BFGSLineSearch
from ase.units import GPa
from rich.progress import track

from eqgraph.calculators import EqgraphCalculator

matplotlib.use("Agg")
import matplotlib.pyplot as plt


def run(
    model: Path, structure: Path, width: float, points: int, fixed: bool, fmax: float
) -> tuple[float, float, float]:
    """Compute and fit, write eos.csv and eos.png beside the model; volume [Å³], energy [eV] and bulk modulus [GPa] of the minimum."""
    start = ase.io.read(structure, 0)
    atoms = ase.Atoms(start.numbers, start.positions, cell=start.cell, pbc=start.pbc)
    if not atoms.pbc.all():
        raise SystemExit(f"Expected a structure that is periodic in all directions, got pbc={atoms.pbc.tolist()}.")
    atoms.calc = EqgraphCalculator(model)
    volumes, energies, pressures = [], [], []
    first_cell = atoms.cell.array.copy()
    for factor in track(np.linspace(1 - width, 1 + width, points), description="equation of state"):
        atoms.set_cell(first_cell * np.cbrt(factor), scale_atoms=True)
        if not fixed:
            converged = BFGSLineSearch(atoms, logfile=None).run(fmax=fmax, steps=200)
            if not converged:
                print(
                    f"forces above {fmax} eV/Å after 200 steps at {atoms.get_volume():.2f} Å³: the energy there is too high"
                )
        volumes.append(atoms.get_volume())
        energies.append(atoms.get_potential_energy())
        pressures.append(-atoms.get_stress()[:3].mean() / GPa)
    if int(np.argmin(energies)) in (0, points - 1):
        raise SystemExit(
            f"Expected the minimum between {min(volumes):.2f} and {max(volumes):.2f} Å³, came the lowest energy at one of them. Start "
            "from a structure nearer to it (examples/geometry_optimization.py --cell) or raise --width."
        )
    eos = EquationOfState(volumes, energies, eos="birchmurnaghan")
    volume, energy, modulus = eos.fit(warn=False)
    table = np.stack([volumes, energies, pressures], axis=1)
    np.savetxt(model.parent / "eos.csv", table, delimiter=",", header="volume [A^3],energy [eV],pressure [GPa]")
    plot(model.parent / "eos.png", eos, table, volume, len(atoms))
    print(f"equilibrium volume  {volume:.3f} Å³, {volume / len(atoms):.3f} Å³/atom")
    print(f"energy there        {energy:.6f} eV")
    print(f"bulk modulus        {modulus / GPa:.1f} GPa")
    print(f"plot                {model.parent / 'eos.png'}")
    return volume, energy, modulus / GPa


def plot(path: Path, eos: EquationOfState, table: np.ndarray, minimum: float, num_atoms: int) -> None:
    """Above, energies and their fit; below, pressures of the potential and of the fit."""
    volumes, energies, pressures = table.T
    fine = np.linspace(volumes.min(), volumes.max(), 200)
    fitted = eos.func(fine, *eos.eos_parameters)
    figure, (above, below) = plt.subplots(2, 1, sharex=True, figsize=(7, 6), layout="constrained")
    above.plot(fine / num_atoms, 1000 * (fitted - energies.min()) / num_atoms, color="0.6", label="Birch-Murnaghan")
    above.plot(
        volumes / num_atoms, 1000 * (energies - energies.min()) / num_atoms, "o", color="#0072B2", label="energy"
    )
    above.axvline(minimum / num_atoms, color="0.8", linestyle="--", linewidth=1, zorder=0)
    above.set_ylabel("energy - lowest [meV/atom]")
    above.legend(frameon=False)
    slope = -np.gradient(fitted, fine) / GPa
    below.plot(fine / num_atoms, slope, color="0.6", label="slope of the fit")
    below.plot(volumes / num_atoms, pressures, "o", color="#D55E00", label="stress")
    below.axhline(0, color="0.8", linestyle="--", linewidth=1, zorder=0)
    below.set_ylabel("pressure [GPa]")
    below.set_xlabel("volume [Å³/atom]")
    below.legend(frameon=False)
    figure.savefig(path, dpi=150)
    plt.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="model file (*.eqg)")
    parser.add_argument("structure", type=Path, help="any file that ASE reads; its first frame is used")
    parser.add_argument(
        "--width", type=float, default=0.06, help="volumes up to so much smaller and larger; default 0.06"
    )
    parser.add_argument("--points", type=int, default=11, help="number of volumes; default 11")
    parser.add_argument("--fixed", action="store_true", help="do not relax the atoms in each cell")
    parser.add_argument(
        "--fmax", type=float, default=0.01, help="the largest force after relaxing [eV/Å]; default 0.01"
    )
    args = parser.parse_args()
    run(args.model, args.structure, args.width, args.points, args.fixed, args.fmax)


if __name__ == "__main__":
    main()
