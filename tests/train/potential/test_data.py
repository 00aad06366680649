"""Reading, splitting and what the model takes from the data."""

import ase
import ase.io
import numpy as np
import pytest
from ase.calculators.singlepoint import SinglePointCalculator

from eqgraph.train import parse_config
from eqgraph.train.epoch_shuffle import EpochShuffle
from eqgraph.train.potential.data import PotentialData


def with_labels(atoms: ase.Atoms, **labels) -> ase.Atoms:
    atoms.calc = SinglePointCalculator(atoms, **labels)
    return atoms


def test_numbers_from_the_data(raw, folder):
    data = PotentialData(parse_config(raw))
    assert (len(data.train), len(data.valid), len(data.test["test"])) == (15, 5, 5)
    assert data.species == [1, 8]
    assert data.named_atomic_energies == {"H": -13.0, "O": -2040.0}
    forces = np.concatenate([frame.forces.ravel() for frame in data.train.frames])
    assert data.scale == pytest.approx(np.sqrt(np.mean(forces**2)))
    assert data.avg_num_neighbors == pytest.approx(3.0)  # four atoms that all see each other
    assert len(data.hash) == 64


def test_split_depends_on_the_seed_alone(raw):
    def held_out(seed: int) -> list[int]:
        raw["training"]["seed"] = seed
        data = PotentialData(parse_config(raw))
        assert not {f.index for f in data.train.frames} & {f.index for f in data.valid.frames}
        return [frame.index for frame in data.valid.frames]

    assert held_out(1) == held_out(1) != held_out(2)


def test_fraction_and_file(raw, folder):
    raw["data"]["valid"] = 0.1
    assert len(PotentialData(parse_config(raw)).valid) == 2
    raw["data"]["valid"] = str(folder / "test.xyz")
    data = PotentialData(parse_config(raw))
    assert (len(data.train), len(data.valid)) == (20, 5)


def test_isolated_atoms_among_the_training_structures(raw, folder):
    frames = ase.io.read(folder / "train.xyz", ":") + ase.io.read(folder / "isolated_atoms.xyz", ":")
    ase.io.write(folder / "train.xyz", frames)
    del raw["data"]["isolated_atoms"]
    data = PotentialData(parse_config(raw))
    assert len(data.train) + len(data.valid) == 20
    assert data.named_atomic_energies == {"H": -13.0, "O": -2040.0}
    assert "isolated" in data.atomic_energies_source


def test_isolated_atoms_in_periodic_boxes(raw, folder):
    atoms = ase.io.read(folder / "isolated_atoms.xyz", ":")
    for atom in atoms:
        atom.set_cell([15.0] * 3)
        atom.pbc = True
        atom.calc.atoms = atom.copy()
    ase.io.write(folder / "train.xyz", ase.io.read(folder / "train.xyz", ":") + atoms)
    del raw["data"]["isolated_atoms"]
    data = PotentialData(parse_config(raw))
    assert data.named_atomic_energies == {"H": -13.0, "O": -2040.0}
    assert data.num_isolated_atoms == 2
    assert data.atomic_energies_source.startswith("energies of 2 isolated atoms")


def test_file_of_isolated_atoms_that_is_another(raw, folder):
    raw["data"]["isolated_atoms"] = str(folder / "test.xyz")
    with pytest.raises(
        ValueError,
        match=r"data\.isolated_atoms: expected isolated atoms alone in '.*test\.xyz' .*came 5 other structures of 5, the first "
        r"is H3O in frame 0\. Remove them, or name another file",
    ):
        PotentialData(parse_config(raw))


def test_isolated_atoms_with_another_key(raw, folder):
    atoms = [ase.Atoms(symbol, info={"REF_E": energy}) for symbol, energy in (("H", -13.0), ("O", -2040.0))]
    ase.io.write(folder / "isolated_atoms.xyz", atoms)
    with pytest.raises(ValueError, match=r"isolated_atoms\.xyz: expected energy under the key 'energy', .*REF_E"):
        PotentialData(parse_config(raw))


def test_isolated_atoms_that_lack_an_element(raw, folder):
    (hydrogen, _) = ase.io.read(folder / "isolated_atoms.xyz", ":")
    ase.io.write(folder / "isolated_atoms.xyz", hydrogen)
    with pytest.raises(
        ValueError, match=r"data\.isolated_atoms: expected .* every element of data\.train, came none of O in '.*xyz'"
    ):
        PotentialData(parse_config(raw))
    raw["data"]["atomic_energies"] = "least_squares"
    assert "least squares" in PotentialData(parse_config(raw)).atomic_energies_source


def test_wrong_key_beside_a_file_of_isolated_atoms(raw, folder):
    raw["data"]["train"] = [str(folder / "isolated_atoms.xyz"), str(folder / "train.xyz")]
    raw["data"]["forces_key"] = "REF_forces"
    with pytest.raises(ValueError, match=r"train\.xyz: expected forces under the key 'REF_forces'"):
        PotentialData(parse_config(raw))


def test_structures_without_forces_are_welcome(raw, folder):
    frames = ase.io.read(folder / "train.xyz", ":")
    for atoms in frames[::2]:
        atoms.calc.results.pop("forces")
    ase.io.write(folder / "train.xyz", frames)
    data = PotentialData(parse_config(raw))
    assert sum(frame.forces is None for frame in [*data.train.frames, *data.valid.frames]) == 10
    batch = next(iter(data.train_dataloader()))
    assert batch.forces.isnan().any()
    assert batch.forces.isfinite().any()


def test_energies_alone(raw, folder):
    frames = ase.io.read(folder / "train.xyz", ":")
    for atoms in frames:
        atoms.calc.results.pop("forces")
    ase.io.write(folder / "train.xyz", frames)
    with pytest.raises(ValueError, match="forces"):
        PotentialData(parse_config(raw))
    raw["loss"] = {"forces": 0}
    data = PotentialData(parse_config(raw))
    assert data.scale_source == "standard deviation of the training energies per atom"
    assert data.scale > 0


def test_forces_alone(raw, folder):
    """Without energies there is nothing that a shift could be."""
    frames = ase.io.read(folder / "train.xyz", ":")
    for atoms in frames:
        atoms.calc.results.pop("energy")
    ase.io.write(folder / "train.xyz", frames)
    del raw["data"]["isolated_atoms"]
    with pytest.raises(ValueError, match="energy"):
        PotentialData(parse_config(raw))
    raw["loss"] = {"energy": 0}
    data = PotentialData(parse_config(raw))
    assert data.named_atomic_energies == {"H": 0.0, "O": 0.0}
    assert data.atomic_energies_source.startswith("zero: no structure has an energy")


def test_the_largest_seed():
    assert len(list(EpochShuffle(5, 2**32 - 1))) == 5


def test_order_depends_on_seed_and_epoch():
    orders = {(seed, epoch): EpochShuffle(50, seed) for seed in (0, 1) for epoch in (0, 1)}
    for (_, epoch), sampler in orders.items():
        sampler.set_epoch(epoch)
    drawn = [tuple(sampler) for sampler in orders.values()]
    assert len(set(drawn)) == 4
    assert all(sorted(order) == list(range(50)) for order in drawn)
    assert list(orders[0, 1]) == list(orders[0, 1])


def test_unknown_species_in_a_test_set(raw, folder):
    frames = ase.io.read(folder / "test.xyz", ":")
    frames[3].symbols[0] = "S"
    ase.io.write(folder / "test.xyz", frames)
    with pytest.raises(
        ValueError,
        match=r"data\.test\.test: expected only elements .*\(H, O\), came S in .*test\.xyz, frame 3\. Remove",
    ):
        PotentialData(parse_config(raw))


def test_wrong_key_lists_the_right_one(raw):
    raw["data"]["energy_key"] = "energie"
    with pytest.raises(ValueError, match=r"(?s)energie.*energy"):
        PotentialData(parse_config(raw))


def test_missing_and_empty_file(raw, folder):
    raw["data"]["test"] = str(folder / "nowhere.xyz")
    with pytest.raises(FileNotFoundError, match=r"nowhere\.xyz"):
        PotentialData(parse_config(raw))
    (folder / "empty.xyz").touch()
    raw["data"]["test"] = str(folder / "empty.xyz")
    with pytest.raises(ValueError, match="empty"):
        PotentialData(parse_config(raw))


def test_label_that_is_no_number(raw, folder):
    frames = ase.io.read(folder / "train.xyz", ":")
    frames[7].calc.results["energy"] = np.nan
    ase.io.write(folder / "train.xyz", frames)
    with pytest.raises(ValueError, match=r"frame 7: .*finite"):
        PotentialData(parse_config(raw))


def test_too_many_held_out(raw):
    raw["data"]["valid"] = 20
    with pytest.raises(ValueError, match=r"Expected data\.valid to leave training structures, came 20 of 20"):
        PotentialData(parse_config(raw))


def test_cutoff_shorter_than_all_bonds(raw):
    raw["model"]["cutoff"] = 0.1
    with pytest.raises(ValueError, match=r"Expected atoms closer than model\.cutoff = 0\.1 Å"):
        PotentialData(parse_config(raw))


def test_isolated_atoms_alone(raw, folder):
    raw["data"]["train"] = str(folder / "isolated_atoms.xyz")
    with pytest.raises(ValueError, match="expected structures of several atoms, came 2 isolated atoms alone"):
        PotentialData(parse_config(raw))


def test_labels_that_are_all_zero(raw, folder):
    frames = ase.io.read(folder / "train.xyz", ":")
    zero = [with_labels(atoms, energy=-100.0, forces=np.zeros((len(atoms), 3))) for atoms in frames]
    ase.io.write(folder / "train.xyz", zero)
    with pytest.raises(ValueError, match="Expected labels that differ, came 0 as rms of the training forces"):
        PotentialData(parse_config(raw))
