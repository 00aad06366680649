"""Model files of every release load, and predict what they predicted then."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from ase import Atoms

import eqgraph
from eqgraph.calculators import EqgraphCalculator
from eqgraph.model_file import model_card
from eqgraph.models import load_classifier, load_potential

FILES = Path(__file__).parent / "files"
RELEASES = sorted(path.name for path in FILES.iterdir() if (path / "outputs.json").is_file())
every_release = pytest.mark.parametrize("release", RELEASES)


def test_there_are_files_of_this_version():
    assert eqgraph.__version__ in RELEASES, "see tests/models/files/README.md"


@every_release
@pytest.mark.parametrize("name", ["nequip", "tensor_field_network"])
def test_potentials_predict_what_they_did(release, name):
    known = json.loads((FILES / release / "outputs.json").read_text())
    expected, water = known[name], known["water"]
    atoms = Atoms(water["numbers"], water["positions"], cell=water["cell"], pbc=True)
    atoms.calc = EqgraphCalculator(FILES / release / f"{name}.eqg")
    assert atoms.get_potential_energy() == pytest.approx(expected["energy"], rel=0, abs=5e-6)
    for found, before in (
        (atoms.get_forces(), expected["forces"]),
        (atoms.get_stress(voigt=False), expected["stress"]),
    ):
        np.testing.assert_allclose(found, before, rtol=0, atol=1e-6 * max(1, np.abs(before).max()))


@every_release
def test_classifiers_predict_what_they_did(release):
    known = json.loads((FILES / release / "outputs.json").read_text())
    model, header = load_classifier(FILES / release / "classifier.eqg")
    assert header["classes"] == ["ball", "cube", "torus"]
    with torch.no_grad():
        scores = model(torch.tensor(known["cloud"]))[0]
    np.testing.assert_allclose(scores, known["classifier"]["scores"], rtol=0, atol=2e-6)


@every_release
def test_what_they_say_of_their_training_is_read(release):
    header = load_potential(FILES / release / "nequip.eqg")[1]
    assert header["eqgraph_version"] == release
    assert header["metadata"]["training"]["data"]["energy_key"] == "REF_energy"
    card = model_card(FILES / release / "nequip.eqg")
    assert (card.eqgraph_version, card.species, card.cutoff) == (release, ["H", "O"], 3.5)
    assert card.E0s == {"H": -13.6, "O": -2041.8}
    assert card.training["seed"] == 3
    assert card.errors["valid"][0]["rmse"] == 12.5


@every_release
@pytest.mark.parametrize("name", ["nequip", "tensor_field_network", "classifier"])
def test_their_parameters_are_counted(release, name):
    path = FILES / release / f"{name}.eqg"
    model = (load_classifier if name == "classifier" else load_potential)(path)[0]
    assert model_card(path).num_parameters == sum(parameter.numel() for parameter in model.parameters())
