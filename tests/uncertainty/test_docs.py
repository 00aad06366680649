"""The commands and the program of docs/uncertainty.md."""

import re
import shutil
from pathlib import Path

from eqgraph.cli import main

DOCS = (Path(__file__).parents[2] / "docs/uncertainty.md").read_text(encoding="utf-8")


def test_they_run_as_they_are_written(run_of_seeds, tmp_path, capsys):
    shutil.copytree(run_of_seeds, tmp_path / "runs/first")
    for name in ("train.xyz", "pool.xyz"):
        shutil.copy(run_of_seeds.parent / name, tmp_path)
    for block in re.findall(r"```sh\n(.*?)```", DOCS, re.DOTALL):
        for line in block.splitlines():
            assert main(line.split()[1:]) == 0, capsys.readouterr().err
    (program,) = re.findall(r"```python\n(.*?)```", DOCS, re.DOTALL)
    exec(program, {})
    assert (tmp_path / "predictions_pool.xyz").is_file()
