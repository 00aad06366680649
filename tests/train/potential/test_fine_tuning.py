"""Trainings that start from a trained model: what they take from it, what they change, and what they refuse."""

import io

import ase.io
import numpy as np
import pytest
import torch
from ase.calculators.singlepoint import SinglePointCalculator
from rich.console import Console

from eqgraph.models import build_classifier, load_potential, save_classifier
from eqgraph.train import fit, parse_config, resume
from eqgraph.train.potential.data import PotentialData
from eqgraph.train.potential.freeze import freeze
from eqgraph.train.potential.task import PotentialTask

SHIFTS = {1: -2.0, 8: 5.0}
"""Another level of theory: energies [eV] that differ by so much per atom."""


def quiet() -> Console:
    return Console(file=io.StringIO(), width=120)


def at_another_level(source, target, change=lambda atoms: None) -> None:
    """A copy of a file with other energies; change: what else is done to each structure."""
    frames = ase.io.read(source, ":")
    for atoms in frames:
        energy = atoms.get_potential_energy() + sum(SHIFTS[number] for number in atoms.numbers)
        forces = atoms.get_forces()
        change(atoms)
        atoms.calc = SinglePointCalculator(atoms, energy=energy, forces=forces)
    ase.io.write(target, frames)


@pytest.fixture
def tuning(raw, folder) -> dict:
    """A model is there, and this fine-tunes it on the same structures at another level of theory."""
    result = fit(parse_config(raw), quiet())
    for name in ("train", "test"):
        at_another_level(folder / f"{name}.xyz", folder / f"{name}_new.xyz")
    return {
        "data": {"train": str(folder / "train_new.xyz"), "valid": 5, "test": str(folder / "test_new.xyz")},
        "training": raw["training"] | {"output": str(folder / "tuned"), "init_from": str(result.model)},
        "optimizer": {"learning_rate": 1e-3},
    }


def start(raw):
    config, task = parse_config(raw), PotentialTask()
    data = PotentialData(config)
    return data, task.build(config, data)


def test_energies_of_atoms_are_refitted_and_nothing_else_is_changed(tuning):
    before, header = load_potential(tuning["training"]["init_from"])
    data, potential = start(tuning)
    assert data.config.model.model_dump() == {
        **header["config"],
        "architecture": "nequip",
        "cutoff": header["cutoff"],
        "zbl": False,
    }
    assert "refitted" in data.atomic_energies_source
    for name, tensor in before.network.state_dict().items():
        assert torch.equal(potential.network.state_dict()[name], tensor), name
    assert torch.equal(potential.scales, before.scales)
    errors = []
    for model, shifts in ((before, SHIFTS), (potential.eval(), {})):
        sums = []
        for index in range(len(data.train)):
            graph = data.train[index]
            change = sum(shifts.get(number, 0.0) for number in graph.atomic_numbers.tolist())
            sums.append(float(model(graph).energy - graph.energy + change) / graph.num_nodes)
        errors.append(np.sqrt(np.mean(np.square(sums))))
    assert errors[1] <= errors[0] + 1e-9  # at least as good as the file's own energies, moved by hand


def test_a_whole_training(tuning):
    result = fit(parse_config(tuning), quiet())
    header = load_potential(result.model)[1]
    initial = load_potential(tuning["training"]["init_from"])[1]
    assert header["metadata"]["initial_model"] == {"file": "model.eqg", "sha256": initial["sha256"]}
    assert header["sha256"] != initial["sha256"]
    assert result.errors["test_new"].forces.rmse < 1.5 * fit_errors(tuning).forces.rmse


def fit_errors(tuning):
    from eqgraph.train import evaluate

    data, potential = start(tuning)
    return evaluate(potential, data.test["test_new"]).errors


def test_isolated_atoms_of_the_new_level_of_theory_come_first(tuning, folder):
    tuning["data"]["isolated_atoms"] = str(folder / "isolated_atoms.xyz")
    data, _potential = start(tuning)
    assert "isolated" in data.atomic_energies_source
    tuning["data"]["atomic_energies"] = "refit"
    assert "refitted" in start(tuning)[0].atomic_energies_source
    tuning["data"]["atomic_energies"] = {"H": -1.0, "O": -2.0}
    assert start(tuning)[1].shifts.tolist() == [-1.0, -2.0]


def test_frozen_layers_keep_their_weights_bit_by_bit(tuning):
    tuning["training"] |= {"freeze": ["embedding", "layers.0"], "ema_decay": 0.0}
    result = fit(parse_config(tuning), quiet())
    before, after = (
        load_potential(path)[0].network.state_dict() for path in (tuning["training"]["init_from"], result.model)
    )
    names = {name for name in before if not torch.equal(before[name], after[name])}
    assert names
    assert not any(name.startswith(("embedding", "layers.0.")) for name in names)


def test_resumed_and_uninterrupted_are_the_same(tuning, folder, monkeypatch):
    from eqgraph.train import TrainingInterrupted
    from eqgraph.train.potential.module import PotentialModule

    tuning["training"]["freeze"] = ["embedding"]
    whole = fit(parse_config(tuning), quiet())
    step = PotentialModule.training_step

    def interrupt(self, batch, batch_idx):
        if self.current_epoch == 1:
            raise KeyboardInterrupt
        return step(self, batch, batch_idx)

    monkeypatch.setattr(PotentialModule, "training_step", interrupt)
    tuning["training"]["output"] = str(folder / "parts")
    with pytest.raises(TrainingInterrupted):
        fit(parse_config(tuning), quiet())
    monkeypatch.setattr(PotentialModule, "training_step", step)
    resumed = resume(folder / "parts", console=quiet())
    assert load_potential(resumed.model)[1]["sha256"] == load_potential(whole.model)[1]["sha256"]


def test_new_elements_extend_the_model(tuning, folder):
    def with_fluorine(atoms):
        atoms.numbers[atoms.numbers == 8] = 9

    frames = ase.io.read(folder / "train_new.xyz", ":")
    at_another_level(folder / "train.xyz", folder / "fluorine.xyz", with_fluorine)
    ase.io.write(folder / "both.xyz", [*frames, *ase.io.read(folder / "fluorine.xyz", ":")])
    tuning["data"]["train"] = str(folder / "both.xyz")
    data, potential = start(tuning)
    assert potential.species.tolist() == [1, 8, 9]
    assert data.named_atomic_energies.keys() == {"H", "O", "F"}
    before = load_potential(tuning["training"]["init_from"])[0]
    water = data.test["test_new"][0]
    assert torch.equal(before(water).forces, potential.eval()(water).forces)
    result = fit(parse_config(tuning), quiet())
    assert load_potential(result.model)[1]["species"] == [1, 8, 9]


def test_replayed_structures_keep_their_distance_to_the_atoms(tuning, raw):
    tuning["data"] |= {
        "replay": [raw["data"]["train"], raw["data"]["isolated_atoms"]],
        "atomic_energies": {"H": -10.0, "O": -20.0},
    }
    data, _potential = start(tuning)
    old = load_potential(tuning["training"]["init_from"])[0]
    energies = dict(zip(old.species.tolist(), old.shifts.tolist(), strict=True))
    assert len(data.train) == 15 + len(data.replay) == 15 + 20  # and not the isolated atoms
    for index, frame in enumerate(ase.io.read(raw["data"]["train"], ":")):
        graph = data.train[15 + index]
        distance = frame.get_potential_energy() - sum(energies[number] for number in frame.numbers)
        new = {1: -10.0, 8: -20.0}
        assert float(graph.energy) - sum(new[number] for number in frame.numbers) == pytest.approx(distance, abs=1e-9)


@pytest.mark.parametrize(
    ("section", "change", "message"),
    [
        ("model", {"lmax": 0}, r"expected the model of '.*model.eqg' as it is, came model.lmax = 0 \(1 in the file\)"),
        ("model", {"cutoff": 7.5}, r"came model.cutoff = 7.5 \(.* in the file\), which would have no effect"),
        ("model", {"architecture": "tensor_field_network"}, r"came .*model.architecture = 'tensor_field_network'"),
        ("training", {"init_from": "nowhere.eqg"}, r"training.init_from: expected a model file, found none"),
        (
            "training",
            {"freeze": ["layer.0"]},
            r"training.freeze: expected names of layers of the model, came 'layer.0'",
        ),
        ("training", {"freeze": ["embedding", "layers", "readout", "radial_basis"]}, r"came names of all layers"),
    ],
)
def test_options_that_cannot_have_an_effect(tuning, section, change, message):
    tuning[section] = tuning.get(section, {}) | change
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        start(tuning)


@pytest.mark.parametrize(
    ("section", "change", "message"),
    [
        ("training", {"freeze": ["embedding"]}, r"training.init_from beside training.freeze"),
        ("data", {"replay": "old.xyz"}, r"training.init_from beside data.replay"),
        ("data", {"atomic_energies": "refit"}, r"training.init_from beside data.atomic_energies: refit"),
    ],
)
def test_options_of_fine_tuning_without_a_model(raw, section, change, message):
    raw[section] |= change
    with pytest.raises(ValueError, match=message):
        parse_config(raw)


def test_replay_of_elements_that_the_model_does_not_know(tuning, folder):
    at_another_level(
        folder / "train.xyz", folder / "fluorine.xyz", lambda atoms: atoms.set_atomic_numbers([9] * len(atoms))
    )
    tuning["data"]["replay"] = str(folder / "fluorine.xyz")
    with pytest.raises(
        ValueError, match=r"data.replay: expected structures of what .* was trained on, came F in .*fluorine"
    ):
        start(tuning)


def test_refit_without_energies(tuning, folder):
    frames = ase.io.read(folder / "train_new.xyz", ":")
    for atoms in frames:
        atoms.calc = SinglePointCalculator(atoms, forces=atoms.get_forces())
    ase.io.write(folder / "train_new.xyz", frames)
    tuning["loss"] = {"energy": 0, "forces": 1}
    assert start(tuning)[0].atomic_energies_source.startswith("of the initial model")
    tuning["data"]["atomic_energies"] = "refit"
    with pytest.raises(
        ValueError, match=r"expected energies to fit the E0s to, came 15 training structures without one"
    ):
        start(tuning)


def test_a_classifier_is_no_model_to_start_from(tuning, folder):
    model = build_classifier("tensor_field_network", {"num_layers": 1, "num_features": 4}, num_classes=2)
    save_classifier(folder / "clouds.eqg", model, ["a", "b"])
    tuning["training"]["init_from"] = str(folder / "clouds.eqg")
    with pytest.raises(
        ValueError, match=r"training.init_from: expected a potential, came a file of the kind eqgraph-points"
    ):
        start(tuning)


def test_nothing_is_frozen_without_names():
    network = torch.nn.Linear(2, 2)
    freeze(network, [])
    assert all(parameter.requires_grad for parameter in network.parameters())
