import numpy as np
import pytest

from eqgraph.datasets import read_point_clouds

RNG = np.random.default_rng(0)
POINTS = RNG.integers(-1000, 1000, size=(4, 5, 3)).astype(np.int16)
COMMON = {"classes": np.array(["ball", "cube"]), "scale": np.float32(0.001)}


def write(folder, **splits):
    for split, arrays in splits.items():
        np.savez(folder / f"{split}.npz", **(COMMON | arrays))
    return folder


def test_equal_sizes(tmp_path):
    train = {
        "points": POINTS,
        "label": np.uint8([0, 1, 1, 0]),
        "name": np.array(list("abcd")),
        "temperature": np.arange(4.0),
    }
    test = {"points": POINTS[:1], "label": np.uint8([1]), "temperature": np.array([300.0])}
    write(tmp_path, train=train, test=test)
    clouds = read_point_clouds(tmp_path, split="train")
    np.testing.assert_allclose(clouds[2].pos, POINTS[2] * 0.001, rtol=1e-6)
    assert clouds.labels.tolist() == [0, 1, 1, 0]
    assert clouds.classes == ["ball", "cube"]
    assert clouds.names == [f"train.npz: {name}" for name in "abcd"]
    assert clouds.metadata["temperature"].tolist() == [0, 1, 2, 3]
    assert clouds.irreps_in == ""
    assert read_point_clouds(tmp_path, split="test").names == ["test.npz: cloud 0"]
    everything = read_point_clouds(tmp_path)
    assert len(everything) == 5
    assert everything.metadata["temperature"].tolist() == [300, 0, 1, 2, 3]
    assert len(read_point_clouds(tmp_path / "test.npz")) == 1


def test_different_sizes_and_features(tmp_path):
    points, features = RNG.normal(size=(9, 3)), RNG.normal(size=(9, 4))
    arrays = {
        "points": points,
        "num_points": [4, 5],
        "label": [0, 1],
        "features": features,
        "irreps": "1o + 0e",
        "scale": 1,
    }
    clouds = read_point_clouds(write(tmp_path, train=arrays), split="train")
    np.testing.assert_allclose(clouds[1].pos, points[4:], rtol=1e-6)
    np.testing.assert_allclose(clouds[1].x, features[4:], rtol=1e-6)
    assert clouds.irreps_in == "1x1o+1x0e"
    assert clouds.num_points.tolist() == [4, 5]


def test_without_classes_and_scale(tmp_path):
    np.savez(tmp_path / "valid.npz", points=POINTS, label=[0, 1, 2, 0])
    clouds = read_point_clouds(tmp_path, split="val")
    assert clouds.classes == ["0", "1", "2"]
    np.testing.assert_array_equal(clouds[0].pos, POINTS[0])


@pytest.mark.parametrize("flat", [False, True])
def test_labels_of_points(tmp_path, flat):
    arrays = {"points": POINTS, "label": RNG.integers(2, size=(4, 5))}
    if flat:
        arrays = {"points": POINTS.reshape(-1, 3), "label": arrays["label"].reshape(-1), "num_points": [5] * 4}
    clouds = read_point_clouds(write(tmp_path, train=arrays))
    assert clouds.per_point
    assert clouds.num_classes == 2
    np.testing.assert_array_equal(clouds[1].y, np.reshape(arrays["label"], (4, 5))[1])


def test_num_points_are_the_same_whatever_else_is_read(tmp_path):
    write(tmp_path, train={"points": POINTS, "label": [0, 1, 1, 0]}, test={"points": POINTS, "label": [0, 1, 1, 0]})
    some = read_point_clouds(tmp_path, split="train", num_points=3)
    cubes = read_point_clouds(tmp_path, num_points=3, classes=["cube"])
    np.testing.assert_array_equal(cubes[2].pos, some[1].pos)
    assert cubes.labels.tolist() == [0] * 4
    rows = {tuple(row) for row in (POINTS[0] * np.float32(0.001)).tolist()}
    assert {tuple(row) for row in some[0].pos.tolist()} < rows
    other = read_point_clouds(tmp_path, split="train", num_points=3, seed=1)
    assert any((other[i].pos != some[i].pos).any() for i in range(4))
    assert read_point_clouds(tmp_path, num_points=10).num_points.tolist() == [5] * 8


@pytest.mark.parametrize(
    ("arrays", "match"),
    [
        ({"points": POINTS[0]}, r"\(clouds, n, 3\), or .*got \(5, 3\) without num_points"),
        ({"points": POINTS, "num_points": [5] * 4}, r"got \(4, 5, 3\) with num_points"),
        ({"points": POINTS.reshape(-1, 3), "num_points": [5, 5, 5, 4]}, "add up to the 20 points, got a sum of 19"),
        ({"label": [0, 1]}, r"labels of shape \(4,\), one per cloud, or \(4, 5\), one per point, got \(2,\)"),
        ({"label": [0.5, 1, 1, 0]}, "indices of classes, got float64"),
        ({"label": [0, 1, 2, 0]}, "labels from 0 to 1 for its 2 classes, got 0 to 2"),
        ({"label": [0, 1, -1, 0]}, "labels from 0 to 1 for its 2 classes, got -1 to 1"),
        ({"features": np.zeros((4, 6, 1)), "irreps": "0e"}, r"features of shape \(4, 5, 'dim'\).*got \(4, 6, 1\)"),
        (
            {"features": np.zeros((4, 5, 3))},
            r"train.npz: cloud 0'\): expected the irreps of its 3 columns.*irreps='3x0e'",
        ),
        ({"features": np.zeros((4, 5, 3)), "irreps": "0e"}, r"shape \(5, 1\) for irreps_in='1x0e', got \(5, 3\)"),
        (
            {"points": np.where(np.arange(60).reshape(4, 5, 3) == 33, np.nan, 0)},
            r"Cloud 2 \('train.npz: cloud 2'\).*point 1",
        ),
        ({"points": POINTS[..., :2]}, "Cloud 0.*Append a column of zeros"),
        (
            {"points": POINTS.reshape(-1, 3), "num_points": [5, 0, 10, 5]},
            r"Cloud 1 \('train.npz: cloud 1'\).*empty cloud",
        ),
        ({"classes": np.array(["ball", None])}, "npz file of numbers and strings"),
    ],
)
def test_errors(tmp_path, arrays, match):
    np.savez(tmp_path / "train.npz", **({"points": POINTS, "label": [0, 1, 1, 0], **COMMON} | arrays))
    with pytest.raises(ValueError, match=match):
        read_point_clouds(tmp_path)


def test_classes_must_agree(tmp_path):
    train, test = {"points": POINTS, "label": [0, 1, 1, 0]}, {"points": POINTS, "label": [0, 1, 2, 0]}
    write(tmp_path, train=train, test=test | {"classes": np.array(["ball", "cube", "cone"])})
    with pytest.raises(
        ValueError, match=r"train\.npz: expected the classes of test\.npz, in their order, got others \(cone\)"
    ):
        read_point_clouds(tmp_path)


def test_classes_only_in_the_test(tmp_path):
    write(tmp_path, train={"points": POINTS, "label": [0] * 4}, test={"points": POINTS, "label": [0, 1, 1, 0]})
    with pytest.raises(ValueError, match=r"every class in the training split, got 'cube' only in test.*Leave them out"):
        read_point_clouds(tmp_path, split="train")
    assert len(read_point_clouds(tmp_path, split="test", classes=["ball"])) == 2
