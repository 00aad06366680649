"""`eqgraph info`"""

import json
import math
import pickle
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from eqgraph.cli import main
from eqgraph.model_file import add_metadata, model_card
from eqgraph.models import CLASSIFIERS, MODELS, build_classifier, build_potential, save_classifier, save_potential

FILES = Path(__file__).parent / "models" / "files" / "0.1.0"
CARD = {"licence": "CC-BY-4.0", "author": "[red]A. Person[/red]", "description": "water\x1b[2J in a box"}


@pytest.fixture
def path(tmp_path):
    path = Path(shutil.copy(FILES / "nequip.eqg", tmp_path / "model.eqg"))
    errors = {
        "train": [{"quantity": "forces", "element": "H", "unit": "meV/Å", "mae": 1.0, "rmse": 1.2345, "count": 9}]
    }
    add_metadata(path, {"card": CARD, "errors": errors, "length": {"epochs": 7, "steps": 21}})
    return path


def test_everything_is_printed(path, capsys):
    assert main(["info", str(path)]) == 0
    printed = re.sub(r"\s*│\n│\s+│", "", capsys.readouterr().out)
    for text in (
        r"kind +│ potential",
        r"architecture +│ nequip",
        r"num_layers 2, num_features 2, lmax 1",
        r"elements +│ H O",
        r"3\.5 Å; atoms up to 7 Å apart interact",
        r"H -13\.600000, O -2041\.800000",
        r"energy eV, length Å",
        r"7 epochs, 21 steps, model of epoch 6 kept, seed 3, at most 7 epochs",
        r"data hash +│ 0{64}",
        r"licence +│ CC-BY-4\.0",
        r"author +│ \[red\]A\. Person\[/red\]",
        r"water�\[2J in a box",
        r"format eqgraph-potential-1, eqgraph 0\.1\.0",
        rf"{path.stat().st_size} bytes, weights undamaged",
        r"train +│ forces +│ H +│ meV/Å +│ +1 +│ 1\.234 +│ +9",
    ):
        assert re.search(text, printed), f"{text}\n{printed}"
    assert "valid" not in printed, "the errors of the last evaluation take the place of those of the validation"


def test_json_has_all_digits(path, capsys):
    assert main(["info", str(path), "--json"]) == 0
    card = json.loads(capsys.readouterr().out)
    assert card["errors"]["train"][0]["rmse"] == 1.2345
    assert card["licence"] == "CC-BY-4.0"
    assert card["size"] == path.stat().st_size
    assert card["cutoff"] == 3.5
    assert card["classes"] == []


def test_a_classifier_has_classes(capsys):
    assert main(["info", str(FILES / "classifier.eqg")]) == 0
    printed = capsys.readouterr().out
    assert re.search(r"kind +│ classification", printed)
    assert "3: ball, cube, torus" in printed
    assert "elements" not in printed
    assert "not stated" in printed


def test_torch_is_not_needed():
    """So it answers in less than a second."""
    code = (
        "import sys; from eqgraph.cli import main; main(['info', sys.argv[1], '--json']); "
        "print(sorted({'torch', 'torch_geometric', 'lightning', 'matplotlib'} & set(sys.modules)), file=sys.stderr)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, str(FILES / "nequip.eqg")], capture_output=True, text=True, check=True
    )
    assert result.stderr.strip() == "[]"
    assert json.loads(result.stdout)["architecture"] == "nequip"


@pytest.mark.parametrize("architecture", MODELS)
def test_the_receptive_field_is_how_far_atoms_interact(architecture, tmp_path):
    """A chain with one neighbor on either side: derivatives of the first atom's energy end after num_layers atoms."""
    config = {"num_layers": 2, "num_features": 4, "lmax": 1, "num_radial": 4, "radial_hidden": [8]}
    potential = build_potential(architecture, config, [6], 2.0, [0.0], [1.0], 2.0)
    path = tmp_path / "model.eqg"
    save_potential(path, potential.double())
    card = model_card(path)
    assert card.receptive_field == 4.0
    assert card.num_parameters == sum(parameter.numel() for parameter in potential.parameters())
    from ase import Atoms

    from eqgraph.graph import from_ase

    atoms = Atoms("C5", [(1.5 * i, 0.1 * i**2 % 0.3, 0) for i in range(5)])

    def energy_of_first(positions):
        moved = atoms.copy()
        moved.positions = positions
        with torch.no_grad():
            return potential(from_ase(moved, 2.0), forces=False).atomic_energies[0].item()

    found = []
    for atom in range(5):
        positions = atoms.positions.copy()
        positions[atom] += [0.0, 0.01, 0.0]
        found.append(energy_of_first(positions) != energy_of_first(atoms.positions))
    assert found == [True, True, True, False, False]


@pytest.mark.parametrize("architecture", CLASSIFIERS)
def test_parameters_of_point_cloud_models_are_counted(architecture, tmp_path):
    model = build_classifier(architecture, {"num_layers": 2, "num_features": 4, "num_neighbors": 4}, 3, "1x1o")
    save_classifier(tmp_path / "model.eqg", model, ["a", "b", "c"])
    card = model_card(tmp_path / "model.eqg")
    assert card.num_parameters == sum(parameter.numel() for parameter in model.parameters())
    assert (card.irreps_x, card.dtype, card.torch_version) == ("1x1o", "float32", torch.__version__)


def broken(name: str, data: bytes) -> bytes:
    flipped = bytearray(data)
    flipped[-3] ^= 1
    return {
        "cut off": data[:-20],
        "a wrong bit": bytes(flipped),
        "empty": b"",
        "a pickle": pickle.dumps({"a": 1}),
        "text": b"architecture: nequip\n",
        "newer": data.replace(b"eqgraph-potential-1", b"eqgraph-potential-3"),
        "unknown": data.replace(b"eqgraph-potential-1", b"psiflow-potential-1"),
        "no header": data.replace(b'"eqgraph"', b'"another"'),
        "no species": data.replace(b'\\"species\\"', b'\\"spceies\\"'),
    }[name]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("cut off", "is damaged or of another kind"),
        ("a wrong bit", "the weights are not those that were written: the file is damaged"),
        ("empty", "is damaged or of another kind"),
        ("a pickle", "is damaged or of another kind"),
        ("text", "is damaged or of another kind"),
        ("newer", r"got eqgraph-potential-3, which eqgraph 0\.1\.0 wrote"),
        ("unknown", "expected a model of a kind that eqgraph .* reads"),
        ("no header", "without an eqgraph header"),
        ("no species", "no 'species'"),
    ],
)
def test_what_is_no_model_is_refused_in_one_sentence(name, message, tmp_path, capsys):
    path = tmp_path / "model.eqg"
    path.write_bytes(broken(name, (FILES / "nequip.eqg").read_bytes()))
    assert main(["info", str(path)]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("error: info: ")
    assert re.search(message, printed.err)
    assert str(path) in printed.err
    assert printed.err.count("\n") == 1


def test_a_folder_is_no_model(tmp_path, capsys):
    (tmp_path / "run").mkdir()
    assert main(["info", str(tmp_path / "run")]) == 2
    assert "found a folder" in capsys.readouterr().err
    (tmp_path / "run" / "model.eqg").touch()
    assert main(["info", str(tmp_path / "run")]) == 2
    assert re.search(r"Give '.*run/model\.eqg'", capsys.readouterr().err)
    assert main(["info", str(tmp_path / "nothing.eqg")]) == 2
    assert "found none" in capsys.readouterr().err


@pytest.mark.parametrize("odd", [5, "text", [1], None, {"valid": 5}, {"valid": [5, {"rmse": "x"}, {"rmse": None}]}])
def test_metadata_may_be_anything(odd, path, capsys):
    keys = ("errors", "length", "validation", "units", "training", "card", "data_hash", "initial_model")
    add_metadata(path, dict.fromkeys(keys, odd))
    assert main(["info", str(path)]) == 0
    assert main(["info", str(path), "--json"]) == 0
    assert math.isclose(model_card(path).cutoff, 3.5)
