"""Files of point clouds that are broken in one place each."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import yaml

OFF = "OFF\n4 4 0\n0 0 0\n1 0 0\n0 1 0\n0 0 1\n3 0 1 2\n3 0 1 3\n3 0 2 3\n3 1 2 3\n"
PLY = (
    "ply\nformat ascii 1.0\nelement vertex 3\nproperty float x\nproperty float y\nproperty float z\nend_header\n"
    "0 0 0\n1 0 0\n0 1 0\n"
)

FILES = {
    "empty.off": (b"", "header of an OFF file"),
    "cut.off": (OFF[:-20].encode(), "cut off: copy it again|number of its vertices"),
    "count.off": (OFF.replace("4 4 0", "9999999999 4 0").encode(), "expected 9999999999 vertices"),
    "counts.off": (OFF.replace("4 4 0", "many 4 0").encode(), "header of an OFF file"),
    "corner.off": (OFF.replace("3 1 2 3", "3 1 2 7").encode(), "got vertex 7"),
    "negative.off": (OFF.replace("3 1 2 3", "3 1 2 -3").encode(), "got vertex -3"),
    "word.off": (OFF.replace("0 1 0", "0 one 0").encode(), "three coordinates of vertex 2"),
    "nan.off": (OFF.replace("0 1 0", "0 nan 0").encode(), "finite|NaN"),
    "huge.off": (OFF.replace("0 0 1\n", "0 0 1e999\n").encode(), "finite|infinite"),
    "binary.off": (bytes(range(256)) * 4, "header of an OFF file"),
    "empty.ply": (b"", "header of a PLY file"),
    "cut.ply": (PLY[:-12].encode(), "cut off: copy it again"),
    "header.ply": (PLY[:60].encode(), "header of a PLY file|element 'vertex'"),
    "count.ply": (PLY.replace("vertex 3", "vertex 99999999999").encode(), "expected 99999999999 vertices"),
    "negative.ply": (PLY.replace("vertex 3", "vertex -3").encode(), "header of a PLY file|at least one point|vertices"),
    "type.ply": (PLY.replace("float z", "matrix z").encode(), "header of a PLY file"),
    "noz.ply": (PLY.replace("float z", "float w").encode(), "missing z"),
    "word.ply": (PLY.replace("0 1 0\n", "0 one 0\n").encode(), "3 numbers per vertex"),
    "columns.ply": (PLY.replace("1 0 0\n", "1 0 0 5\n").encode(), "3 numbers per vertex"),
    "nan.ply": (PLY.replace("0 1 0\n", "0 nan 0\n").encode(), "finite coordinates"),
    "list.ply": (
        PLY.replace("ascii", "binary_little_endian").replace("property float x", "property list uchar int x").encode(),
        "without lists",
    ),
    "empty.npy": (b"", "a file of arrays that numpy wrote"),
    "junk.npy": (b"\x93NUMPY\x01\x00junk", "a file of arrays that numpy wrote"),
    "pickle.npy": (pickle.dumps([1, 2]), "a file of arrays that numpy wrote"),
    "junk.npz": (b"PK\x03\x04junk", "a file of arrays that numpy wrote"),
    "empty.xyz": (b"", "empty cloud|at least one"),
    "word.xyz": (b"0 0 0\n1 one 1\n", "rows of as many numbers"),
    "ragged.xyz": (b"0 0 0\n1 1\n", "rows of as many numbers"),
    "plane.xyz": (b"0 0\n1 1\n", r"shape \(n, 3\)"),
    "nan.xyz": (b"0 0 0\nnan 1 1\n", "finite coordinates"),
    "atoms.xyz": (b"3\n\nH 0 0 0\n", "XYZ of atoms"),
}

ARRAYS = {
    "two.npy": (np.zeros((5, 2)), r"\(n, 3\), got \(5, 2\)"),
    "four.npy": (np.zeros((5, 3, 2, 2)), "four.npy"),
    "none.npy": (np.zeros((0, 3)), "empty cloud|at least one"),
    "words.npy": (np.array([["a", "b", "c"]]), "expected numbers"),
    "objects.npy": (np.array([[0.0, None, 1]], dtype=object), "a file of arrays that numpy wrote"),
    "complex.npy": (np.zeros((5, 3), dtype=complex), "expected numbers"),
    "nan.npy": (np.full((5, 3), np.nan), "finite coordinates"),
}


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """clouds/ball/1.npy ... and clouds/cube/1.npy ..., to add a broken file to."""
    for name in ("ball", "cube"):
        (tmp_path / "clouds" / name).mkdir(parents=True)
        for number in range(2):
            np.save(tmp_path / "clouds" / name / f"{number}.npy", np.random.rand(8, 3))
    return tmp_path / "clouds"


@pytest.fixture
def train(tmp_path: Path):
    """Arguments that train on a folder of clouds."""

    def arguments(path: Path, **data) -> list[str]:
        raw = {
            "task": "classification",
            "data": {"train": str(path)} | data,
            "model": {"architecture": "tensor_field_network", "num_layers": 1, "num_features": 2, "num_neighbors": 4},
            "training": {"output": str(tmp_path / "run"), "max_epochs": 1, "device": "cpu", "threads": 1},
        }
        (tmp_path / "clouds.yaml").write_text(yaml.safe_dump(raw))
        return ["train", str(tmp_path / "clouds.yaml")]

    return arguments


@pytest.mark.parametrize("name", [*FILES, *ARRAYS])
def test_broken_cloud(name, folders, train, refused):
    content, pattern = FILES[name] if name in FILES else ARRAYS[name]
    if name in FILES:
        (folders / "cube" / name).write_bytes(content)
    else:
        np.save(folders / "cube" / name, content)
    refused(train(folders), f"cube/{name}|/{name}", pattern)


def split(**changes) -> dict:
    arrays = {"points": np.random.rand(4, 8, 3), "label": np.array([0, 1, 0, 1]), "classes": np.array(["ball", "cube"])}
    return {name: value for name, value in (arrays | changes).items() if value is not None}


SPLITS = {
    "labels of nothing": (split(label=np.array([0, 1, 0, 7])), "labels from 0 to 1 for its 2 classes, got 0 to 7"),
    "negative labels": (split(label=np.array([0, 1, 0, -1])), "got -1 to 1"),
    "labels in words": (split(label=np.array(["a", "b", "a", "b"])), "indices of classes, got <U1"),
    "too few labels": (split(label=np.array([0, 1])), r"labels of shape \(4,\)"),
    "points of a plane": (split(points=np.zeros((4, 8, 2))), r"\(n, 3\), got \(8, 2\)"),
    "NaN points": (split(points=np.full((4, 8, 3), np.nan)), "finite coordinates"),
    "points in words": (split(points=np.full((4, 8, 3), "a")), "train.npz"),
    "no points": (split(points=None), "expected point clouds"),
    "numbers of points that do not add up": (
        split(points=np.zeros((32, 3)), num_points=np.array([8, 8, 8, 9])),
        "add up to the 32 points, got a sum of 33",
    ),
    "objects for classes": (split(classes=np.array([["ball"], 3], dtype=object)), "Object arrays cannot be loaded"),
    "objects for points": (split(points=np.array([None] * 4, dtype=object)), "Object arrays cannot be loaded"),
    "features of another length": (split(features=np.zeros((4, 7, 2)), irreps="2x0e"), "features of shape"),
    "features of nonsense irreps": (split(features=np.zeros((4, 8, 2)), irreps="nonsense"), "nonsense"),
    "one class": (split(label=np.zeros(4, dtype=int), classes=np.array(["ball"])), "at least 2 clouds and 2 classes"),
    "a class without clouds": (split(label=np.zeros(4, dtype=int)), "none of cube"),
}


@pytest.mark.parametrize("name", SPLITS)
def test_broken_npz(name, train, refused, tmp_path):
    arrays, pattern = SPLITS[name]
    (tmp_path / "split").mkdir()
    np.savez(tmp_path / "split" / "train.npz", **arrays)
    refused(train(tmp_path / "split"), "train.npz|data.train|split", pattern)


def test_object_arrays_are_not_unpickled(train, refused, tmp_path):
    class Evil:
        def __reduce__(self):
            return Path.touch, (tmp_path / "marker",)

    for classes, points in (
        (np.array([Evil(), 1]), np.zeros((2, 4, 3))),
        (np.array(["a", "b"]), np.array([Evil(), 1])),
    ):
        (tmp_path / "split").mkdir(exist_ok=True)
        np.savez(tmp_path / "split" / "train.npz", points=points, label=[0, 1], classes=classes)
        refused(train(tmp_path / "split"), "Object arrays cannot be loaded")
    for name, value in (("a.npy", np.array([Evil(), 1])), ("a.npz", {"points": np.array([Evil(), 1])})):
        folder = tmp_path / f"folder_{name}"
        for label in ("ball", "cube"):
            (folder / label).mkdir(parents=True)
            save = np.savez if isinstance(value, dict) else np.save
            save(folder / label / name, **value) if isinstance(value, dict) else save(folder / label / name, value)
        refused(train(folder), name, "Object arrays cannot be loaded")
    assert not (tmp_path / "marker").exists()


def hdf5_cases():
    points, label = np.random.rand(4, 8, 3), np.array([[0], [1], [0], [1]])
    return {
        "no data": ({"label": label}, "array 'data'"),
        "no labels": ({"data": points}, "array 'label'"),
        "labels of two numbers": ({"data": points, "label": np.zeros((4, 2), dtype=int)}, "one whole number per cloud"),
        "labels in between": ({"data": points, "label": label + 0.5}, "one whole number per cloud"),
        "too few clouds": ({"data": points[:2], "label": label}, r"shape \(4, n, 3\)"),
        "labels beyond the names": ({"data": points, "label": label + 5}, "got 5 to 6"),
        "NaN": ({"data": points * np.nan, "label": label}, "finite coordinates"),
    }


@pytest.mark.parametrize("name", hdf5_cases())
def test_broken_hdf5(name, train, refused, tmp_path):
    h5py = pytest.importorskip("h5py")
    arrays, pattern = hdf5_cases()[name]
    (tmp_path / "h5").mkdir()
    (tmp_path / "h5" / "shape_names.txt").write_text("ball\ncube\n")
    with h5py.File(tmp_path / "h5" / "ply_data_train0.h5", "w") as file:
        for key, value in arrays.items():
            file[key] = value
    refused(train(tmp_path / "h5"), "ply_data_train0.h5", pattern)


def test_hdf5_that_is_none(train, refused, tmp_path):
    pytest.importorskip("h5py")
    (tmp_path / "h5").mkdir()
    for content in (b"", b"junk" * 100, b"\x89HDF\r\n\x1a\n" + bytes(100)):
        (tmp_path / "h5" / "ply_data_train0.h5").write_bytes(content)
        refused(train(tmp_path / "h5"), "ply_data_train0.h5", "expected an HDF5 file")


def test_folders_that_are_none(train, refused, shared, tmp_path):
    (tmp_path / "nothing").mkdir()
    refused(train(tmp_path / "nothing"), "expected point clouds .* got an empty folder")
    refused(train(tmp_path / "nowhere"), "does not exist")
    refused(train(shared / "good.xyz"), "expected point clouds")
    refused(["eval", str(shared / "clouds.eqg"), str(shared / "good.xyz"), "--device", "cpu"], "expected point clouds")
