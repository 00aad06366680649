"""The keys of trainings on point clouds, and what is said of wrong ones."""

from pathlib import Path

import pytest
import yaml

from eqgraph.train import PointsConfig, load_config, parse_config


def minimal(**sections) -> dict:
    raw = {"task": "classification", "data": {"train": "clouds"}, "training": {"output": "run"}}
    for section, keys in sections.items():
        raw[section] = {**raw[section], **keys} if section in ("data", "training") else keys
    return raw


def test_defaults():
    config = parse_config(minimal(data={"test": ["a/x", "b/x"]}))
    assert isinstance(config, PointsConfig)
    assert config.data.test == {"x": Path("a/x"), "x_2": Path("b/x")}
    assert config.data.valid is None
    assert (config.training.keep, config.training.seeds, config.training.votes) == ("final", 1, 1)
    assert config.model.architecture == "tensor_field_network"
    assert parse_config(config.model_dump(mode="json")) == config


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        (
            {"task": "clasification"},
            r"'task': expected one of potential, classification, segmentation, came 'clasification'\. Did",
        ),
        ({"task": [1]}, r"'task': expected one of potential, .*, came \[1\]\. Choose one of these"),
        ({"data": {"num_point": 5}}, r"unknown key 'data\.num_point'\. Did you mean 'data\.num_points'\?"),
        ({"data": {"batch_size": 5}}, r"unknown key 'data\.batch_size'\. Did you mean 'training\.batch_size'\?"),
        ({"data": {"energy_key": "E"}}, r"unknown key 'data\.energy_key'\. The keys of data are: train, valid,"),
        (
            {"loss": {"energy": 1}},
            r"unknown key 'loss\.energy'\. The keys of loss are: label_smoothing, class_weights\.",
        ),
        (
            {"model": {"num_neighbour": 5}},
            r"unknown key 'model\.num_neighbour'\. Did you mean 'model\.num_neighbors'\?",
        ),
        (
            {"model": {"architecture": "pointnet"}},
            r"'model\.architecture': expected 'tensor_field_network'.*came 'pointnet'",
        ),
        ({"data": {"protocol": "SO3"}}, r"'data\.protocol': expected none, z/z, z/SO3, SO3/SO3 or .*, came 'SO3'"),
        ({"data": {"normalize": "cube"}}, r"'data\.normalize': expected 'sphere'.* came 'cube'"),
        (
            {"data": {"format": "las"}},
            r"'data\.format': expected 'auto', .* came 'las'|'data\.format': expected 'auto'",
        ),
        (
            {"data": {"valid": 1.5}},
            r"'data\.valid': expected a fraction between 0 and 1, or a whole number of clouds, came 1\.5",
        ),
        ({"data": {"scale": [1.1, 0.9]}}, r"'data\.scale': expected two factors above zero, the smaller one first"),
        ({"data": {"estimate_normals": 1}}, r"'data\.estimate_normals': expected greater than or equal to 2, came 1"),
        ({"data": {"classes": ["a"]}}, r"'data\.classes': expected .*at least 2 items.*|'data\.classes'"),
        ({"loss": {"label_smoothing": 1}}, r"'loss\.label_smoothing': expected less than 1, came 1"),
        ({"training": {"batch_size": 1}}, r"'training\.batch_size': expected greater than or equal to 2, came 1"),
        ({"training": {"seeds": 0}}, r"'training\.seeds': expected greater than 0, came 0"),
        ({"training": {"compile": True}}, r"unknown key 'training\.compile'"),
    ],
)
def test_mistakes_are_named(sections, message):
    raw = minimal(**{name: keys for name, keys in sections.items() if name != "task"})
    raw["task"] = sections.get("task", "classification")
    with pytest.raises(ValueError, match=message):
        parse_config(raw)


def test_task_in_files_and_overrides(tmp_path):
    file = tmp_path / "a.yaml"
    file.write_text(yaml.safe_dump(minimal()))
    config = load_config(file, ["task=segmentation", "data.num_points=64", "training.seeds=3"])
    assert (config.task, config.data.num_points, config.training.seeds) == ("segmentation", 64, 3)
    assert config.data.train == tmp_path / "clouds"
    file.write_text("taks: classification\n" + yaml.safe_dump({k: v for k, v in minimal().items() if k != "task"}))
    with pytest.raises(ValueError, match=r"unknown key 'taks'\. Did you mean 'task'\?"):
        load_config(file)


def test_every_key_is_described():
    for section in PointsConfig.model_json_schema()["$defs"].values():
        for name, key in section["properties"].items():
            assert name == "name" or key.get("description"), name
