"""Makes the ethanol data set: GFN2-xTB Langevin dynamics, labelled with PBE/def2-TZVP.

    pip install ".[dft]"
    python datasets/ethanol/generate.py --workers 2

Sampling and labelling are separate: a cheap Hamiltonian (tblite) visits the configurations, density-functional theory (PySCF) gives
the energies and forces that a model learns. Labels are appended to the files as they are computed; a run that was stopped goes on
where it ended. Units: eV, Å, eV/Å.
"""

import argparse
import hashlib
import multiprocessing
import os
from pathlib import Path

import ase
import ase.io
import numpy as np
from ase import units
from ase.build import molecule
from ase.calculators.singlepoint import SinglePointCalculator
from ase.md.langevin import Langevin
from ase.md.velocitydistribution import thermalize_momenta

HARTREE = 27.211386245988  # eV, CODATA 2018
BOHR = 0.529177210903  # Å, CODATA 2018
BASIS, FUNCTIONAL = "def2-tzvp", "pbe"

TIME_STEP = 0.5  # fs
FRICTION = 0.02  # 1/fs
EQUILIBRATION = 4000  # steps: 2 ps
STRIDE = 200  # steps between frames: 100 fs

# file -> (temperature in K, frames per trajectory, seeds). Every seed is an independent trajectory, so that no test frame is a
# neighbour in time of a training frame.
SPLITS = {
    "train_300K.xyz": (300, 100, (1, 2, 3, 4, 5)),
    "test_300K.xyz": (300, 50, (101, 102)),
    "test_600K.xyz": (600, 50, (201, 202)),
}
SPINS = {"H": 1, "C": 2, "O": 2}  # unpaired electrons of the ground states ²S, ³P, ³P


def sample(temperature: float, num_frames: int, seed: int) -> list[ase.Atoms]:
    """One Langevin trajectory of ethanol with GFN2-xTB; a frame every STRIDE steps after EQUILIBRATION."""
    from tblite.ase import TBLite

    rng = np.random.default_rng(seed)
    atoms = molecule("CH3CH2OH")
    atoms.calc = TBLite(method="GFN2-xTB", verbosity=0)
    thermalize_momenta(atoms, temperature, rng=rng)
    dynamics = Langevin(
        atoms, TIME_STEP * units.fs, temperature_K=temperature, friction=FRICTION / units.fs, rng=rng, fixcm=False
    )
    dynamics.run(EQUILIBRATION)
    frames = []
    for step in range(num_frames):
        dynamics.run(STRIDE)
        frame = ase.Atoms(atoms.numbers, atoms.positions - atoms.get_center_of_mass())
        frame.info.update(temperature=temperature, seed=seed, step=EQUILIBRATION + (step + 1) * STRIDE)
        frames.append(frame)
    return frames


def converged_scf(atoms: ase.Atoms):
    """A converged Kohn-Sham calculation with density fitting."""
    from pyscf import dft, gto

    spin = SPINS[atoms.symbols[0]] if len(atoms) == 1 else 0
    mol = gto.M(atom=list(zip(atoms.symbols, atoms.positions, strict=True)), basis=BASIS, spin=spin, verbose=0)
    scf = (dft.UKS if spin else dft.RKS)(mol, xc=FUNCTIONAL).density_fit()
    scf.grids.level = 3
    scf.conv_tol, scf.conv_tol_grad = 1e-10, 1e-6
    scf.kernel()
    if not scf.converged:
        scf = scf.newton()
        scf.kernel()
    if not scf.converged:
        raise RuntimeError(f"SCF did not converge for {atoms.symbols} {atoms.info}.")
    return scf


def label(atoms: ase.Atoms) -> ase.Atoms:
    """A copy of atoms with energy [eV] and forces [eV/Å] attached."""
    scf = converged_scf(atoms)
    forces = np.zeros((1, 3))
    if len(atoms) > 1:
        gradient = scf.nuc_grad_method()
        gradient.grid_response = (
            True  # the quadrature grid moves with the atoms: without this, forces are off by 1 meV/Å
        )
        forces = -gradient.kernel() * HARTREE / BOHR
    labelled = atoms.copy()
    labelled.calc = SinglePointCalculator(labelled, energy=scf.e_tot * HARTREE, forces=forces)
    return labelled


def finite_difference_error(atoms: ase.Atoms, step: float = 1e-3) -> float:
    """Largest deviation [eV/Å] of a force component from -ΔE/2h, over one random component per atom."""
    rng = np.random.default_rng(0)
    forces, worst = label(atoms).get_forces(), 0.0
    for index, axis in enumerate(rng.integers(0, 3, len(atoms))):
        energies = []
        for sign in (1, -1):
            moved = atoms.copy()
            moved.positions[index, axis] += sign * step
            energies.append(converged_scf(moved).e_tot * HARTREE)
        worst = max(worst, abs(-(energies[0] - energies[1]) / (2 * step) - forces[index, axis]))
    return worst


def write_labelled(path: Path, frames: list[ase.Atoms], pool) -> None:
    """Label the frames that path does not hold yet and append them in order."""
    done = len(ase.io.read(path, ":")) if path.exists() else 0
    for count, labelled in enumerate(pool.imap(label, frames[done:]), start=done + 1):
        ase.io.write(path, labelled, append=True, format="extxyz")
        print(f"\r{path.name}: {count}/{len(frames)}", end="", flush=True)
    print()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=2, help="processes; each uses one thread")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="output folder")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)

    os.environ["OMP_NUM_THREADS"] = "1"  # read by the workers when they import PySCF and tblite
    with multiprocessing.get_context("spawn").Pool(args.workers) as pool:
        error = pool.apply(finite_difference_error, (sample(300, 1, seed=0)[0],))
        print(f"forces against finite differences: {1e3 * error:.4f} meV/Å", flush=True)
        if error > 1e-4:
            raise RuntimeError(
                f"forces differ from -dE/dx by {error} eV/Å, expected less than 1e-4: check grid and convergence."
            )
        atoms = [ase.Atoms(symbol, info={"config_type": "isolated_atom"}) for symbol in SPINS]
        write_labelled(args.out / "isolated_atoms.xyz", atoms, pool)
        for name, (temperature, num_frames, seeds) in SPLITS.items():
            trajectories = pool.starmap(sample, [(temperature, num_frames, seed) for seed in seeds])
            write_labelled(args.out / name, [frame for frames in trajectories for frame in frames], pool)

    for name in ("isolated_atoms.xyz", *SPLITS):
        print(hashlib.sha256((args.out / name).read_bytes()).hexdigest(), name)


if __name__ == "__main__":
    main()
