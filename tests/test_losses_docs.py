"""The configs in docs/losses.md are read, and its numbers are right."""

import re
from pathlib import Path

import pytest
import yaml
from ase.units import Debye

from eqgraph.train import parse_config

TEXT = (Path(__file__).parents[1] / "docs" / "losses.md").read_text(encoding="utf-8")
SNIPPETS = re.findall(r"```yaml\n(.*?)```", TEXT, flags=re.DOTALL)


@pytest.mark.parametrize("snippet", SNIPPETS)
def test_configs(snippet):
    config = parse_config({"data": {"train": "a.xyz"}, "training": {"output": "run"}, **yaml.safe_load(snippet)})
    assert config.loss.used[:2] == ["energy", "forces"]


def test_keys_and_units():
    data = parse_config({"data": {"train": "a.xyz"}, "training": {"output": "run"}}).data
    assert all(f"`{key}`" in TEXT for key in data.label_keys)
    assert f"{1 / Debye:.3f} debye" in TEXT
