"""Training with the repulsion of nuclei: from the YAML file into the model, and on through fine-tuning."""

import io

import pytest
from rich.console import Console

from eqgraph.models import load_potential
from eqgraph.train import fit, parse_config
from eqgraph.train.changes import changes
from eqgraph.train.output import as_written


def test_it_comes_from_the_config_and_stays_through_fine_tuning(raw, folder):
    raw["model"]["zbl"] = True
    console = Console(file=io.StringIO(), width=200)
    model = fit(parse_config(raw), console).model
    assert "ZBL repulsion" in console.file.getvalue()
    assert load_potential(model)[0].zbl is not None

    tuned = {
        "data": raw["data"],
        "training": raw["training"] | {"output": str(folder / "tuned"), "init_from": str(model), "max_epochs": 1},
    }
    config = parse_config(tuned)
    assert config.model.zbl
    assert load_potential(fit(config, Console(file=io.StringIO())).model)[0].zbl is not None
    with pytest.raises(ValueError, match=r"came model\.zbl = False \(True in the file\), which would have no effect"):
        parse_config(tuned | {"model": {"zbl": False}})


def test_runs_of_before_it_existed_go_on_without_it(raw):
    now = as_written(parse_config(raw))
    before = now | {"model": {key: value for key, value in now["model"].items() if key != "zbl"}}
    assert changes(before, now) == []
    raw["model"]["zbl"] = True
    (change,) = changes(before, as_written(parse_config(raw)))
    assert str(change) == "model.zbl: False -> True"
    assert change.is_impossible
