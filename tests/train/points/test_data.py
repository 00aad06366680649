"""What is wrong with clouds is said before the training begins, with the key that names them."""

import shutil

import numpy as np
import pytest

from eqgraph.train import fit, parse_config
from eqgraph.train.points.data import PointsData


def change(path, **arrays) -> None:
    """Replace arrays of an npz file; None removes one."""
    with np.load(path) as file:
        kept = {name: file[name] for name in file.files} | arrays
    np.savez(path, **{name: array for name, array in kept.items() if array is not None})


def test_sets_and_classes(raw):
    raw["data"]["valid"] = 0.25
    data = PointsData(parse_config(raw))
    assert (len(data.train), len(data.valid), len(data.test["new"])) == (32, 10, 15)
    assert data.classes == ["ball", "cube", "rod"]
    assert data.class_counts().sum() == 32
    assert not set(data.train.names) & set(data.valid.names)


def test_a_folder_with_a_split_for_validation(raw, folder):
    shutil.copy(folder / "data" / "test.npz", folder / "data" / "valid.npz")
    raw["data"]["valid"] = str(folder / "data")
    data = PointsData(parse_config(raw))
    assert (len(data.train), len(data.valid)) == (42, 15)


def test_files_instead_of_folders(raw, folder):
    raw["data"] |= {"train": str(folder / "data" / "test.npz"), "test": str(folder / "data" / "train.npz")}
    data = PointsData(parse_config(raw))
    assert (len(data.train), len(data.test["test_train"])) == (15, 42)


def test_classes_in_another_order(raw, folder):
    shutil.move(folder / "data" / "test.npz", folder / "test.npz")
    with np.load(folder / "test.npz") as file:
        label = file["label"]
    change(folder / "test.npz", label=2 - label, classes=np.array(["rod", "cube", "ball"]))
    raw["data"]["test"] = str(folder / "test.npz")
    assert PointsData(parse_config(raw)).test["test"].labels.tolist() == label.tolist()


def test_class_of_the_test_alone(raw, folder):
    shutil.move(folder / "data" / "test.npz", folder / "test.npz")
    change(folder / "test.npz", classes=np.array(["ball", "cube", "cone"]))
    raw["data"]["test"] = {"new": str(folder / "test.npz")}
    with pytest.raises(
        ValueError,
        match=r"data\.test\.new: expected only classes that are trained \(ball, cube, rod\), came cone\. Add training clouds",
    ):
        PointsData(parse_config(raw))


def test_class_without_training_clouds(raw, folder):
    shutil.move(folder / "data" / "test.npz", folder / "test.npz")
    change(folder / "data" / "train.npz", classes=np.array(["ball", "cube", "rod", "cone"]))
    raw["data"]["test"] = {}
    with pytest.raises(
        ValueError,
        match=r"data\.train: expected training clouds of every class, came none of cone\. Add some, or leave",
    ):
        PointsData(parse_config(raw))
    raw["data"]["classes"] = ["ball", "rod", "cube"]
    assert PointsData(parse_config(raw)).classes == ["ball", "rod", "cube"]


def test_features_in_one_set_alone(raw, folder):
    shutil.move(folder / "data" / "test.npz", folder / "test.npz")
    change(folder / "test.npz", features=np.ones((15, 32, 3), dtype=np.float32), irreps=np.array("3x0e"))
    raw["data"]["test"] = {"new": str(folder / "test.npz")}
    with pytest.raises(
        ValueError, match=r"data\.test\.new: expected features of points as in training \(''\), came '3x0e'\. Give all"
    ):
        PointsData(parse_config(raw))


def test_more_points_than_there_are(raw):
    raw["data"]["num_points"] = 33
    with pytest.raises(
        ValueError,
        match=r"data\.train: expected clouds of at least data\.num_points = 33 points, came 32 in 'train\.npz: cloud 0'\. Lower",
    ):
        PointsData(parse_config(raw))


def test_no_clouds(raw, folder, shapes):
    for name in ("train", "test"):
        (folder / "data" / f"{name}.npz").unlink()
    with pytest.raises(ValueError, match=r"data: expected point clouds \(npz: train\.npz"):
        PointsData(parse_config(raw))
    shapes(folder / "data" / "train.npz", 1)
    raw["data"]["test"] = {}
    with pytest.raises(ValueError, match=r"data\.train: expected at least 2 clouds and 2 classes, came 1 and 3"):
        PointsData(parse_config(raw))
    raw["data"]["train"] = str(folder / "nowhere")
    with pytest.raises(FileNotFoundError, match="nowhere"):
        PointsData(parse_config(raw))


def test_no_clouds_left_to_train(raw):
    raw["data"]["valid"] = 42
    with pytest.raises(
        ValueError, match=r"Expected data\.valid to leave training clouds, came 42 of 42 clouds\. Lower"
    ):
        PointsData(parse_config(raw))


@pytest.mark.parametrize(
    ("task", "name", "message"),
    [
        (
            "classification",
            "parts",
            r"data\.train: expected classes of clouds, came classes of points in .*Set task: segm",
        ),
        (
            "segmentation",
            "data",
            r"data\.train: expected classes of points, came classes of clouds in .*Set task: class",
        ),
    ],
)
def test_classes_of_points_or_of_clouds(raw, folder, task, name, message):
    raw |= {"task": task}
    raw["data"] |= {"train": str(folder / name), "test": {}}
    with pytest.raises(ValueError, match=message):
        PointsData(parse_config(raw))


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        (
            {"schedule": {"name": "plateau"}},
            r"data\.valid: expected validation clouds for schedule\.name: plateau, came null",
        ),
        ({"training": {"early_stopping": 3}}, r"data\.valid: expected validation clouds for training\.early_stopping"),
        (
            {"training": {"keep": "best_valid"}},
            r"data\.valid: expected validation clouds for training\.keep: best_valid",
        ),
        ({"training": {"votes": 2}}, r"training\.votes: expected 1 unless data\.num_points"),
    ],
)
def test_what_needs_what(raw, sections, message):
    for section, keys in sections.items():
        raw.setdefault(section, {}).update(keys)
    with pytest.raises(ValueError, match=message):
        fit(parse_config(raw))


def test_points_that_are_turned_keep_their_features(raw, folder):
    """Normals of a sphere are its points, however it is turned."""
    for name in ("train", "test"):
        points = np.random.default_rng(0).normal(size=(12, 32, 3)).astype(np.float32)
        points /= np.linalg.norm(points, axis=-1, keepdims=True)
        arrays = {"points": points, "features": points, "irreps": np.array("1x1o"), "label": np.arange(12) % 3}
        change(folder / "data" / f"{name}.npz", **arrays)
    raw["data"] |= {"protocol": "SO3/SO3", "num_points": 20}
    data = PointsData(parse_config(raw))
    for batch in data.train_dataloader():
        np.testing.assert_allclose(batch.pos, batch.x, atol=1e-5)
    test = data.drawn(data.test["new"])
    np.testing.assert_allclose(test.pos, test.x, atol=1e-5)
    untouched = {tuple(row) for row in data.test["new"].pos.tolist()}
    assert not {tuple(row) for row in test.pos.tolist()} & untouched
