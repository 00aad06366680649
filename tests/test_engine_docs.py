"""The snippets of the pages about engines and about what is added to potentials run."""

import re
from pathlib import Path

import pytest
import yaml

from eqgraph.train import parse_config

DOCS = Path(__file__).parents[1] / "docs"
TEXTS = {name: (DOCS / name).read_text(encoding="utf-8") for name in ("torch_sim.md", "short_and_long_range.md")}
SNIPPETS = [(name, text) for name in TEXTS for text in re.findall(r"```python\n(.*?)```", TEXTS[name], re.DOTALL)]


@pytest.mark.parametrize(("name", "snippet"), SNIPPETS, ids=[name for name, _ in SNIPPETS])
def test_snippet_runs(name, snippet):
    for package in ("torch_sim", "dftd3"):
        if package in snippet or (package == "dftd3" and "with_dispersion" in snippet):
            pytest.importorskip(package)
    exec(compile(snippet, name, "exec"), {"__name__": "__main__"})


def test_the_key_of_the_config_exists():
    (snippet,) = re.findall(r"```yaml\n(.*?)```", TEXTS["short_and_long_range.md"], re.DOTALL)
    assert parse_config(
        {"data": {"train": "a.xyz"}, "training": {"output": "run"}, **yaml.safe_load(snippet)}
    ).model.zbl
