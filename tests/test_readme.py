"""Every Python snippet of the README runs, every configuration is valid."""

import re
from pathlib import Path

import pytest
import yaml

from eqgraph.train import parse_config

README = Path(__file__).parents[1] / "README.md"
TEXT = README.read_text(encoding="utf-8")
SNIPPETS = re.findall(r"```python\n(.*?)```", TEXT, flags=re.DOTALL)
CONFIGS = re.findall(r"```yaml\n(.*?)```", TEXT, flags=re.DOTALL)


@pytest.mark.parametrize("snippet", SNIPPETS, ids=range(len(SNIPPETS)))
def test_snippet_runs(snippet, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exec(compile(snippet, str(README), "exec"), {"__name__": "__main__"})


@pytest.mark.parametrize("text", CONFIGS, ids=range(len(CONFIGS)))
def test_configuration_is_valid(text):
    parse_config(yaml.safe_load(text))


def test_there_are_snippets():
    assert len(SNIPPETS) >= 3
    assert CONFIGS
