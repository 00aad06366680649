"""docs/normalization.md names every layer, tells the truth about it, and its code runs; so does its experiment."""

import csv
import re
import subprocess
import sys
from pathlib import Path

import pytest
from matplotlib.image import imread

from eqgraph import nn
from eqgraph.nn import dropout, norm

ROOT = Path(__file__).parents[1]
DOCUMENT = ROOT / "docs" / "normalization.md"
TEXT = DOCUMENT.read_text(encoding="utf-8")
SNIPPETS = re.findall(r"```python\n(.*?)```", TEXT, flags=re.DOTALL)
NAMES = (*norm.__all__, *dropout.__all__)
OPTIONS = {
    "AvgNumNeighborsNorm": {"avg_num_neighbors": 12.0},
    "DiffGroupNorm": {"groups": 2},
    "EvoNormS0": {"groups": 2},
    "GroupNorm": {"num_groups": 2},
    "HeteroBatchNorm": {"num_types": 2},
    "HeteroLayerNorm": {"num_types": 2},
    "LocalResponseNorm": {"size": 3},
    "SyncHeteroBatchNorm": {"num_types": 2},
}
NORMS = [name for name in norm.__all__ if isinstance(getattr(nn, name), type) and name != "Norm"]


@pytest.mark.parametrize("name", NAMES)
def test_every_layer_is_named(name):
    assert re.search(rf"`{name}\b", TEXT), (
        f"docs/normalization.md: expected '{name}', found it nowhere. Add it to its tables."
    )


@pytest.mark.parametrize("name", NORMS)
def test_flags_in_the_table_are_those_of_the_layer(name):
    table = TEXT[TEXT.index("| class | σ²") : TEXT.index("The last three columns")]
    (row,) = re.findall(rf"^\| (?:`\w+`, )?`{name}`.*$", table, flags=re.MULTILINE)
    *_, is_local, couples_graphs, smooth, _ = (cell.strip() for cell in row.split("|"))
    layer = getattr(nn, name)("4x0e + 2x1o", **OPTIONS.get(name, {}))
    assert is_local == ("yes" if layer.is_local else "no")
    assert couples_graphs == ("in training" if layer.couples_graphs else "no")
    assert smooth == ("yes" if layer.smooth else "no")


@pytest.mark.parametrize("snippet", SNIPPETS, ids=range(len(SNIPPETS)))
def test_snippet_runs(snippet):
    exec(compile(snippet, str(DOCUMENT), "exec"), {"__name__": "__main__"})


def test_figures_and_pages_that_it_shows_are_there():
    links = re.findall(r"\]\(([^)#]+)\)", TEXT)
    assert links
    for link in links:
        assert (DOCUMENT.parent / link).is_file(), link


def test_experiment_runs(tmp_path):
    command = [sys.executable, ROOT / "examples" / "compare_normalizations.py", "--quick", "--output", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "test accuracy" in done.stdout
    for name, number in (("point_clouds", 8), ("potentials", 4)):
        with (tmp_path / f"{name}.csv").open() as file:
            assert len({row["normalization"] for row in csv.DictReader(file)}) == number
        assert imread(tmp_path / f"{name}.png").std() > 0.01
