"""Phonon bands and density of states by finite displacements, with phonopy (pip install "eqgraph[phonons]").

    python examples/phonons.py model.eqg primitive.cif

Starts from a relaxed primitive cell (see geometry_optimization.py --cell), displaces atoms in a supercell at least --length wide, and
writes a plot (phonons.png) beside the model. Frequencies below zero stand for imaginary ones: the structure is no minimum.
"""

import argparse
from pathlib import Path

import ase.io
import matplotlib
import numpy as np
from ase import Atoms
from rich.progress import track

from eqgraph.calculators import EqgraphCalculator

matplotlib.use("Agg")
import matplotlib.pyplot as plt

try:
    from phonopy import Phonopy
    from phonopy.structure.atoms import PhonopyAtoms
except ImportError as error:
    raise ImportError('examples/phonons.py needs phonopy: pip install "eqgraph[phonons]".') from error


def run(model: Path, structure: Path, length: float, displacement: float, mesh: float) -> np.ndarray:
    """Compute the phonons, write phonons.png beside the model; frequencies at Γ [THz]."""
    primitive = ase.io.read(structure, 0)
    if not primitive.pbc.all():
        raise SystemExit(f"Expected a structure that is periodic in all directions, got pbc={primitive.pbc.tolist()}.")
    calculator = EqgraphCalculator(model, dtype="float64")  # differences of forces: float32 would be noise
    forces = forces_of(primitive, calculator)
    if np.abs(forces).max() > 0.05:
        print(
            f"The largest force is {np.abs(forces).max():.3f} eV/Å: relax the structure first, or take this as a sketch."
        )

    thickness = 1 / np.linalg.norm(np.linalg.inv(primitive.cell.array), axis=0)
    supercell = np.diag(np.ceil(length / thickness).astype(int))
    unit_cell = PhonopyAtoms(
        symbols=primitive.get_chemical_symbols(),
        cell=primitive.cell.array,
        scaled_positions=primitive.get_scaled_positions(),
    )
    phonons = Phonopy(unit_cell, supercell, primitive_matrix=np.eye(3))
    phonons.generate_displacements(distance=displacement)
    cells = phonons.supercells_with_displacements
    phonons.forces = [
        forces_of(Atoms(cell.symbols, cell.positions, cell=cell.cell, pbc=True), calculator)
        for cell in track(cells, description=f"{len(cells)} displacements of {len(cells[0])} atoms")
    ]
    phonons.produce_force_constants()
    phonons.symmetrize_force_constants()

    phonons.run_mesh(mesh)
    phonons.run_total_dos()
    path = primitive.cell.bandpath(npoints=200)
    at_gamma, *bands = phonons.run_qpoints([[0, 0, 0], *path.kpts]).frequencies
    bands, states = np.array(bands), phonons.total_dos
    plot(model.parent / "phonons.png", path, bands, states.frequency_points, states.dos)
    print(f"supercell              {' x '.join(str(n) for n in np.diag(supercell))}, {len(cells[0])} atoms")
    print(f"frequencies at Γ       {', '.join(f'{value:.2f}' for value in at_gamma)} THz")
    print(f"lowest on the path     {bands.min():.2f} THz" + (" (imaginary)" if bands.min() < -0.1 else ""))
    print(f"highest                {bands.max():.2f} THz")
    print(f"plot                   {model.parent / 'phonons.png'}")
    return at_gamma


def forces_of(atoms: Atoms, calculator: EqgraphCalculator) -> np.ndarray:
    atoms.calc = calculator
    return atoms.get_forces()


def plot(path_to_file: Path, path, bands: np.ndarray, frequencies: np.ndarray, dos: np.ndarray) -> None:
    """Bands along the path between points of high symmetry, and beside them the density of states."""
    x, ticks, labels = path.get_linear_kpoint_axis()
    names: dict[float, str] = {}
    for tick, label in zip(ticks, labels, strict=True):  # where the path jumps, two points share a place
        label = "Γ" if label == "G" else label
        names[tick] = f"{names[tick]}|{label}" if tick in names else label
    figure, (left, right) = plt.subplots(1, 2, sharey=True, figsize=(8, 4.5), width_ratios=[4, 1], layout="constrained")
    left.plot(x, bands, color="#0072B2", linewidth=1.2)
    for tick in names:
        left.axvline(tick, color="0.8", linewidth=0.8)
    left.set_xticks(list(names), list(names.values()))
    left.set_xlim(x[0], x[-1])
    left.set_ylabel("frequency [THz]")
    right.plot(dos, frequencies, color="#D55E00", linewidth=1.2)
    right.fill_betweenx(frequencies, 0, dos, color="#D55E00", alpha=0.2)
    right.set_xlim(left=0)
    right.set_xlabel("states / THz")
    for axes in (left, right):
        axes.axhline(0, color="0.6", linestyle="--", linewidth=0.8)
    figure.savefig(path_to_file, dpi=150)
    plt.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="model file (*.eqg)")
    parser.add_argument("structure", type=Path, help="primitive cell, any file that ASE reads; its first frame is used")
    parser.add_argument("--length", type=float, default=10.0, help="least width of the supercell [Å]; default 10")
    parser.add_argument("--displacement", type=float, default=0.01, help="of each atom [Å]; default 0.01")
    parser.add_argument(
        "--mesh", type=float, default=40.0, help="length that stands for the mesh of q points [Å]; default 40"
    )
    args = parser.parse_args()
    run(args.model, args.structure, args.length, args.displacement, args.mesh)


if __name__ == "__main__":
    main()
