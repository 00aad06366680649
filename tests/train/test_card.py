"""What a training leaves in its model file for those who get it."""

import csv
import math

import pytest
import safetensors.torch

from eqgraph.model_file import add_metadata, model_card
from eqgraph.models import load_potential
from eqgraph.train import fit, parse_config, resume
from eqgraph.train.complete_card import complete_card

CARD = {"licence": "CC-BY-4.0", "author": "A. Person", "description": "Morse, for tests"}


def test_a_training_writes_its_card(raw, folder):
    raw["card"] = CARD
    result = fit(parse_config(raw))
    card = model_card(result.model)
    assert (card.licence, card.author, card.description) == tuple(CARD.values())
    assert card.species == ["H", "O"]
    assert card.E0s == {"H": -13.0, "O": -2040.0}
    assert card.units["forces"] == "eV/Å"
    assert (card.training["epochs"], card.training["steps"], card.training["seed"]) == (3, 9, 0)
    with (result.output / "errors.csv").open() as file:
        written = list(csv.DictReader(file))
    rows = [(name, row) for name, rows in card.errors.items() for row in rows]
    assert {name for name, _ in rows} == {"train", "valid", "test"}
    assert len(rows) == len(written)
    for (name, row), line in zip(rows, written, strict=True):
        assert (name, row["quantity"], row["element"]) == (line["structures"], line["quantity"], line["element"])
        assert row["rmse"] == float(line["rmse"])
    load_potential(result.model)

    before = safetensors.torch.load_file(result.model)
    content = result.model.read_bytes()
    resume(result.output)  # over: evaluated again
    assert result.model.read_bytes() == content
    resume(result.output, ["card.licence=MIT", "card.author=null"])
    card = model_card(result.model)
    assert (card.licence, card.author, card.description) == ("MIT", None, "Morse, for tests")
    for name, tensor in safetensors.torch.load_file(result.model).items():
        assert tensor.equal(before[name])
    assert content != result.model.read_bytes()


@pytest.mark.parametrize(
    ("card", "message"),
    [
        ({"license": "MIT"}, r"unknown key 'card\.license'\. Did you mean 'card\.licence'"),
        ({"licence": ["MIT"]}, r"'card\.licence': expected a valid string, came \['MIT'\]"),
        ({"licence": " "}, r"'card\.licence': expected"),
        ({"licence": True}, r"'card\.licence': expected something other than a truth value"),
        ({"author": "x" * 3000}, r"'card\.author': expected"),
    ],
)
def test_cards_that_are_none(raw, card, message):
    raw["card"] = card
    with pytest.raises(ValueError, match=message):
        parse_config(raw)


def test_errors_that_are_no_numbers_are_null(raw, folder):
    from eqgraph.models import build_potential, save_potential

    path = folder / "model.eqg"
    save_potential(path, build_potential("nequip", {"num_layers": 1}, [1], 4.0, [0.0], [1.0], 2.0))
    complete_card(path, {"test": [{"quantity": "accuracy (%)", "value": math.nan}]}, [])
    assert model_card(path).errors == {"test": [{"quantity": "accuracy (%)", "value": None}]}
    add_metadata(path, {"errors": {}})
    assert model_card(path).errors == {}
