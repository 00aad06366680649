"""Help with examples; a bar for what takes longer than a second, of every command."""

import re
from pathlib import Path

import ase
import ase.io
import numpy as np
import pytest
import yaml
from ase.calculators.morse import MorsePotential
from ase.calculators.singlepoint import SinglePointCalculator

from eqgraph.cli import main
from eqgraph.cli.main import make_parser
from eqgraph.datasets import progress
from eqgraph.train import parse_config

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def commands() -> list[str]:
    (action,) = (action for action in make_parser()._actions if action.choices)
    return list(action.choices)


@pytest.mark.parametrize("name", ["", *commands()])
def test_help_shows_an_example(name, capsys):
    with pytest.raises(SystemExit) as caught:
        main([name, "--help"] if name else ["--help"])
    assert caught.value.code == 0
    text = capsys.readouterr().out
    examples = re.findall(r"^  (eqgraph \w+.*)$", text.partition("example")[2], flags=re.MULTILINE)
    assert examples, "a line that can be copied"
    for example in examples:
        words = [word.strip("'") for word in re.findall(r"'[^']*'|\S+", example)[1:]]
        make_parser().parse_args(words)  # exits where the example is none


def test_the_config_in_the_help_is_one(capsys):
    with pytest.raises(SystemExit):
        main(["train", "--help"])
    config = parse_config(yaml.safe_load(capsys.readouterr().out.partition("says at least:")[2]))
    assert config.data.energy_key == "REF_energy"


def test_reading_and_evaluating_show_progress(tmp_path, capsys, monkeypatch):
    write_structures(tmp_path / "my_structures.xyz", "energy", "forces")
    from eqgraph.models import build_potential, save_potential

    config = {"num_layers": 1, "num_features": 2, "lmax": 1}
    save_potential(tmp_path / "m.eqg", build_potential("nequip", config, [1, 8], 3.0, [0.0, 0.0], [1.0, 1.0], 2.0))
    arguments = [
        "eval",
        str(tmp_path / "m.eqg"),
        str(tmp_path / "my_structures.xyz"),
        "--device",
        "cpu",
        "--batch-size",
        "2",
    ]
    monkeypatch.setattr(progress, "QUIET_SECONDS", 3600.0)  # however slow the machine is
    assert main(arguments) == 0
    assert "Evaluating" not in capsys.readouterr().err, "quick work is quiet"
    monkeypatch.setattr(progress, "QUIET_SECONDS", 0.0)
    assert main(arguments) == 0
    printed = capsys.readouterr().err
    for words in ("Reading my_structures.xyz", "Neighbor lists", "Evaluating"):
        assert words in printed


def write_structures(path: Path, energy_key: str, forces_key: str) -> None:
    rng, frames = np.random.default_rng(0), []
    for _ in range(20):
        corners = 1.2 * np.array([(0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0)], dtype=float)
        atoms = ase.Atoms("H2O2", corners + rng.normal(scale=0.08, size=(4, 3)))
        atoms.calc = MorsePotential(r0=1.2, rho0=3.0)
        energy, forces = atoms.get_potential_energy(), atoms.get_forces()
        atoms.calc = None
        if energy_key == "energy":
            atoms.calc = SinglePointCalculator(atoms, energy=energy, forces=forces)
        else:
            atoms.info[energy_key], atoms.arrays[forces_key] = energy, forces
        frames.append(atoms)
    ase.io.write(path, frames)


def test_the_section_on_own_data_works_as_it_is_written(tmp_path, monkeypatch, capsys):
    """Its YAML, with the files that it names, and its commands, word by word; shortened to two epochs of a small network."""
    (section,) = re.findall(
        r"^## (?:A potential from|Train on) your own data\n(.*?)^## ", README, re.MULTILINE | re.DOTALL
    )
    (text,) = re.findall(r"```yaml\n(.*?)```", section, re.DOTALL)
    (shell,) = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    raw = yaml.safe_load(text)
    write_structures(tmp_path / raw["data"]["train"], raw["data"]["energy_key"], raw["data"]["forces_key"])
    write_structures(tmp_path / "other.xyz", raw["data"]["energy_key"], raw["data"]["forces_key"])
    (tmp_path / "potential.yaml").write_text(text)
    quick = [
        "training.max_epochs=2",
        "model.num_layers=1",
        "model.num_features=4",
        "model.lmax=1",
        "training.device=cpu",
    ]
    lines = [line.split("#")[0].split() for line in shell.splitlines()]
    lines = [words for words in lines if words]
    assert {words[1] for words in lines} >= {"train", "eval"}
    for words in lines:
        assert words[0] == "eqgraph"
        assert main(words[1:] + (quick if words[1] == "train" else [])) == 0, capsys.readouterr().err
    output = Path(raw["training"]["output"])
    promised = set(
        re.findall(
            r"`([\w*]+\.(?:eqg|ckpt|csv|png|yaml|html))`", section.partition("leaves in the output")[2].split(".\n")[0]
        )
    )
    assert promised >= {"model.eqg", "last.ckpt", "metrics.csv"}
    assert all(list(output.glob(name)) for name in promised)
    assert Path("predictions_other.xyz").is_file()
