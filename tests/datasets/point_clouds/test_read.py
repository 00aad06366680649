import numpy as np
import pytest
from torch_geometric.data import Data

from eqgraph.datasets import read_point_clouds


@pytest.fixture
def folder(tmp_path):
    for split, names in {"train": ["ball", "cube"], "test": ["ball", "cube"]}.items():
        for name in names:
            (tmp_path / "shapes" / split / name).mkdir(parents=True)
            np.save(tmp_path / "shapes" / split / name / "1.npy", np.random.rand(5, 3))
    return tmp_path / "shapes"


def test_nothing_there(tmp_path, folder):
    with pytest.raises(FileNotFoundError, match=r"'.*shape', which does not exist. Did you mean '.*shapes'\?"):
        read_point_clouds(tmp_path / "shape")
    with pytest.raises(FileNotFoundError, match=r"does not exist. Check the path"):
        read_point_clouds(tmp_path / "elsewhere" / "x")


def test_unknown_formats(tmp_path, folder):
    with pytest.raises(
        ValueError, match="format to be auto, npz, modelnet_hdf5, scanobjectnn, shapenetpart, folders, got 'obj'"
    ):
        read_point_clouds(folder, format="obj")
    with pytest.raises(ValueError, match=r"expected point clouds \(npz: train.npz[^;]*\), got test, train\. Pass"):
        read_point_clouds(folder, format="npz")
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(
        ValueError, match=r"npz: .*modelnet_hdf5: .*scanobjectnn: .*shapenetpart: .*folders: .*got an empty folder"
    ):
        read_point_clouds(empty)
    (empty / "a.stl").write_text("")
    with pytest.raises(ValueError, match=r"got a.stl"):
        read_point_clouds(empty)
    with pytest.raises(ValueError, match="got a file"):
        read_point_clouds(empty / "a.stl")


def test_splits(folder):
    assert len(read_point_clouds(folder)) == 4
    assert len(read_point_clouds(folder, split=["train", "testing"])) == 4
    assert read_point_clouds(folder, split="test").names == ["test/ball/1.npy", "test/cube/1.npy"]
    with pytest.raises(ValueError, match=r"clouds of the split 'valid', got test, train. Choose one of these"):
        read_point_clouds(folder, split="valid")
    with pytest.raises(ValueError, match=r"clouds of the split 'train', got data without splits. Pass split=None"):
        read_point_clouds(folder / "train", split="train")


def test_classes(folder):
    clouds = read_point_clouds(folder, classes=["cube", "ball"], split="train")
    assert clouds.classes == ["cube", "ball"]
    assert clouds.labels.tolist() == [1, 0]
    with pytest.raises(ValueError, match=r"different classes out of ball, cube, got .*unknown 'cone'"):
        read_point_clouds(folder, classes=["cone"])


def test_classes_only_in_the_test(folder):
    (folder / "test" / "cone").mkdir()
    np.save(folder / "test" / "cone" / "1.npy", np.random.rand(5, 3))
    with pytest.raises(ValueError, match="got 'cone' only in test"):
        read_point_clouds(folder, split="train")
    assert read_point_clouds(folder, classes=["ball", "cube"]).num_classes == 2


def test_normals_that_are_not_there(folder):
    with pytest.raises(
        ValueError, match=r"'test/ball/1.npy'\): expected normals, as normals=True says.*EstimateNormals"
    ):
        read_point_clouds(folder, normals=True)


def test_number_of_points(folder):
    assert read_point_clouds(folder, num_points=2).num_points.tolist() == [2] * 4
    with pytest.raises(ValueError, match="num_points of at least 1, got 0"):
        read_point_clouds(folder, num_points=0)


def test_transform(folder):
    assert read_point_clouds(folder, transform=lambda data: Data(pos=data.pos[:2]))[0].num_nodes == 2
