"""From labels of dipole moments and virials in a file to a model that predicts them, and what is said about both on the way."""

import importlib
import io
from pathlib import Path

import ase.io
import numpy as np
import pytest
from rich.console import Console

from eqgraph.cli import main
from eqgraph.models import load_potential
from eqgraph.train import fit, parse_config
from eqgraph.train.potential.data import PotentialData
from eqgraph.train.potential.task import PotentialTask

CHARGES = {"H": 0.3, "O": -0.4}


@pytest.fixture(autouse=True)
def _no_pictures(monkeypatch):
    module = importlib.import_module("eqgraph.train.potential.task")
    monkeypatch.setattr(module, "plot_parity", lambda *arguments: None)
    monkeypatch.setattr(module, "plot_learning_curve", lambda *arguments: None)


@pytest.fixture
def charged_atoms(folder) -> Path:
    """The files with dipole moments of point charges (without those of the total charge) and a config_type."""
    for name in ("train.xyz", "test.xyz"):
        frames = ase.io.read(folder / name, ":")
        for index, atoms in enumerate(frames):
            charges = np.array([CHARGES[symbol] for symbol in atoms.symbols])
            atoms.info["mu"] = (charges - charges.mean()) @ atoms.positions
            atoms.info["config_type"] = "even" if index % 2 == 0 else "odd"
            atoms.info["config_weight"] = 1.0 + index % 3
        ase.io.write(folder / name, frames)
    return folder


def console() -> Console:
    return Console(file=io.StringIO(), width=120)


@pytest.fixture
def raw_dipole(raw, charged_atoms) -> dict:
    raw["data"]["dipole_key"] = "mu"
    raw["model"]["dipole"] = True
    raw["loss"] = {"energy": 1, "forces": 1, "dipole": {"weight": 10, "function": "huber", "delta": 0.5}}
    return raw


def test_dipoles_are_learned_written_and_evaluated(raw_dipole, folder, capsys):
    raw_dipole["training"]["max_epochs"] = 20
    raw_dipole["optimizer"] = {"learning_rate": 0.02}
    raw_dipole["loss"]["forces"] = 0.01
    result = fit(parse_config(raw_dipole), console())
    first, last = (result.history[epoch]["valid_dipole_rmse_me_A"] for epoch in (0, -1))
    assert last < 0.5 * first
    assert "dipole" in (folder / "run" / "errors.csv").read_text()
    assert main(["eval", str(result.model), str(folder / "test.xyz"), "--output", "out.xyz", "--device", "cpu"]) == 0
    assert "me·Å" in capsys.readouterr().out
    frames = ase.io.read("out.xyz", ":")
    error = np.array([atoms.info["pred_dipole"] - atoms.info["mu"] for atoms in frames])
    assert 1000 * np.sqrt(np.mean(error**2)) == pytest.approx(result.errors["test"].dipole.rmse * 1000, rel=1e-3)
    assert load_potential(result.model)[1]["config"]["dipole"] is True
    assert main(["eval", str(result.model), str(folder / "test.xyz"), "--dipole-key", "mue"]) == 2
    assert "Did you mean 'mu' for the dipole key?" in capsys.readouterr().err


def test_a_loss_of_what_is_not_predicted_is_an_error(raw_dipole):
    raw_dipole["model"]["dipole"] = False
    config = parse_config(raw_dipole)
    with pytest.raises(
        ValueError, match=r"loss\.dipole: expected a network that predicts dipole moments, came model\.dipole: f"
    ):
        fit(config, console())


def test_a_prediction_without_a_loss_is_none(raw_dipole):
    """And no label is needed for it."""
    raw_dipole["loss"].pop("dipole")
    raw_dipole["data"].pop("dipole_key")
    result = fit(parse_config(raw_dipole), console())
    assert "valid_dipole_rmse_me_A" not in result.history[0]
    assert load_potential(result.model)[0].predicts_dipole


def test_without_labels_it_says_so(raw_dipole):
    raw_dipole["data"]["dipole_key"] = "dipol"
    with pytest.raises(ValueError, match="expected dipole under the key 'dipol', got no frame that has it"):
        PotentialData(parse_config(raw_dipole))


def test_weights_of_structures_and_config_types_multiply(raw_dipole):
    raw_dipole["loss"]["config_types"] = {"even": 10.0, "odd": 0.0}
    data = PotentialData(parse_config(raw_dipole))
    for frame, graph in zip([*data.train.frames, *data.valid.frames], [*data.train, *data.valid], strict=True):
        expected = (10.0 if frame.index % 2 == 0 else 0.0) * (1.0 + frame.index % 3)
        assert graph.weight.item() == expected
    assert all(graph.weight.item() >= 1 for graph in data.test["test"]), (
        "tables of test structures count them as they are"
    )


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        (
            {"config_types": {"evn": 2}},
            r"loss\.config_types: expected config_types of the training structures \(even, odd\), came 'evn'\. D",
        ),
        ({"config_types": {"surface": 2}}, r"came 'surface'\. Remove it\."),
        (
            {"forces": {"elements": {"C": 2}}},
            r"loss\.forces\.elements: expected elements of the training structures \(H, O\), came 'C'",
        ),
    ],
)
def test_weights_without_effect_are_errors(raw_dipole, loss, message):
    raw_dipole["loss"] |= loss
    with pytest.raises(ValueError, match=message):
        PotentialData(parse_config(raw_dipole))


def test_the_table_of_choices_tells_the_loss(raw_dipole):
    raw_dipole["loss"] |= {
        "forces": {"weight": 5, "elements": {"H": 0.5}},
        "config_types": {"even": 2},
        "stages": [{"start": 0.75, "energy": 10}, {"start": 20, "forces": 1}],
    }
    config = parse_config(raw_dipole)
    task = PotentialTask()
    data = task.read(config)
    choices = task.choices(config, data, task.build(config, data))
    assert choices["loss"] == (
        "energy 1, forces 5 (H times 0.5), dipole 10 (huber, delta 0.5); even structures times 2; from 0.75 on energy 10; "
        "from epoch 20 on forces 1"
    )
    assert "dipole 15 of 15" in choices["labels"]


def test_virials_are_trained_on_as_stresses(raw, folder, capsys):
    frames = ase.io.read(folder / "train.xyz", ":")
    for atoms in frames:
        atoms.set_cell([9.0] * 3)
        atoms.pbc = True
        atoms.calc.atoms = atoms.copy()
        atoms.info["W"] = np.diag([1.0, 2.0, 3.0])
    ase.io.write(folder / "virials.xyz", frames)
    raw["data"] |= {"train": str(folder / "virials.xyz"), "virial_key": "W", "test": {}}
    raw["loss"] = {"virial": {"weight": 1, "function": "mae"}}
    result = fit(parse_config(raw), console())
    quantities = {row.quantity for row in result.errors["valid"].rows()}
    assert quantities >= {"stress", "virial per atom"}
    row = result.history[-1]
    assert row["valid_loss"] == pytest.approx(
        (row["valid_energy_rmse_meV_per_atom"] / 1000) ** 2
        + (row["valid_forces_rmse_meV_per_A"] / 1000) ** 2
        + row["valid_virial_mae_meV_per_atom"] / 1000
    )
    assert result.errors["train"].stress.mae * 9.0**3 / 4 == pytest.approx(result.errors["train"].virial_per_atom.mae)
    capsys.readouterr()
    model, data = str(result.model), str(folder / "virials.xyz")
    assert main(["eval", model, data, "--device", "cpu"]) == 0
    assert "virial" in capsys.readouterr().out
    assert main(["eval", model, data, "--virial-key", "V"]) == 2
    assert (
        "expected stress under the key 'stress', got no frame that has it (nor a virial under 'V')"
        in capsys.readouterr().err
    )
