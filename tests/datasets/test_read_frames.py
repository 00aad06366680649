import ase.build
import ase.db
import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator
from ase.constraints import FixAtoms
from ase.stress import full_3x3_to_voigt_6_stress

from eqgraph.datasets import frames_from_atoms, read_frames

STRESS = np.array([[1.0, 0.6, 0.5], [0.6, 2.0, 0.4], [0.5, 0.4, 3.0]]) / 100


def structures(num=3, labels=("energy", "forces", "stress"), constraint=None):
    """Periodic structures with a SinglePointCalculator; forces of all atoms differ from zero."""
    rng = np.random.default_rng(0)
    result = []
    for index in range(num):
        atoms = ase.build.bulk("NaCl", "rocksalt", a=5.6, cubic=index % 2 == 0)
        atoms.rattle(0.1, rng=rng)
        values = {
            "energy": -10.0 - index / 3,
            "forces": np.round(rng.normal(size=(len(atoms), 3)), 8),
            "stress": full_3x3_to_voigt_6_stress(STRESS * (index + 1)),
        }
        atoms.calc = SinglePointCalculator(atoms, **{name: values[name] for name in labels})
        atoms.info["config_type"] = f"kind_{index}"
        atoms.set_constraint(constraint)
        result.append(atoms)
    return result


def renamed(atoms, prefix="REF_"):
    """The same labels in info and arrays instead of a calculator."""
    copy = atoms.copy()
    copy.info[f"{prefix}energy"] = atoms.calc.results["energy"]
    copy.info[f"{prefix}stress"] = atoms.calc.results["stress"]
    copy.arrays[f"{prefix}forces"] = atoms.calc.results["forces"]
    return copy


REF_KEYS = {"energy_key": "REF_energy", "forces_key": "REF_forces", "stress_key": "REF_stress"}


def assert_labels(frames, reference):
    assert [frame.index for frame in frames] == list(range(len(reference)))
    for index, (frame, atoms) in enumerate(zip(frames, reference, strict=True)):
        assert frame.energy == pytest.approx(atoms.calc.results["energy"], abs=1e-12)
        assert type(frame.energy) is float
        np.testing.assert_allclose(frame.forces, atoms.calc.results["forces"], atol=1e-8)
        np.testing.assert_allclose(frame.stress, STRESS * (index + 1), atol=1e-12)
        np.testing.assert_allclose(frame.atoms.positions, atoms.positions, atol=1e-8)
        np.testing.assert_allclose(frame.atoms.cell, atoms.cell, atol=1e-12)
        assert frame.atoms.symbols.get_chemical_formula() == atoms.symbols.get_chemical_formula()
        assert not frame.is_isolated_atom


@pytest.mark.parametrize("constraint", [None, FixAtoms([0, 1])], ids=["free", "FixAtoms"])
@pytest.mark.parametrize("suffix", ["xyz", "extxyz", "traj", "db", "json"])
def test_round_trip_through_files(tmp_path, suffix, constraint):
    reference = structures(constraint=constraint)
    ase.io.write(tmp_path / f"data.{suffix}", reference)
    frames = read_frames(tmp_path / f"data.{suffix}", require=["energy", "forces", "stress"])
    assert_labels(frames, reference)
    if suffix in ("xyz", "extxyz", "traj"):
        assert [frame.config_type for frame in frames] == ["kind_0", "kind_1", "kind_2"]


@pytest.mark.parametrize("constraint", [None, FixAtoms([0, 1])], ids=["free", "FixAtoms"])
def test_round_trip_with_keys_of_their_own(tmp_path, constraint):
    reference = structures(constraint=constraint)
    ase.io.write(tmp_path / "data.xyz", [renamed(atoms) for atoms in reference])
    assert_labels(read_frames(tmp_path / "data.xyz", **REF_KEYS, require=["energy", "forces", "stress"]), reference)


@pytest.mark.parametrize("suffix", ["db", "json"])
def test_labels_in_the_free_fields_of_a_database(tmp_path, suffix):
    reference = structures()
    with ase.db.connect(tmp_path / f"data.{suffix}") as database:
        for atoms in reference:
            results = atoms.calc.results
            data = {"REF_forces": results["forces"], "REF_stress": results["stress"]}
            database.write(atoms.copy(), key_value_pairs={"REF_energy": results["energy"]}, data=data)
    assert_labels(read_frames(tmp_path / f"data.{suffix}", **REF_KEYS), reference)


def test_structures_in_memory_stay_as_they_are():
    reference = structures(constraint=FixAtoms([0]))
    frames = frames_from_atoms(reference)
    assert_labels(frames, reference)
    frames[0].atoms.positions += 1
    frames[0].atoms.info.clear()
    frames[0].forces[:] = 0
    assert_labels(frames_from_atoms(reference), reference)
    assert reference[0].info == {"config_type": "kind_0"}
    assert len(reference[0].constraints) == 1


def test_constrained_live_calculator():
    atoms = ase.build.bulk("Cu", cubic=True)
    atoms.rattle(0.1, seed=0)
    atoms.calc = EMT()
    forces = atoms.get_forces()
    atoms.set_constraint(FixAtoms([0]))
    assert not atoms.get_forces()[0].any()
    np.testing.assert_array_equal(frames_from_atoms([atoms])[0].forces, forces)


def test_same_label_in_two_sources():
    (atoms,) = structures(1)
    atoms.info["energy"] = atoms.calc.results["energy"] + 1e-9
    atoms.info["stress"] = STRESS  # 3x3 here, Voigt in the calculator
    assert frames_from_atoms([atoms])[0].energy == pytest.approx(-10)


@pytest.mark.parametrize("shape", [(3, 3), (9,), (6,)], ids=str)
def test_shapes_of_stress(shape):
    (atoms,) = structures(1, labels=("energy", "forces"))
    atoms.info["S"] = full_3x3_to_voigt_6_stress(STRESS) if shape == (6,) else STRESS.reshape(shape)
    np.testing.assert_allclose(frames_from_atoms([atoms], stress_key="S")[0].stress, STRESS)


def test_a_virial_is_not_taken_for_a_stress():
    (atoms,) = structures(1, labels=("energy", "forces"))
    atoms.info["W_virial"] = STRESS
    assert frames_from_atoms([atoms])[0].stress is None
    with pytest.raises(ValueError, match=r"'W_virial' is by its name a virial \[eV\]: give it as virial key"):
        frames_from_atoms([atoms], require=["stress"])
    with pytest.raises(
        ValueError, match=r"got stress_key='W_virial', by its name a virial \[eV\]. Pass it as virial_key"
    ):
        frames_from_atoms([atoms], stress_key="W_virial")


def test_isolated_atoms_are_recognized_by_what_they_are():
    isolated = Atoms("H", info={"energy": -13.6, "config_type": "anything"}, cell=[20, 20, 20])
    bulk = ase.build.bulk("Cu")
    bulk.info.update(energy=-3.7, config_type="bulk")
    frames = frames_from_atoms([isolated, bulk], require=["energy"])
    assert [frame.is_isolated_atom for frame in frames] == [True, False]


def test_isolated_atoms_need_no_labels():
    frames = frames_from_atoms([Atoms("H"), *structures(1)])
    assert frames[0].energy is None
    frames_from_atoms([Atoms("H", info={"energy": -13.6})], require=["energy", "forces"])


def test_isolated_atoms_alone_have_energies():
    atoms = Atoms("H", info={"E": -13.6})
    with pytest.raises(ValueError, match=r"expected energy under the key 'energy', got no frame .*atoms\.info: E\."):
        frames_from_atoms([atoms], require=["energy"])
    assert frames_from_atoms([atoms], require=["forces"])[0].energy is None


def test_labels_that_are_not_required_may_be_nowhere():
    (frame,) = frames_from_atoms(structures(1), forces_key="REF_forces", require=["energy"])
    assert frame.forces is None


def test_zero_stress_without_volume_is_no_stress():
    atoms = ase.build.molecule("H2O")
    atoms.info.update(energy=-1.0, stress=np.zeros(6))
    assert frames_from_atoms([atoms], require=["energy"])[0].stress is None


def test_files_named_like_an_index(tmp_path):
    ase.io.write(str(tmp_path / "data.xyz"), structures())
    (tmp_path / "data.xyz").rename(tmp_path / "data@1.xyz")
    assert len(read_frames(tmp_path / "data@1.xyz")) == 3


# What users do wrong.


def test_missing_file(tmp_path):
    ase.io.write(tmp_path / "train_300K.xyz", structures())
    with pytest.raises(
        FileNotFoundError, match=r"train_300.xyz', which does not exist. Did you mean '.*train_300K.xyz'"
    ):
        read_frames(tmp_path / "train_300.xyz")
    with pytest.raises(FileNotFoundError, match=r"does not exist. Check the path"):
        read_frames(tmp_path / "nowhere" / "train.xyz")


def test_empty_file(tmp_path):
    (tmp_path / "data.xyz").touch()
    with pytest.raises(ValueError, match=r"Expected structures in '.*data.xyz', got an empty file"):
        read_frames(tmp_path / "data.xyz")


@pytest.mark.parametrize(
    ("name", "content"),
    [("data.nothing", "no structure"), ("data.xyz", "3\n\nH 0 0 0\n"), ("data.xyz", "these are\nnot\natoms\n")],
    ids=["unknown format", "truncated", "garbage"],
)
def test_unreadable_file(tmp_path, name, content):
    (tmp_path / name).write_text(content)
    with pytest.raises(ValueError, match=r"to be a file that ase.io.read reads|frame 0 \(line 1\): expected"):
        read_frames(tmp_path / name)


def test_key_that_is_nowhere(tmp_path):
    ase.io.write(tmp_path / "data.xyz", [renamed(atoms) for atoms in structures()])
    with pytest.raises(ValueError, match="expected energy under the key 'energy', got no frame that has it") as error:
        read_frames(tmp_path / "data.xyz")
    assert "atoms.info: config_type, REF_energy, REF_stress; atoms.arrays: REF_forces." in str(error.value)
    assert "Did you mean 'REF_energy' for the energy key?" in str(error.value)
    with pytest.raises(ValueError, match="Did you mean 'REF_forces' for the forces key"):
        read_frames(tmp_path / "data.xyz", energy_key="REF_energy")


def test_mistyped_key():
    with pytest.raises(
        ValueError, match=r"expected stress under the key 'stres'.*Did you mean 'stress' for the stress key"
    ):
        frames_from_atoms(structures(), stress_key="stres", require=["stress"])

    atoms = renamed(structures(1)[0])
    del atoms.arrays["REF_forces"]
    with pytest.raises(ValueError, match=r"Give the right one as forces key.$"):  # REF_stress is in use
        frames_from_atoms([atoms], **REF_KEYS)


def test_no_labels_at_all():
    with pytest.raises(ValueError, match=r"The file has no labels at all. Give the right one as energy key"):
        frames_from_atoms([ase.build.molecule("H2O")])


def test_label_missing_in_some_frames():
    reference = structures(5)
    for index in (2, 4):
        del reference[index].calc.results["forces"]
    with pytest.raises(ValueError, match="got 2 of 5 frames without it, the first is frame 2"):
        frames_from_atoms(reference)
    assert frames_from_atoms(reference, require=["energy"])[4].forces is None


@pytest.mark.parametrize("label", ["energy", "forces", "stress"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_labels_that_are_not_finite(tmp_path, label, value):
    reference = structures()
    if label == "energy":
        reference[1].calc.results[label] = value
    else:
        reference[1].calc.results[label].flat[3] = value
    ase.io.write(tmp_path / "data.xyz", reference)
    with pytest.raises(
        ValueError, match=rf"data.xyz, frame 1: expected finite numbers for '{label}', got 1 NaN or inf"
    ):
        read_frames(tmp_path / "data.xyz")


@pytest.mark.parametrize("name", ["positions", "cell"])
def test_structures_that_are_not_finite(name):
    reference = structures()
    values = reference[2].positions.copy() if name == "positions" else reference[2].cell.array.copy()
    values[0, 1] = np.nan
    reference[2].calc = None
    setattr(reference[2], name, values)
    with pytest.raises(ValueError, match=f"frame 2: expected finite {name}, got NaN"):
        frames_from_atoms(reference)


@pytest.mark.parametrize("shape", [(1, 3), (8, 2), (24,)], ids=str)
def test_forces_of_the_wrong_shape(shape):
    reference = structures()
    reference[2].calc.results["forces"] = np.ones(shape)
    with pytest.raises(ValueError, match=r"frame 2: expected forces 'forces' of shape \(8, 3\).*got shape \("):
        frames_from_atoms(reference)


def test_energy_that_is_not_a_scalar():
    reference = structures()
    reference[1].info["local_energy"] = np.ones(8)
    with pytest.raises(
        ValueError, match=r"frame 1: expected the energy 'local_energy' to be one number \[eV\], got shape"
    ):
        frames_from_atoms(reference, energy_key="local_energy")


@pytest.mark.parametrize("value", ["-1,5", True, [[1.0], [1.0, 2.0]]], ids=str)
def test_labels_that_are_not_numbers(value):
    (atoms,) = structures(1)
    atoms.info["E"] = value
    with pytest.raises(ValueError, match="frame 0: expected numbers for 'E', got "):
        frames_from_atoms([atoms], energy_key="E")


def test_stress_that_is_not_symmetric():
    (atoms,) = structures(1)
    atoms.info["S"] = np.triu(STRESS)
    with pytest.raises(ValueError, match="frame 0: expected a symmetric stress 'S'"):
        frames_from_atoms([atoms], stress_key="S")


def test_stress_of_the_wrong_shape():
    (atoms,) = structures(1)
    atoms.info["S"] = np.ones(3)
    with pytest.raises(ValueError, match="frame 0: expected the stress 'S' as 3x3, 9 or 6"):
        frames_from_atoms([atoms], stress_key="S")


def test_stress_without_a_cell():
    atoms = ase.build.molecule("H2O")
    atoms.info.update(energy=-1.0, stress=STRESS)
    with pytest.raises(ValueError, match="expected three cell vectors for the stress"):
        frames_from_atoms([atoms], require=["energy"])


def test_sources_that_disagree():
    (atoms,) = structures(1)
    atoms.info["energy"] = -10.001
    with pytest.raises(ValueError, match=r"two that differ by 0.001, in atoms.info and in calculator results"):
        frames_from_atoms([atoms])


def test_calculator_shared_by_copies():
    atoms = ase.build.bulk("Cu", cubic=True)
    atoms.calc = EMT()
    images = []
    for _ in range(2):
        atoms.rattle(0.1, seed=len(images))
        atoms.get_potential_energy()
        images.append(atoms.copy())
        images[-1].calc = atoms.calc
    with pytest.raises(ValueError, match="frame 0: expected the calculator's 'energy' to belong to this structure"):
        frames_from_atoms(images)


def test_results_of_another_structure_are_dropped_if_labels_come_from_elsewhere():
    (atoms,) = structures(1)
    moved = renamed(atoms)
    moved.calc = atoms.calc
    moved.positions += 0.1
    (frame,) = frames_from_atoms([moved], **REF_KEYS)
    assert frame.energy == -10
    assert frame.atoms.calc is None


def test_frame_without_atoms(tmp_path):
    with pytest.raises(ValueError, match="frame 1: expected at least one atom, got none"):
        frames_from_atoms([*structures(1), Atoms()])
    (tmp_path / "data.xyz").write_text("0\n\n")
    with pytest.raises(ValueError, match="frame 0: expected at least one atom, got none"):
        read_frames(tmp_path / "data.xyz")


def test_no_frames(tmp_path):
    with pytest.raises(ValueError, match="expected structures, got none"):
        frames_from_atoms([])
    (tmp_path / "data.xyz").write_text("\n")
    with pytest.raises(ValueError, match="expected structures, got none"):
        read_frames(tmp_path / "data.xyz")


def test_dummy_atoms():
    with pytest.raises(
        ValueError, match=r"frame 0: expected chemical elements, got the atomic numbers \[0, 1\]. Remove"
    ):
        frames_from_atoms([Atoms("XH", [[0, 0, 0], [0, 0, 1]])])


def test_wrong_arguments():
    with pytest.raises(ValueError, match="Expected require to be a list of names out of energy, forces, stress"):
        frames_from_atoms(structures(), require=["force"])
    with pytest.raises(TypeError, match=r"frame 0: expected ase.Atoms, got Atom. Pass a list"):
        frames_from_atoms(structures(1)[0])
