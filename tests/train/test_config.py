"""Every key has one meaning and every mistake one message."""

import math
from pathlib import Path

import pytest
import yaml

from eqgraph.train import Config, load_config, parse_config
from eqgraph.train.config import seconds


def minimal(**sections: dict) -> dict:
    raw = {"data": {"train": "train.xyz"}, "training": {"output": "run"}}
    for section, keys in sections.items():
        raw[section] = {**raw.get(section, {}), **keys}
    return raw


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("00:10:00", 600),
        ("10:00", 600),
        ("4 min", 240),
        ("30s", 30),
        ("2 hours", 7200),
        ("1.5 h", 5400),
        (90, 90),
        ("1 d", 86400),
    ],
)
def test_durations(text, expected):
    assert seconds(text) == expected


@pytest.mark.parametrize("text", ["soon", "4 parsecs", "0", "-1", "1:2:3:4", True, "00:00:00"])
def test_wrong_duration(text):
    with pytest.raises(ValueError, match="a duration above zero such as"):
        seconds(text)


def test_defaults_and_lists():
    config = parse_config(minimal(data={"test": ["a/x.xyz", "b/x.xyz"], "valid": "valid.xyz"}))
    assert config.data.train == [Path("train.xyz")]
    assert config.data.test == {"x": Path("a/x.xyz"), "x_2": Path("b/x.xyz")}
    assert config.data.valid == Path("valid.xyz")
    assert config.model.architecture == "nequip"
    assert config.schedule.name == "cosine"
    assert config.training.overwrite is False


def test_names_of_test_sets_are_no_others():
    """Neither those of the training's own rows and plots nor, as file names, those of each other."""
    paths = ["a/train.xyz", "b/train.xyz", "valid.xyz", "A b.xyz", "a_b.xyz", "x.xyz", "test_train.xyz"]
    config = parse_config(minimal(data={"test": paths}))
    assert list(config.data.test) == ["test_train", "test_train_2", "test_valid", "A b", "a_b_2", "x", "test_train_3"]
    assert [str(path) for path in config.data.test.values()] == paths
    assert parse_config(minimal(data={"test": {"a/b": "x.xyz", "a-b": "y.xyz"}})).data.test.keys() == {"a/b", "a-b"}
    assert parse_config(config.model_dump(mode="json")) == config


def test_architecture_config_is_complete_and_checked():
    config = parse_config(minimal(model={"num_layers": 2}))
    assert config.model.network.num_layers == 2
    assert config.model_dump(mode="json")["model"]["num_features"] == config.model.network.num_features
    assert parse_config(config.model_dump(mode="json")) == config


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"trainig": {}}, r"unknown key 'trainig'\. Did you mean 'training'\?"),
        (
            {"training": {"batch_sise": 5}},
            r"unknown key 'training\.batch_sise'\. Did you mean 'training\.batch_size'\?",
        ),
        (
            {"optimizer": {"batch_size": 5}},
            r"unknown key 'optimizer\.batch_size'\. Did you mean 'training\.batch_size'\?",
        ),
        ({"batch_size": {}}, r"unknown key 'batch_size'\. Did you mean 'training\.batch_size'\?"),
        ({"model": {"num_layer": 2}}, r"unknown key 'model\.num_layer'\. Did you mean 'model\.num_layers'\?"),
        ({"loss": {"zzz": 2}}, r"unknown key 'loss\.zzz'\. The keys of loss are: energy, forces, stress, virial, "),
        ({"loss": {"forces": {"delt": 1}}}, r"unknown key 'loss\.forces\.delt'\. Did you mean 'loss\.forces\.delta'\?"),
        (
            {"loss": {"forces": {"zzz": 1}}},
            r"unknown key 'loss\.forces\.zzz'\. The keys of loss\.forces are: weight, function, delta, elements\.",
        ),
        (
            {"loss": {"forces": {"weight": -1}}},
            r"'loss\.forces\.weight': expected greater than or equal to 0, came -1\. Set loss\.forces\.weight: factor",
        ),
        (
            {"loss": {"energy": "much"}},
            r"'loss\.energy': expected a valid number, came 'much'\. Set loss\.energy: .* a weight, or \{weight: 1, function",
        ),
        (
            {"loss": {"forces": {"function": "rmse"}}},
            r"'loss\.forces\.function': expected 'mse', 'mae' or 'huber', came 'rmse'",
        ),
        (
            {"loss": {"forces": {"function": "huber"}}},
            r"'loss\.forces\.delta': expected a number above zero for function: huber, came None\. Set loss\.forces\.delta: ",
        ),
        (
            {"loss": {"stress": {"delta": 0.1}}},
            r"'loss\.stress\.delta': expected function: huber beside it, not mse, came 0\.1",
        ),
        (
            {"loss": {"stress": {"elements": {"H": 1}}}},
            r"unknown key 'loss\.stress\.elements'\. The keys of loss\.stress",
        ),
        (
            {"loss": {"forces": {"elements": {"Hh": 1}}}},
            r"'loss\.forces\.elements': expected a weight for each of some chemical symbols .* \(not 'Hh'\), came",
        ),
        (
            {"loss": {"forces": {"elements": {"H": -1}}}},
            r"'loss\.forces\.elements\.H': expected greater than or equal to 0, came -1\. Set loss\.forces\.elements: ",
        ),
        (
            {"loss": {"config_types": {"bulk": "x"}}},
            r"'loss\.config_types\.bulk': expected a valid number, came 'x'\. Set loss\.config_types: weight of",
        ),
        (
            {"loss": {"stages": [{"start": 0.5}]}},
            r"'loss\.stages\.0': expected at least one weight that changes, .*, came \{'start': 0\.5\}\.",
        ),
        (
            {"loss": {"stages": [{"start": 1.5, "energy": 1}]}},
            r"'loss\.stages\.0\.start': expected a fraction of the training .*, or an epoch from 2 on \(200\), came 1\.5",
        ),
        (
            {"loss": {"stages": {"energy": 1}}},
            r"expected 'loss\.stages\.start', came nothing\. Set loss\.stages\.start: ",
        ),
        (
            {"loss": {"stages": {"start": 0.5, "enery": 1}}},
            r"unknown key 'loss\.stages\.enery'\. Did you mean 'loss\.stages\.energy'\?",
        ),
        (
            {"loss": {"stages": [{"start": 0.5, "energy": 2}, {"start": 0.4, "energy": 1}]}},
            r"'loss': expected stages in the order of their start \(not \[0\.5, 0\.4\]\)",
        ),
        (
            {"loss": {"stages": {"start": 5, "energy": 0, "forces": 0}}},
            r"'loss': expected at least one weight above zero in stages\.0 and what stays from before",
        ),
        (
            {"model": {"dipole": True, "lmax": 0}},
            r"'model\.dipole': expected false with lmax: 0, which has no vectors \(raise model\.lmax\), came True",
        ),
        ({"schedule": {"name": "plateau", "patiense": 2}}, r"Did you mean 'schedule\.patience'\?"),
        ({"schedule": {"name": "step"}}, r"'schedule\.name': expected one of plateau, cosine, constant, came 'step'"),
        (
            {"training": {"batch_size": "many"}},
            r"'training\.batch_size': expected a valid integer, came 'many'\. Set training\.batch_size: ",
        ),
        ({"training": {"batch_size": 0}}, r"'training\.batch_size': expected greater than 0, came 0"),
        ({"training": {"max_time": "soon"}}, r"'training\.max_time': expected a duration above zero .*, came 'soon'"),
        (
            {"training": {"device": "tpu"}},
            r"'training\.device': expected one of auto, cpu, cuda, cuda:0, cuda:1 and so on, came 'tpu'\. Set ",
        ),
        ({"training": {"seed": 2**32}}, r"'training\.seed': expected less than 4294967296, came 4294967296\. Set "),
        ({"training": {"output": 5}}, r"'training\.output': expected a path, came 5\. "),
        ({"loss": {"forces": math.inf}}, r"'loss\.forces': expected a finite number, came inf\. "),
        ({"optimizer": {"learning_rate": math.inf}}, r"'optimizer\.learning_rate': expected a finite number, came inf"),
        ({"model": {"cutoff": math.inf}}, r"'model\.cutoff': expected a finite number, came inf\. "),
        (
            {"model": {"cutoff": 500.0}},
            r"'model\.cutoff': expected less than or equal to 100, came 500\.0\. Set model\.cutoff: distance in Å \(not nm",
        ),
        ({"data": {"test": {"train": "a.xyz"}}}, r"'data\.test': expected names other than train and valid"),
        ({"data": {"test": {"Valid": "a.xyz"}}}, r"'data\.test': expected names other than train and valid"),
        (
            {"data": {"test": {"a/b": "a.xyz", "a_b": "b.xyz"}}},
            r"'data\.test': expected names that give files of different names \(not 'a_b'",
        ),
        ({"training": {"ema_decay": 1.0}}, r"'training\.ema_decay': expected less than 1, came 1\.0"),
        (
            {"model": {"cutoff": 0}},
            r"'model\.cutoff': expected greater than 0, came 0\. Set model\.cutoff: distance in Å",
        ),
        ({"model": {"cutoff": -1.0}}, r"'model\.cutoff': expected greater than 0, came -1\.0"),
        (
            {"model": {"num_layers": 0}},
            r"'model\.num_layers': expected greater than 0, came 0\. Set model\.num_layers: ",
        ),
        ({"model": {"architecture": "nequipp"}}, r"'model\.architecture': expected 'nequip'.*, came 'nequipp'"),
        ({"data": {"valid": 1.5}}, r"'data\.valid': expected a fraction between 0 and 1, .* came 1\.5"),
        ({"data": {"valid": 0}}, r"'data\.valid': expected at least 1 structure.* came 0"),
        ({"data": {"valid": [1]}}, r"'data\.valid': expected a path, a number of structures .* came \[1\]"),
        ({"data": {"train": []}}, r"'data\.train': expected at least one path, came \[\]\. Set data\.train: path"),
        (
            {"data": {"atomic_energies": "isolatet"}},
            r"'data\.atomic_energies': expected one of auto, .* came 'isolatet'",
        ),
        ({"data": {"atomic_energies": {"H": "x"}}}, r"'data\.atomic_energies': expected one of auto, .*\{H: -13\.6"),
        ({"loss": {"energy": 0, "forces": 0}}, r"'loss': expected at least one weight above zero"),
        ({"loss": {"energy": -1}}, r"'loss\.energy': expected greater than or equal to 0, came -1"),
    ],
)
def test_mistakes_are_named(sections, message):
    with pytest.raises(ValueError, match=message):
        parse_config(minimal(**sections))


def test_missing_key_and_several_mistakes():
    with pytest.raises(
        ValueError, match=r"expected 'training\.output', came nothing\. Set training\.output: directory"
    ) as caught:
        parse_config({"data": {"train": "a.xyz", "vald": 1}, "training": {}}, source="file.yaml")
    assert [line.partition(":")[0] for line in str(caught.value).splitlines()] == ["file.yaml", "file.yaml"]


def test_section_of_wrong_kind():
    with pytest.raises(ValueError, match=r"'training': expected a valid dictionary.*, came 5\. "):
        parse_config({"data": {"train": "a.xyz"}, "training": 5})


def test_losses_in_short_and_in_full():
    short = parse_config(minimal(loss={"energy": 1, "forces": 10}))
    assert short.loss.forces.weight == 10
    assert short.loss.used == ["energy", "forces"]
    assert short.model_dump(mode="json")["loss"]["forces"] == 10
    term = {"weight": 10, "function": "huber", "delta": 0.01, "elements": {"H": 0.5}}
    full = parse_config(
        minimal(
            loss={"forces": term, "config_types": {"surface": 2}, "stages": {"start": 0.75, "virial": 1, "forces": 0}}
        )
    )
    assert full.loss.forces.model_dump() == term
    assert full.loss.used == ["energy", "forces", "virial"]
    assert full.loss.stage_weights[1] == {"energy": 1, "forces": 0, "stress": 0, "virial": 1, "dipole": 0}
    assert parse_config(full.model_dump(mode="json")) == full


def write(path: Path, raw: dict) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(yaml.safe_dump(raw))
    return path


def test_relative_paths(tmp_path, monkeypatch):
    """Those in the file belong to the file, those in overrides to the working directory."""
    file = write(
        tmp_path / "configs" / "a.yaml",
        minimal(data={"train": ["x.xyz", "/abs/y.xyz"], "test": {"t": "t.xyz"}, "valid": 0.2}),
    )
    monkeypatch.chdir(tmp_path)
    config = load_config("configs/a.yaml", ["data.isolated_atoms=atoms.xyz", "data.test.u=u.xyz"])
    assert config.data.train == [tmp_path / "configs" / "x.xyz", Path("/abs/y.xyz")]
    assert config.data.test == {"t": tmp_path / "configs" / "t.xyz", "u": tmp_path / "u.xyz"}
    assert config.data.isolated_atoms == tmp_path / "atoms.xyz"
    assert config.training.output == tmp_path / "configs" / "run"
    assert load_config(file, ["training.output=elsewhere"]).training.output == tmp_path / "elsewhere"


def test_overrides_are_yaml(tmp_path):
    file = write(tmp_path / "a.yaml", minimal())
    config = load_config(
        file,
        [
            "training.max_time=4 min",
            "optimizer.learning_rate=1e-3",
            "data.valid=7",
            "schedule.name=plateau",
            "schedule.patience=3",
            "training.early_stopping=null",
            "model.radial_hidden=[8, 8]",
            "data.atomic_energies={H: -13.6}",
            "loss.forces=10",
            "loss.forces.function=mae",
            "loss.stages=[{start: 0.5, energy: 3}]",
        ],
    )
    assert (config.loss.forces.weight, config.loss.forces.function) == (10, "mae")
    assert config.loss.stage_weights[1]["energy"] == 3
    assert config.training.max_time == 240
    assert config.optimizer.learning_rate == 1e-3
    assert config.data.valid == 7
    assert (config.schedule.name, config.schedule.patience) == ("plateau", 3)
    assert config.model.network.radial_hidden == [8, 8]
    assert config.data.atomic_energies == {"H": -13.6}


def test_yaml_reads_clock_times(tmp_path):
    """YAML 1.1 reads 00:10:00 without quotes as a number of seconds."""
    file = tmp_path / "a.yaml"
    file.write_text("data: {train: a.xyz}\ntraining: {output: run, max_time: 00:10:00}\n")
    assert load_config(file).training.max_time == 600


def test_file_mistakes(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"Expected a YAML file, found none at '.*nowhere\.yaml'"):
        load_config(tmp_path / "nowhere.yaml")
    file = tmp_path / "a.yaml"
    file.write_text("data: {train: a.xyz\ntraining: 1\n")
    with pytest.raises(ValueError, match=r"expected YAML, came .* in line \d+, column \d+"):
        load_config(file)
    file.write_text("data: {train: a.xyz}\ntraining: {output: a, seed: 1, seed: 2}\n")
    with pytest.raises(ValueError, match=r"key 'seed' appears twice in line 2"):
        load_config(file)
    file.write_bytes("data: {train: a.xyz}\n# Å\n".encode("latin-1"))
    with pytest.raises(ValueError, match=r"'.*a\.yaml': expected text in UTF-8, came the byte 0xc5 in line 2\. Save"):
        load_config(file)
    file.write_text("just words")
    with pytest.raises(ValueError, match=r"expected sections \(data:, model:, "):
        load_config(file)
    file.write_text("")
    with pytest.raises(ValueError, match=r"expected sections"):
        load_config(file)
    write(file, minimal())
    with pytest.raises(ValueError, match=r"Expected section\.key=value, came 'training\.seed'\."):
        load_config(file, ["training.seed"])
    with pytest.raises(ValueError, match=r"Expected section\.key=value, came 'seed=3'\."):
        load_config(file, ["seed=3"])
    with pytest.raises(ValueError, match=r"override 'training\.seed=\{': expected YAML"):
        load_config(file, ["training.seed={"])


def test_config_from_python():
    with pytest.raises(ValueError, match="max_epoch"):
        Config(data={"train": "a.xyz"}, training={"output": "a", "max_epoch": 3})


def test_every_key_is_described():
    for section in Config.model_json_schema()["$defs"].values():
        for name, key in section["properties"].items():
            assert name == "name" or key.get("description"), name
