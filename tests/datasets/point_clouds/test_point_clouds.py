import numpy as np
import pytest
import torch
from torch_geometric.data import Data
from torch_geometric.loader import DataLoader

from eqgraph.datasets import PointClouds

RNG = np.random.default_rng(0)
POINTS = [RNG.normal(size=(n, 3)) for n in (4, 1, 6)]
NORMALS = [RNG.normal(size=(n, 3)) for n in (4, 1, 6)]
CLASSES = ["ball", "cube", "cone"]


def test_items():
    clouds = PointClouds(
        POINTS, [2, 0, 1], CLASSES, features=NORMALS, irreps_in="1o", metadata={"temperature": [1, 2, 3]}
    )
    assert len(clouds) == 3
    assert clouds.num_classes == 3
    assert clouds.irreps_in == "1x1o"
    assert not clouds.per_point
    assert clouds.labels.tolist() == [2, 0, 1]
    assert clouds.num_points.tolist() == [4, 1, 6]
    for index in (0, 1, 2, -1):
        data = clouds[index]
        np.testing.assert_allclose(data.pos, POINTS[index], rtol=1e-6)
        np.testing.assert_allclose(data.x, NORMALS[index], rtol=1e-6)
        assert data.y.tolist() == [[2, 0, 1][index]]
        assert data.pos.dtype == torch.get_default_dtype()
        assert data.y.dtype == torch.int64
    with pytest.raises(IndexError):
        clouds[3]
    assert repr(clouds) == "PointClouds(3 clouds, 1 to 6 points, 3 classes, irreps_in='1x1o')"
    assert [data.num_nodes for data in clouds] == [4, 1, 6]


@pytest.mark.usefixtures("_float64")
def test_float64():
    np.testing.assert_array_equal(PointClouds(POINTS, [0, 0, 0], CLASSES)[0].pos, POINTS[0])


def test_items_are_copies():
    clouds = PointClouds(POINTS, [2, 0, 1], CLASSES)
    clouds[0].pos.zero_()
    clouds[0].y.zero_()
    np.testing.assert_allclose(clouds[0].pos, POINTS[0], rtol=1e-6)
    assert int(clouds[0].y) == 2


def test_transform_and_loader():
    clouds = PointClouds(POINTS, [2, 0, 1], CLASSES, transform=lambda data: Data(pos=data.pos + 1, y=data.y))
    [batch] = DataLoader(clouds, batch_size=3)
    np.testing.assert_allclose(batch.pos, np.concatenate(POINTS) + 1, atol=1e-6)
    assert batch.y.tolist() == [2, 0, 1]


def test_select():
    clouds = PointClouds(POINTS, [2, 0, 1], CLASSES, features=NORMALS, irreps_in="1o", metadata={"t": [1.0, 2, 3]})
    for indices in ([2, 0, 2], torch.tensor([2, 0, 2]), np.array([-1, 0, -1]), iter([2, 0, 2])):
        some = clouds.select(indices)
        assert some.labels.tolist() == [1, 2, 1]
        assert some.names == ["cloud 2", "cloud 0", "cloud 2"]
        assert some.metadata["t"].tolist() == [3, 1, 3]
        np.testing.assert_allclose(some[1].pos, POINTS[0], rtol=1e-6)
        np.testing.assert_allclose(some[2].x, NORMALS[2], rtol=1e-6)
    assert clouds.select(clouds.labels > 0).labels.tolist() == [2, 1]
    assert len(clouds.select([])) == 0
    with pytest.raises(IndexError, match="Expected indices of 3 clouds, got 3"):
        clouds.select([0, 3])
    with pytest.raises(IndexError, match=r"mask of shape \(3,\), got \(2,\)"):
        clouds.select(torch.tensor([True, False]))


def test_select_classes():
    clouds = PointClouds(POINTS, [2, 0, 1], CLASSES).select_classes(["cone", "ball"])
    assert clouds.labels.tolist() == [0, 1]
    assert clouds.classes == ["cone", "ball"]
    for names, match in [
        (["torus"], "out of cone, ball, got .*unknown 'torus'"),
        (["ball", "ball"], "different classes"),
        ([], "different classes"),
        ("ball", "different classes"),
    ]:
        with pytest.raises(ValueError, match=match):
            clouds.select_classes(names)


def test_classes_of_points():
    labels = [np.array([0, 1, 0, 1]), np.array([2]), np.array([3, 3, 2, 3, 2, 2])]
    parts = [[0, 1], [2, 3]]
    classes = ["wing", "tail", "leg", "seat"]
    clouds = PointClouds(
        POINTS,
        [0, 1, 1],
        classes,
        point_labels=labels,
        categories=["plane", "chair"],
        parts=parts,
        names=["a", "b", "c"],
    )
    assert clouds.per_point
    assert clouds[0].y.tolist() == [0, 1, 0, 1]
    assert clouds[0].category.tolist() == [0]
    chairs = clouds.select_classes(["chair"])
    assert chairs.classes == ["leg", "seat"]
    assert chairs.categories == ["chair"]
    assert chairs.parts == [[0, 1]]
    assert chairs[1].y.tolist() == [1, 1, 0, 1, 0, 0]
    assert chairs[1].category.tolist() == [0]
    assert repr(chairs) == "PointClouds(2 clouds, 1 to 6 points, 2 classes of points, irreps_in='')"
    assert PointClouds(POINTS, None, classes, point_labels=labels)[2].category.tolist() == [0]


def test_points_may_coincide():
    assert len(PointClouds([np.zeros((5, 3))], [0], ["point"])[0].pos) == 5


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (
            {"points": [POINTS[0], np.zeros((0, 3))]},
            r"Cloud 1 \('b'\): expected at least one point, got an empty cloud",
        ),
        (
            {"points": [POINTS[0], np.full((2, 3), np.nan)]},
            r"Cloud 1 \('b'\): expected finite coordinates.*2 of 2 points",
        ),
        ({"points": [POINTS[0][:, :2], POINTS[1]]}, r"Cloud 0 \('a'\).*got \(4, 2\)\. Append a column of zeros"),
        ({"points": [POINTS[0], np.zeros((2, 5))]}, r"Cloud 1.*shape \(n, 3\), got \(2, 5\)"),
        ({"points": [POINTS[0], np.array([["a"] * 3])]}, "Cloud 1.*expected numbers as coordinates"),
        ({"labels": [0, 2]}, "0 to 1 for the classes x, y, got 2"),
        ({"labels": [0, -1]}, "0 to 1 for the classes x, y, got -1"),
        ({"labels": [0]}, "expected labels of 2 clouds, as points has, got 1"),
        ({"names": ["a"]}, "expected names of 2 clouds"),
        ({"metadata": {"t": [1]}}, "expected t of 2 clouds"),
        (
            {"irreps_in": "3x0e", "features": [np.ones((4, 3)), np.ones((1, 4))]},
            r"Cloud 1.*\(1, 3\) for.*'3x0e', got \(1, 4\)",
        ),
        (
            {"irreps_in": "1o", "features": [np.ones((4, 3)), np.full((1, 3), np.inf)]},
            "Cloud 1.*expected finite features",
        ),
        (
            {"point_labels": [np.zeros(4, int), np.zeros(2, int)], "categories": ["u", "v"]},
            "Cloud 1.*expected 1 point labels",
        ),
        (
            {"point_labels": [np.zeros(4, int), np.full(1, 7)], "categories": ["u", "v"]},
            "Cloud 1.*point labels: expected 0 to 1",
        ),
    ],
)
def test_errors(change, match):
    arguments = {"points": POINTS[:2], "labels": [0, 1], "classes": ["x", "y"], "names": ["a", "b"]}
    with pytest.raises(ValueError, match=match):
        PointClouds(**(arguments | change))
