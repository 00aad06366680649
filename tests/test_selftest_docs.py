"""docs/selftest.md: its commands are commands, its program runs, its table names all tests."""

import re
from pathlib import Path

from eqgraph.cli.main import make_parser
from eqgraph.selftest.run import TESTS

TEXT = (Path(__file__).parents[1] / "docs" / "selftest.md").read_text(encoding="utf-8")


def test_commands_are_commands():
    (shell,) = re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL)
    for line in shell.splitlines():
        assert make_parser().parse_args(line.split("#")[0].split()[1:]).model == "runs/first/model.eqg"


def test_the_program_runs(capsys):
    (program,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    exec(program, {})
    assert capsys.readouterr().out.startswith("finite pass Measurement(")


def test_the_table_names_all_tests():
    rows = re.findall(r"^\| ([^|]+) \|", TEXT, re.MULTILINE)[1:]
    assert [name for row in rows for name in row.split(", ") if name != "---"] == list(TESTS)
