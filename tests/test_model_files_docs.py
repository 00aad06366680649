"""What docs/model_files.md shows works."""

import re
import shutil
from pathlib import Path

import pytest
import yaml

from eqgraph.cli.main import make_parser
from eqgraph.train import parse_config

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs" / "model_files.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("snippet", re.findall(r"```python\n(.*?)```", TEXT, flags=re.DOTALL))
def test_snippet_runs(snippet, capsys):
    shutil.copy(ROOT / "tests" / "models" / "files" / "0.1.0" / "nequip.eqg", "model.eqg")
    exec(compile(snippet, "docs/model_files.md", "exec"), {"__name__": "__main__"})
    assert capsys.readouterr().out.startswith("['H', 'O'] 3.5 7.0 None\nvalid forces 12.5 meV/Å")


@pytest.mark.parametrize("text", re.findall(r"```yaml\n(.*?)```", TEXT, flags=re.DOTALL))
def test_config(text):
    assert parse_config(yaml.safe_load(text)).card.licence == "CC-BY-4.0"


@pytest.mark.parametrize("command", re.findall(r"eqgraph ((?:info|train) [^`\n]*)", TEXT))
def test_command(command):
    make_parser().parse_args(command.split())
