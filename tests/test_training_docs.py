"""The commands and configs in docs/training.md are understood."""

import re
import shlex
from pathlib import Path

import pytest
import yaml

from eqgraph.cli.main import make_parser
from eqgraph.models import build_potential, save_potential
from eqgraph.train import parse_config

TEXT = (Path(__file__).parents[1] / "docs" / "training.md").read_text(encoding="utf-8")
COMMANDS = [
    line.split("#")[0] for block in re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL) for line in block.splitlines()
]
CONFIGS = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)


def test_there_are_some():
    assert len(COMMANDS) >= 4
    assert len(CONFIGS) >= 2


@pytest.mark.parametrize("command", COMMANDS)
def test_command(command):
    words = shlex.split(command)
    start = next(index for index, word in enumerate(words) if word in ("eqgraph", "eqgraph.cli"))
    arguments = make_parser().parse_args(words[start + 1 :])
    assert arguments.run.__name__ == f"_{words[start + 1]}"


@pytest.mark.parametrize("text", CONFIGS)
def test_config(text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save_potential("model.eqg", build_potential("nequip", {"num_layers": 1}, [1], 4.0, [-13.6], [1.0], 9.0))
    config = parse_config(yaml.safe_load(text))
    assert config.training.output


def test_keys_that_the_text_names_exist():
    raw = {"data": {"train": "a.xyz"}, "training": {"output": "runs/a"}}
    dumped = parse_config(raw).model_dump()
    named = set(re.findall(r"`(data|training)\.(\w+)(?::[^`]*)?`", TEXT))
    assert len(named) >= 5
    assert all(key in dumped[section] for section, key in named)
