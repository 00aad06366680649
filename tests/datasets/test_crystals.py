"""The shipped crystals are what their card says, and the scripts that made them are right."""

import hashlib
import importlib
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import ase.build
import numpy as np
import pytest
from ase.calculators.fd import calculate_numerical_forces, calculate_numerical_stress
from ase.calculators.lj import LennardJones
from scipy.special import sph_harm_y

FOLDER = Path(__file__).parents[2] / "datasets" / "crystals"
CARD = (FOLDER / "README.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| (\S+\.npz) \| (\d+) \| .* \| (\d+) \| `(\w{64})` \|$", CARD, flags=re.MULTILINE)
SPLITS = ("train", "valid", "test")


def script(name):
    """A module of the folder, which is no package."""
    sys.path.insert(0, str(FOLDER))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(FOLDER))


def columns_of(path):
    with np.load(path) as file:
        return {key: file[key] for key in file.files}


def test_the_card_lists_every_file():
    assert sorted(name for name, *_ in ROWS) == sorted(path.name for path in FOLDER.glob("*.npz"))
    assert sum(int(size) for *_, size, _ in ROWS) < 3_000_000


@pytest.mark.parametrize(("name", "clouds", "size", "checksum"), ROWS, ids=[row[0] for row in ROWS])
def test_size_number_and_checksum(name, clouds, size, checksum):
    content = (FOLDER / name).read_bytes()
    assert len(content) == int(size)
    assert hashlib.sha256(content).hexdigest() == checksum
    assert len(columns_of(FOLDER / name)["label"]) == int(clouds)


@pytest.mark.parametrize("split", SPLITS)
def test_layout(split):
    columns = columns_of(FOLDER / f"{split}.npz")
    classes, counts = np.unique(columns["label"], return_counts=True)
    assert columns["classes"].tolist() == ["fcc", "hcp", "bcc", "sc", "diamond", "liquid", "amorphous"]
    assert classes.tolist() == list(range(7))
    assert len(set(counts)) == 1  # balanced
    num_points = columns["num_points"]
    assert num_points.min() >= 30
    assert num_points.max() <= 100
    assert columns["points"].dtype == np.int16
    assert len(columns["points"]) == num_points.sum()
    assert {len(columns[key]) for key in ("label", "name", "temperature", "lindemann", "num_points")} == {
        len(num_points)
    }
    assert [str(columns["classes"][label]) for label in columns["label"]] == [n.split("/")[0] for n in columns["name"]]
    starts = np.cumsum(num_points) - num_points
    assert (columns["points"][starts] == 0).all()  # the atom itself comes first
    density_one = (3 * num_points / (4 * np.pi)) ** (1 / 3)  # radius of a ball of so many atoms
    for start, end, radius in zip(starts, starts + num_points, density_one, strict=True):
        distance = np.linalg.norm(columns["points"][start:end] * columns["scale"], axis=1)
        assert distance[1:].min() > 0.5
        assert radius - 0.4 < distance.max() < radius + 0.6


def test_no_snapshot_is_in_two_splits():
    runs, temperatures = {}, {}
    for split in SPLITS:
        columns = columns_of(FOLDER / f"{split}.npz")
        runs[split] = {name.rsplit("/", 2)[0] for name in columns["name"]}
        temperatures[split] = {
            (int(label), float(t)) for label, t in zip(columns["label"], columns["temperature"], strict=True)
        }
        assert len(set(columns["name"])) == len(columns["name"])  # no atom twice
        assert all(f"/{split}" in name for name in columns["name"])
    assert runs["train"].isdisjoint(runs["valid"] | runs["test"])
    assert runs["valid"].isdisjoint(runs["test"])
    assert temperatures["train"] == temperatures["valid"]
    assert temperatures["train"].isdisjoint(temperatures["test"])


def test_no_cloud_is_in_two_splits():
    """Sorted distances do not depend on the rotation and order that each got."""
    seen = []
    for split in SPLITS:
        columns = columns_of(FOLDER / f"{split}.npz")
        ends = np.cumsum(columns["num_points"])
        clouds = [columns["points"][start:end] for start, end in pairwise([0, *ends])]
        seen.append(np.array([np.sort(np.linalg.norm(cloud.astype(float), axis=1))[1:30] for cloud in clouds]))
    from scipy.spatial import KDTree

    for first, second in ((0, 1), (0, 2), (1, 2)):
        distance, _ = KDTree(seen[first]).query(seen[second])
        assert distance.min() > 10  # integers; rounding alone gives about 3


def test_quick_generation_is_reproducible(tmp_path):
    command = [sys.executable, str(FOLDER / "generate.py"), "--quick", "--seed", "3"]
    runs = [  # at the same time; with other numbers of processes
        subprocess.Popen([*command, "--out", str(tmp_path / out), "--workers", workers], stdout=subprocess.DEVNULL)
        for out, workers in (("first", "1"), ("second", "2"))
    ]
    assert [run.wait(timeout=300) for run in runs] == [0, 0]
    for split in SPLITS:
        columns = columns_of(tmp_path / "first" / f"{split}.npz")
        assert len(columns["label"]) == 7 * 3 * 7  # surroundings, temperatures, classes
        assert (tmp_path / "first" / f"{split}.npz").read_bytes() == (tmp_path / "second" / f"{split}.npz").read_bytes()


LATTICES = {
    "fcc": ase.build.bulk("Cu", "fcc", a=3.6, cubic=True) * (5, 5, 5),
    "hcp": ase.build.bulk("Mg", "hcp", a=3.2, orthorhombic=True) * (6, 4, 4),
    "bcc": ase.build.bulk("W", "bcc", a=3.16, cubic=True) * (6, 6, 6),
    "sc": ase.build.bulk("Po", "sc", a=3.35) * (8, 8, 8),
    "diamond": ase.build.bulk("Ge", "diamond", a=5.66, cubic=True) * (3, 3, 3),
}


@pytest.mark.parametrize("name", LATTICES)
@pytest.mark.parametrize("noise", [0.0, 0.02])
def test_common_neighbor_analysis_knows_perfect_lattices(name, noise):
    atoms, rng = LATTICES[name].copy(), np.random.default_rng(0)
    unit = (atoms.get_volume() / len(atoms)) ** (1 / 3)
    atoms.positions += noise * unit * rng.standard_normal((len(atoms), 3))
    clouds = script("generate").surroundings(atoms, np.arange(20), np.full(20, 40), rng)
    assert {script("common_neighbors").structure(cloud) for cloud in clouds} == {name}


def test_common_neighbor_analysis_of_other_structures():
    structure, rng = script("common_neighbors").structure, np.random.default_rng(0)
    golden = (1 + 5**0.5) / 2
    corners = np.array([(0, s, t * golden) for s in (-1, 1) for t in (-1, 1)])
    shell = np.concatenate([np.roll(corners, shift, axis=1) for shift in range(3)])
    cloud = np.concatenate([np.zeros((1, 3)), shell, 2 * shell, 3 * shell])
    assert structure(cloud) == "icosahedron"
    wurtzite = ase.build.bulk("ZnO", "wurtzite", a=3.2, c=3.2 * (8 / 3) ** 0.5, u=3 / 8) * (6, 6, 4)  # types ignored
    (cloud,) = script("generate").surroundings(wurtzite, np.array([0]), np.array([60]), rng)
    assert structure(cloud) == "hexagonal diamond"
    assert structure(np.concatenate([np.zeros((1, 3)), rng.standard_normal((60, 3))])) == "other"


@pytest.mark.parametrize(("bonds", "longest"), [([(0, 1), (2, 3)], 1), ([(0, 1), (1, 2)], 2), ([], 0),
                                                ([(i, (i + 1) % 6) for i in range(6)], 6)])  # fmt: skip
def test_longest_chain(bonds, longest):
    matrix = np.zeros((6, 6), dtype=bool)
    for first, second in bonds:
        matrix[first, second] = matrix[second, first] = True
    assert script("common_neighbors").longest_chain(matrix) == longest


def test_lennard_jones_is_that_of_ase():
    atoms = ase.build.bulk("Ar", "fcc", a=5.3, cubic=True) * (3, 3, 3)
    atoms.rattle(0.2, seed=0)
    found = []
    for calculator in (
        script("potentials").LennardJones(0.0104, 3.405),
        LennardJones(epsilon=0.0104, sigma=3.405, rc=2.5 * 3.405),
    ):
        atoms.calc = calculator
        found.append((atoms.get_potential_energy(), atoms.get_forces(), atoms.get_stress()))
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", ["InversePower", "StillingerWeber"])
def test_forces_and_stress_are_derivatives(name):
    atoms = ase.build.bulk("Si", cubic=True) * (2, 2, 2)
    calculator = script("potentials").StillingerWeber() if name == "StillingerWeber" else None
    atoms.calc = calculator or script("potentials").InversePower(0.1, 2.2)
    atoms.rattle(0.15, seed=0)
    forces = calculate_numerical_forces(atoms, 1e-4, iatoms=[0, 7])
    np.testing.assert_allclose(atoms.get_forces()[[0, 7]], forces, rtol=0, atol=1e-6)
    np.testing.assert_allclose(atoms.get_stress(), calculate_numerical_stress(atoms, 1e-4), rtol=0, atol=1e-6)


def test_stillinger_weber_is_silicon():
    atoms = ase.build.bulk("Si", a=5.431)
    atoms.calc = script("potentials").StillingerWeber()
    assert atoms.get_potential_energy() / 2 == pytest.approx(
        -4.3366, abs=1e-4
    )  # -2 ε: two bonds per atom, perfect angles
    assert np.abs(atoms.get_stress()).max() < 1e-4


def test_harmonic_crystals_have_the_lindemann_ratio_asked_for():
    harmonic, rng = script("harmonic"), np.random.default_rng(0)
    atoms = ase.build.bulk("Po", "sc", a=3.35) * (5, 5, 5)
    crystal = harmonic.HarmonicCrystal(atoms)
    moved = np.stack([crystal.sample(0.1, rng).positions - atoms.positions for _ in range(200)])
    assert np.sqrt((moved**2).sum(2).mean()) / 3.35 == pytest.approx(0.1, rel=0.02)
    assert np.abs(moved.mean(1)).max() < 1e-10  # no translation
    first, second = np.nonzero(atoms.get_all_distances(mic=True).round(6) == 3.35)
    assert np.mean(moved[:, first] * moved[:, second]) > 0.1 * np.mean(moved**2)  # neighbors move together


def test_harmonic_crystals_need_to_resist_shear():
    with pytest.raises(ValueError, match=r"expected three modes without a restoring force, got \d+\. Increase across"):
        script("harmonic").HarmonicCrystal(ase.build.bulk("Po", "sc", a=3.35) * (4, 4, 4), second=0.0, across=0.0)


def test_a_crystal_that_melted_is_refused():
    check = script("generate").check_order
    check("fcc", "argon", 0.5, 0.1, 0.9)
    check("liquid", "argon", 1.0, float("nan"), 0.02)
    with pytest.raises(RuntimeError, match=r"expected a Lindemann ratio below 0\.22"):
        check("fcc", "argon", 0.5, 0.3, 0.9)
    with pytest.raises(RuntimeError, match=r"Bragg peak below 0\.16, got nan and 0\.400\. Try again"):
        check("liquid", "argon", 1.0, float("nan"), 0.4)


def test_a_run_that_always_freezes_is_given_up(monkeypatch):
    generate = script("generate")
    attempts = []

    def snapshots(kind, attempt):
        attempts.append(attempt)
        raise generate.WrongPhase(f"{kind} froze.")
        yield

    monkeypatch.setattr(generate, "snapshots", snapshots)
    with pytest.raises(generate.WrongPhase, match=r"liquid froze\. This was attempt 3 of 3: change the temperatures"):
        generate.all_snapshots("liquid", attempts=3)
    assert attempts == [0, 1, 2]


def test_invariants_do_not_turn_and_are_steinhardts():
    steinhardt, rng = script("steinhardt"), np.random.default_rng(0)
    cloud = np.concatenate([np.zeros((1, 3)), rng.standard_normal((60, 3))])
    turned = np.concatenate([cloud[:1], rng.permutation(cloud[1:])]) @ np.linalg.qr(rng.standard_normal((3, 3)))[0]
    np.testing.assert_allclose(*steinhardt.invariants([cloud, turned]), rtol=0, atol=1e-5)
    fcc = script("generate").surroundings(LATTICES["fcc"], np.array([0]), np.array([40]), rng)
    unit = sorted(fcc[0], key=np.linalg.norm)[1:13]
    x, y, z = (np.array(unit) / np.linalg.norm(unit, axis=1)[:, None]).T
    for l, known in ((4, 0.19094), (6, 0.57452)):
        q = [sph_harm_y(l, m, np.arccos(z), np.arctan2(y, x)).mean() for m in range(-l, l + 1)]
        expected = np.sqrt(4 * np.pi / (2 * l + 1) * np.sum(np.abs(q) ** 2))
        assert expected == pytest.approx(known, abs=1e-5)
        assert np.isclose(steinhardt.invariants(fcc), expected, atol=1e-5).any()
