"""Makes the crystals data set: surroundings of atoms in hot crystals, liquids and glasses, labelled with the phase.

    python datasets/crystals/generate.py

Every run is one piece of matter that is heated (crystals) or cooled (liquids, glasses) through the temperatures of a split; runs of
different splits share nothing. Lengths in the files are in units of (volume per atom)^(1/3), so that neither the lattice constant nor
the density tells the class. Temperatures are fractions of the melting point.
"""

import argparse
import hashlib
import multiprocessing
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from ase import Atoms, units
from ase.build import bulk
from ase.md.langevin import Langevin
from ase.md.velocitydistribution import thermalize_momenta
from harmonic import HarmonicCrystal
from potentials import InversePower, LennardJones, StillingerWeber, TightBinding
from scipy.spatial import KDTree

CLASSES = ("fcc", "hcp", "bcc", "sc", "diamond", "liquid", "amorphous")
SPLITS = {"train": 267, "valid": 33, "test": 100}  # surroundings of each class at each of three temperatures
SNAPSHOTS = {"train": 6, "valid": 2, "test": 4}  # of a run, at each temperature
REPEATS = {"train": 2, "valid": 1, "test": 1}  # runs of each class and material
NUM_POINTS = (30, 90)  # the atom itself and its nearest neighbors
SCALE = 5e-4  # of the integers in the files, in units of (volume per atom)^(1/3)
LINDEMANN = 0.15  # of a harmonic crystal at its melting point

# T / T_melt. The tests interpolate (0.35, 0.65) and extrapolate (1.0): a crystal at its melting point, a hotter liquid and glass
TRAINED, HELD_OUT = "trained", "held out"
TEMPERATURES = {
    "crystal": {TRAINED: (0.2, 0.5, 0.8), HELD_OUT: (0.35, 0.65, 1.0)},
    "liquid": {TRAINED: (1.8, 1.4, 1.0), HELD_OUT: (2.2, 1.6, 1.2)},
    "amorphous": {TRAINED: (0.3, 0.2, 0.1), HELD_OUT: (0.4, 0.25, 0.15)},
}


@dataclass(frozen=True)
class Material:
    """What molecular dynamics needs. melting [K], time_step [fs], bulk_modulus [GPa]; without one the volume is fixed."""

    calculator: type
    arguments: tuple
    melting: float
    time_step: float
    bulk_modulus: float | None


MATERIALS = {
    "argon": Material(LennardJones, (0.0104, 3.405), 82, 10, 2.5),
    "copper": Material(TightBinding, (), 1150, 5, 130),
    "sodium": Material(InversePower, (0.169, 3.397), 371, 5, None),
    "silicon": Material(StillingerWeber, (), 1680, 2.5, 100),
}
LATTICES = {
    ("fcc", "argon"): lambda: bulk("Ar", "fcc", a=5.27, cubic=True) * (4, 4, 4),
    ("fcc", "copper"): lambda: bulk("Cu", "fcc", a=3.61, cubic=True) * (4, 4, 4),
    ("hcp", "argon"): lambda: bulk("Ar", "hcp", a=3.73, orthorhombic=True) * (5, 3, 4),
    ("hcp", "copper"): lambda: bulk("Cu", "hcp", a=2.553, orthorhombic=True) * (5, 3, 4),
    ("bcc", "sodium"): lambda: bulk("Na", "bcc", a=4.28, cubic=True) * (5, 5, 5),
    ("bcc", "springs"): lambda: bulk("Fe", "bcc", a=2.86, cubic=True) * (6, 6, 6),
    ("sc", "springs"): lambda: bulk("Po", "sc", a=3.35) * (8, 8, 8),
    ("diamond", "silicon"): lambda: bulk("Si", "diamond", a=5.431, cubic=True) * (3, 3, 3),
    ("diamond", "springs"): lambda: bulk("C", "diamond", a=3.567, cubic=True) * (4, 4, 4),
}
MELTED = {"argon": "fcc", "copper": "fcc", "sodium": "bcc", "silicon": "diamond"}  # what a liquid is made of
SOURCES = {
    **{kind: [material for each, material in LATTICES if each == kind] for kind in CLASSES[:5]},
    "liquid": ["argon", "copper", "sodium", "silicon"],
    "amorphous": ["argon", "copper", "silicon"],  # soft spheres freeze to bcc while they are quenched
}


class Dynamics:
    """Langevin dynamics at zero pressure (or fixed volume) that goes from temperature to temperature."""

    def __init__(self, atoms: Atoms, material: Material, rng: np.random.Generator):
        self.atoms, self.material, self.rng = atoms, material, rng
        self.sites = atoms.get_scaled_positions(wrap=False)
        atoms.calc = material.calculator(*material.arguments)
        step = material.time_step * units.fs
        self.langevin = Langevin(atoms, step, temperature_K=1, friction=0.02 / step, rng=rng, fixcm=False)

    def run(self, temperature: float, steps: int, barostat: bool = True) -> None:
        """Steps at a temperature [K]; a tenth of the excess volume is given way to every ten steps."""
        self.langevin.set_temperature(temperature_K=temperature)
        for _ in range(max(1, steps // 10)):
            self.langevin.run(min(10, steps))
            if barostat and self.material.bulk_modulus:
                pressure = -self.atoms.get_stress(include_ideal_gas=True)[:3].mean()
                excess = np.clip(0.1 * pressure / (self.material.bulk_modulus * units.GPa), -0.02, 0.02)
                self.atoms.set_cell(self.atoms.cell * (1 + excess / 3), scale_atoms=True)

    def lindemann(self) -> float:
        """√⟨|u|²⟩ over the nearest-neighbor distance of the lattice, of this moment."""
        moved = self.atoms.positions - self.sites @ self.atoms.cell.array
        lattice = Atoms(scaled_positions=self.sites, cell=self.atoms.cell, pbc=True)
        nearest = np.delete(lattice.get_distances(0, np.arange(len(lattice)), mic=True), 0).min()
        return np.sqrt((moved - moved.mean(0)).var(0).sum()) / nearest


def bragg(atoms: Atoms) -> float:
    """The highest peak |⟨exp(i k·r)⟩|² over wave vectors of the cell: near 1 in a crystal, near 0 without long-range order."""
    index = np.stack(np.meshgrid(*[np.arange(-14, 15)] * 3, indexing="ij"), -1).reshape(-1, 3)
    index = index[len(index) // 2 + 1 :]  # one of k and -k
    length = np.linalg.norm(index @ atoms.cell.reciprocal().array, axis=1)
    index = index[length < 1.6 * (len(atoms) / atoms.get_volume()) ** (1 / 3)]
    return np.max(np.abs(np.exp(2j * np.pi * index @ atoms.get_scaled_positions().T).mean(1)) ** 2)


@cache
def harmonic_crystal(kind: str) -> HarmonicCrystal:
    """Its modes take a second."""
    return HarmonicCrystal(LATTICES[kind, "springs"]())


class WrongPhase(RuntimeError):
    """A crystal melted, or a melt froze."""


def snapshots(split: str, kind: str, source: str, repeat: int, seed: int, quick: bool, attempt: int = 0):
    """Yields (T / T_melt, Lindemann ratio or NaN, atoms) of one run; raises WrongPhase."""
    phase = kind if kind in TEMPERATURES else "crystal"
    temperatures = TEMPERATURES[phase][HELD_OUT if split == "test" else TRAINED]
    rng = np.random.default_rng(
        [seed, list(SPLITS).index(split), CLASSES.index(kind), *source.encode(), repeat, attempt]
    )
    steps, count = (5, 1) if quick else (300, SNAPSHOTS[split])
    if source == "springs":
        for temperature in temperatures:
            lindemann = LINDEMANN * np.sqrt(temperature)
            for _ in range(count):
                yield temperature, lindemann, harmonic_crystal(kind).sample(lindemann, rng)
        return
    material = MATERIALS[source]
    lattice = LATTICES[kind if phase == "crystal" else MELTED[source], source]()
    lattice.positions += (
        0.05 * (lattice.get_volume() / len(lattice)) ** (1 / 3) * rng.standard_normal((len(lattice), 3))
    )
    thermalize_momenta(lattice, material.melting * temperatures[0], rng=rng)
    dynamics = Dynamics(lattice, material, rng)
    if phase != "crystal":  # far above the melting point, then down
        dynamics.run(5 * material.melting, steps // 2, barostat=False)
        dynamics.run(2.2 * material.melting, steps)
    if phase == "amorphous":  # at 2·10¹³ K/s (argon) to 2·10¹⁵ K/s (silicon)
        for temperature in np.linspace(2.0, temperatures[0], max(1, steps // 10)):
            dynamics.run(temperature * material.melting, 20)
    for temperature in temperatures:
        dynamics.run(temperature * material.melting, steps)
        for _ in range(count):
            dynamics.run(temperature * material.melting, steps // 5, barostat=False)
            lindemann = dynamics.lindemann() if phase == "crystal" else np.nan
            if not quick:
                check_order(kind, source, temperature, lindemann, bragg(lattice))
            yield temperature, lindemann, lattice.copy()


def check_order(kind: str, source: str, temperature: float, lindemann: float, peak: float) -> None:
    """A crystal that melted or a melt that froze must not get a wrong label."""
    if lindemann > 0.22 or (np.isnan(lindemann) and peak > 0.16):
        raise WrongPhase(
            f"{kind} {source} at {temperature} T_melt: expected a Lindemann ratio below 0.22 or a Bragg peak below 0.16, "
            f"got {lindemann:.3f} and {peak:.3f}. Try again with other random numbers."
        )


def all_snapshots(*arguments, attempts: int = 8) -> list[tuple[float, float, Atoms]]:
    """Those of the first attempt that stayed in its phase: now and then a glass of one element freezes."""
    for attempt in range(attempts):
        try:
            return list(snapshots(*arguments, attempt))
        except WrongPhase as error:
            message = str(error)
            print(message, flush=True)
    raise WrongPhase(f"{message} This was attempt {attempts} of {attempts}: change the temperatures.")


def surroundings(atoms: Atoms, centers: np.ndarray, counts: np.ndarray, rng: np.random.Generator) -> list[np.ndarray]:
    """(count, 3) positions around each center, which is first; units of (volume per atom)^(1/3), turned and in random order."""
    unit = (atoms.get_volume() / len(atoms)) ** (1 / 3)
    images = np.array(np.meshgrid(*[(0, -1, 1)] * 3, indexing="ij")).reshape(3, -1).T  # the cell itself comes first
    atoms = atoms.copy()
    atoms.wrap()
    points = (atoms.positions + (images @ atoms.cell.array)[:, None]).reshape(-1, 3) / unit
    tree, clouds = KDTree(points), []
    for center, count in zip(centers, counts, strict=True):
        _, near = tree.query(points[center], count)
        near[1:] = rng.permutation(near[1:])
        q, r = np.linalg.qr(rng.standard_normal((3, 3)))
        clouds.append((points[near] - points[center]) @ (q * np.sign(np.diag(r))))  # Haar measure of O(3)
    return clouds


def one_run(arguments: tuple) -> list[dict]:
    """The surroundings of one run, as many of each temperature as its share."""
    split, kind, source, repeat, share, seed, quick = arguments
    rng = np.random.default_rng([seed, 1, list(SPLITS).index(split), CLASSES.index(kind), *source.encode(), repeat])
    rows, taken, num_snapshots = [], 0, 1 if quick else SNAPSHOTS[split]
    for index, (temperature, lindemann, atoms) in enumerate(all_snapshots(split, kind, source, repeat, seed, quick)):
        snapshot = index % num_snapshots
        taken = 0 if snapshot == 0 else taken
        count = share * (snapshot + 1) // num_snapshots - taken
        taken += count
        centers = rng.choice(len(atoms), count, replace=False)
        clouds = surroundings(atoms, centers, rng.integers(NUM_POINTS[0], NUM_POINTS[1] + 1, count), rng)
        for center, cloud in zip(centers, clouds, strict=True):
            name = f"{kind}/{source}/{temperature}/{split}{repeat}/{snapshot}/{center}"
            rows.append({"points": cloud, "label": CLASSES.index(kind), "name": name, "temperature": temperature,
                         "lindemann": lindemann})  # fmt: skip
    return rows


def plan(split: str, seed: int, quick: bool) -> list[tuple]:
    """The runs of a split with the number of surroundings that each gives at each temperature."""
    runs, total = [], 7 if quick else SPLITS[split]
    for kind in CLASSES:
        sources = [(source, repeat) for source in SOURCES[kind] for repeat in range(1 if quick else REPEATS[split])]
        for index, (source, repeat) in enumerate(sources):
            share = total * (index + 1) // len(sources) - total * index // len(sources)
            runs.append((split, kind, source, repeat, share, seed, quick))
    return runs


def write(path: Path, rows: list[dict], rng: np.random.Generator) -> None:
    """One split in random order."""
    rows = [rows[index] for index in rng.permutation(len(rows))]
    np.savez_compressed(
        path,
        points=np.concatenate([np.rint(row["points"] / SCALE).astype(np.int16) for row in rows]),
        scale=np.float32(SCALE),
        num_points=np.array([len(row["points"]) for row in rows], dtype=np.int32),
        label=np.array([row["label"] for row in rows], dtype=np.int32),
        classes=np.array(CLASSES),
        name=np.array([row["name"] for row in rows]),
        temperature=np.array([row["temperature"] for row in rows], dtype=np.float32),
        lindemann=np.array([row["lindemann"] for row in rows], dtype=np.float32),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=1, help="processes")
    parser.add_argument("--quick", action="store_true", help="few surroundings from runs too short to mean anything")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="output folder")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    start = time.perf_counter()
    with multiprocessing.get_context("spawn").Pool(args.workers) as pool:
        for split in SPLITS:
            runs = plan(split, args.seed, args.quick)
            rows = []
            for run, result in zip(runs, pool.imap(one_run, runs), strict=True):
                rows += result
                lindemann = [row["lindemann"] for row in result if row["temperature"] == result[-1]["temperature"]]
                print(f"{time.perf_counter() - start:6.0f} s", *run[:5], f"{np.mean(lindemann):.3f}", flush=True)
            write(args.out / f"{split}.npz", rows, np.random.default_rng(args.seed))
    for split in SPLITS:
        path = args.out / f"{split}.npz"
        print(hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_size, path.name)


if __name__ == "__main__":
    main()
