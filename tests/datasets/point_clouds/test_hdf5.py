"""ModelNet40 and ScanObjectNN as they are distributed, but with few clouds of few points."""

import sys

import numpy as np
import pytest

from eqgraph.datasets import read_point_clouds

h5py = pytest.importorskip("h5py")
RNG = np.random.default_rng(0)
NAMES = ["airplane", "bathtub", "bed"]


def write(path, labels, num_points=8, **more):
    data = RNG.normal(size=(len(labels), num_points, 3)).astype(np.float32)
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        for name, array in ({"data": data, "label": np.array(labels)} | more).items():
            file[name] = array
    return data


def model_net(folder, normals=False):
    arrays = []
    for name, labels in [("train0", [0, 1]), ("train1", [2]), ("test0", [1, 0])]:
        more = {"normal": RNG.normal(size=(len(labels), 8, 3)).astype(np.float32)} if normals else {}
        labels = np.array(labels, dtype=np.uint8)[:, None]
        arrays.append(write(folder / f"ply_data_{name}.h5", labels, **more))
    (folder / "shape_names.txt").write_text("\n".join(NAMES) + "\n")
    return arrays


@pytest.mark.parametrize("listed", [False, True])
def test_model_net(tmp_path, listed):
    arrays = model_net(tmp_path)
    if listed:
        for split, names in {"train": ["train1", "train0"], "test": ["test0"]}.items():
            lines = "".join(f"data/modelnet40_ply_hdf5_2048/ply_data_{name}.h5\n" for name in names)
            (tmp_path / f"{split}_files.txt").write_text(lines)
    train, test = (read_point_clouds(tmp_path, split=split, num_points=5) for split in ("train", "test"))
    order = [2, 0, 1] if listed else [0, 1, 2]
    expected = np.concatenate([arrays[0], arrays[1]])[order]
    assert train.labels.tolist() == order
    assert test.labels.tolist() == [1, 0]
    assert train.classes == test.classes == NAMES
    for index in range(3):  # the first points, as is usual for these files
        np.testing.assert_array_equal(train[index].pos, expected[index, :5])
    assert test.names == ["ply_data_test0.h5: cloud 0", "ply_data_test0.h5: cloud 1"]


def test_normals_and_no_names(tmp_path):
    model_net(tmp_path, normals=True)
    (tmp_path / "shape_names.txt").unlink()
    clouds = read_point_clouds(tmp_path)
    assert clouds.irreps_in == "1x1o"
    assert clouds.classes == ["0", "1", "2"]
    with h5py.File(tmp_path / "ply_data_train0.h5") as file:
        np.testing.assert_array_equal(clouds[0].x, file["normal"][0])
    assert read_point_clouds(tmp_path, normals=False).irreps_in == ""


@pytest.mark.parametrize("deep", [False, True])
def test_scan_object_nn(tmp_path, deep):
    folder = tmp_path / "main_split" if deep else tmp_path
    mask = np.zeros((2, 8))
    train = write(folder / "training_objectdataset.h5", [14, 3], mask=mask)
    write(folder / "test_objectdataset.h5", [3, 14], mask=mask)
    clouds = read_point_clouds(tmp_path, split="train")
    assert clouds.num_classes == 15
    assert [clouds.classes[label] for label in clouds.labels] == ["toilet", "cabinet"]
    np.testing.assert_array_equal(clouds[1].pos, train[1])
    write(folder / "training_objectdataset_augmentedrot_scale75.h5", [14, 3])
    hardest = write(folder / "test_objectdataset_augmentedrot_scale75.h5", [3, 3, 14])
    with pytest.raises(
        ValueError, match=r"expected one variant of ScanObjectNN, got test_objectdataset.h5, .*Pass the path"
    ):
        read_point_clouds(tmp_path)
    clouds = read_point_clouds(folder / "training_objectdataset_augmentedrot_scale75.h5", split="test")
    np.testing.assert_array_equal(clouds[2].pos, hardest[2])


def test_without_h5py(tmp_path, monkeypatch):
    model_net(tmp_path)
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(ImportError, match=r"needs h5py.*pip install eqgraph\[hdf5\]"):
        read_point_clouds(tmp_path)


def test_errors(tmp_path):
    model_net(tmp_path)
    (tmp_path / "train_files.txt").write_text("data/ply_data_train7.h5\n")
    with pytest.raises(ValueError, match=r"got none called ply_data_train7\.h5"):
        read_point_clouds(tmp_path)
    (tmp_path / "train_files.txt").unlink()
    path = tmp_path / "ply_data_train0.h5"
    for arrays, match in [
        ({"label": [0.5, 1.0]}, "expected an array 'label' of one whole number per cloud, got float64"),
        ({"label": [[0, 1], [1, 1]]}, r"got int64 of shape \(2, 2\)"),
        ({"label": [0, 3]}, "labels from 0 to 2 for 3 named classes, got 0 to 3"),
        ({"data": np.zeros((3, 8, 3))}, r"array 'data' of shape \(2, n, 3\), as many as labels, got \(3, 8, 3\)"),
        ({"normal": np.zeros((2, 8, 2))}, r"array 'normal' of shape \(2, n, 3\)"),
        ({"data": np.zeros((2, 8, 2))}, r"Cloud 0 \('ply_data_train0.h5: cloud 0'\).*Append a column of zeros"),
        (
            {"normal": np.zeros((2, 7, 3))},
            r"Cloud 0.*expected normals of shape \(8, 3\), one row per point, got \(7, 3\)",
        ),
        (
            {"normal": np.zeros((2, 8, 3))},
            r"Cloud 2.*expected features '1x1o' as in 'ply_data_train0.h5: cloud 0', got ''",
        ),
    ]:
        write(path, [0, 1], **{name: np.array(array) for name, array in arrays.items()})
        with pytest.raises(ValueError, match=match):
            read_point_clouds(tmp_path)
    path.write_bytes(b"no HDF5")
    with pytest.raises(ValueError, match=r"ply_data_train0\.h5: expected an HDF5 file"):
        read_point_clouds(tmp_path)
