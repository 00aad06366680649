"""Switches that do something, or are errors."""

import io

import pytest
import torch
from rich.console import Console

from eqgraph.models import load_potential
from eqgraph.train import fit, parse_config


@pytest.fixture
def tuning(raw, tmp_path) -> dict:
    result = fit(parse_config(raw), Console(file=io.StringIO()))
    raw["training"] |= {"output": str(tmp_path / "tuned"), "init_from": str(result.model), "max_epochs": 1}
    return raw


def test_no_switch_is_without_effect(tuning):
    """mace#1182, #1443, #622: weight_pt_head did nothing, multihead was off without a word, r_max and lr were rewritten."""
    for section, change, message in (
        ("model", {"num_features": 8}, "came model.num_features = 8 .*which would have no effect"),
        ("training", {"freeze": ["no_such_layer"]}, "came 'no_such_layer', which fits none"),
    ):
        with pytest.raises(ValueError, match=message):
            fit(parse_config(tuning | {section: tuning[section] | change}), Console(file=io.StringIO()))
    del tuning["training"]["init_from"]
    with pytest.raises(ValueError, match="no meaning without a model to start from"):
        parse_config(tuning | {"data": tuning["data"] | {"replay": "old.xyz"}})


def test_what_is_set_is_what_is_trained_with(tuning):
    """mace run_train rewrites learning rate, running mean and cutoff of a fine-tuning: here the file says what was asked for."""
    tuning["optimizer"] = {"learning_rate": 0.00123}
    tuning["training"] |= {"ema_decay": 0.5, "freeze": ["embedding"]}
    result = fit(parse_config(tuning), Console(file=io.StringIO()))
    potential, header = load_potential(result.model)
    trained = header["metadata"]["training"]
    assert (trained["optimizer"]["learning_rate"], trained["training"]["ema_decay"]) == (0.00123, 0.5)
    before = load_potential(tuning["training"]["init_from"])[0]
    assert torch.equal(potential.network.embedding.weight, before.network.embedding.weight)
    assert not torch.equal(potential.network.readout.weight, before.network.readout.weight)
