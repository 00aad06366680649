import shutil

import ase.build
import ase.io
import numpy as np
import pytest
from torch_geometric.datasets import ModelNet

from eqgraph.datasets import read_point_clouds

RNG = np.random.default_rng(0)
TETRAHEDRON = "OFF{}4 4 6\n0 0 0\n{h} 0 0\n0 {h} 0\n0 0 {h}\n3 0 2 1\n3 0 1 3\n3 0 3 2\n3 1 2 3\n"
MODEL_NET_10 = ["bathtub", "bed", "chair", "desk", "dresser", "monitor", "night_stand", "sofa", "table", "toilet"]


def model_net(root):
    """Two training meshes and one test mesh per class; every other header is the broken one."""
    for index, name in enumerate(MODEL_NET_10):
        for split, number in [("train", 1), ("train", 2), ("test", 3)]:
            folder = root / name / split
            folder.mkdir(parents=True, exist_ok=True)
            mesh = TETRAHEDRON.format("" if number == 1 else "\n", h=1 + index + 0.1 * number)
            (folder / f"{name}_{number:04}.off").write_text(mesh)
            (folder / ".DS_Store").write_text("")
    (root / "__MACOSX" / "train").mkdir(parents=True)


@pytest.mark.parametrize("raw", [True, False])
def test_model_net(tmp_path, raw):
    model_net(tmp_path / "raw" if raw else tmp_path)
    clouds = read_point_clouds(tmp_path, split="train", num_points=50)
    assert clouds.classes == MODEL_NET_10
    assert clouds.labels.tolist() == sorted([*range(10), *range(10)])
    assert clouds.num_points.tolist() == [50] * 20
    assert clouds.irreps_in == ""
    assert clouds.names[0] == "bathtub/train/bathtub_0001.off"
    for index, data in enumerate(clouds):
        h = 1 + index // 2 + 0.1 * (1 + index % 2)
        on_slope = np.isclose(data.pos.sum(1), h, rtol=1e-5)
        assert (on_slope | (np.isclose(data.pos, 0, atol=1e-6).any(1))).all()  # on one of the four faces
    assert read_point_clouds(tmp_path, split="test")[0].pos.shape == (1024, 3)


def test_labels_are_those_of_pyg(tmp_path, capsys):
    model_net(tmp_path / "raw")
    shutil.rmtree(tmp_path / "raw" / "__MACOSX")  # as PyG does after unpacking: it would be a class
    for train, split in [(True, "train"), (False, "test")]:
        reference = ModelNet(str(tmp_path), name="10", train=train)
        clouds = read_point_clouds(tmp_path, split=split)
        largest = {round(float(data.pos.max()), 4): int(data.y) for data in reference}
        for data in clouds:
            assert largest[min(largest, key=lambda size: abs(size - float(data.pos.sum(1).max())))] == int(data.y)


def test_normals_of_faces(tmp_path):
    model_net(tmp_path)
    clouds = read_point_clouds(tmp_path, split="test", num_points=200, normals=True)
    assert clouds.irreps_in == "1x1o"
    outward = clouds[0].x
    slope = (clouds[0].pos.sum(1) > 1.3 - 1e-5).numpy()
    np.testing.assert_allclose(outward[slope], np.full((slope.sum(), 3), 3**-0.5), rtol=1e-5)
    assert (outward[~slope] <= 0).all()
    again = read_point_clouds(tmp_path, split="test", num_points=200)
    np.testing.assert_array_equal(again[0].pos, clouds[0].pos)


def write_all(folder):
    """The same kind of cloud in every kind of file."""
    folder.mkdir(parents=True)
    points = RNG.normal(size=(6, 3))
    np.save(folder / "a.npy", points)
    np.savez(folder / "b.npz", points=points)
    np.savetxt(folder / "c.xyz", points)
    ase.io.write(folder / "d.xyz", ase.build.molecule("C6H6"))
    header = (
        "ply\nformat ascii 1.0\nelement vertex 6\n" + "".join(f"property double {c}\n" for c in "xyz") + "end_header\n"
    )
    (folder / "e.PLY").write_text(header + "\n".join(" ".join(map(str, row)) for row in points.tolist()))
    rows = "\n".join(" ".join(map(str, row)) for row in points.tolist())
    (folder / "f.off").write_text("OFF\n6 0 0\n" + rows + "\n")
    (folder / "README.md").write_text("not a cloud")
    return points


@pytest.mark.parametrize("layout", ["{name}", "{split}/{name}", "{name}/{split}"])
def test_layouts_and_files(tmp_path, layout):
    points = {}
    for split in ("train", "val") if "split" in layout else (None,):
        for name in ("cube", "ball"):
            points[split, name] = write_all(tmp_path / layout.format(name=name, split=split))
    clouds = read_point_clouds(tmp_path)
    assert clouds.classes == ["ball", "cube"]
    assert len(clouds) == 6 * len(points)
    for split in [None] if "split" not in layout else ["train", "valid"]:
        part = read_point_clouds(tmp_path, split=split)
        assert part.labels.tolist() == [0] * 6 + [1] * 6
        for index in (6, 7, 8, 10, 11):
            expected = points[{"valid": "val"}.get(split, split), "cube"]
            np.testing.assert_allclose(part[index].pos, expected, rtol=1e-6)
        assert part[9].pos.shape == (12, 3)


def test_features(tmp_path):
    for name in ("ball", "cube"):
        (tmp_path / name).mkdir()
    table = RNG.normal(size=(5, 6))
    np.save(tmp_path / "ball" / "a.npy", table)
    np.savetxt(tmp_path / "cube" / "a.xyz", table)
    with pytest.raises(ValueError, match=r"'ball/a.npy'\): expected the irreps of its 3 columns of features, got none"):
        read_point_clouds(tmp_path)
    clouds = read_point_clouds(tmp_path, irreps="1o", num_points=4)
    assert clouds.irreps_in == "1x1o"
    rows = {tuple(row) for row in table.astype(np.float32).tolist()}
    assert {tuple(row) for row in np.hstack([clouds[1].pos, clouds[1].x]).tolist()} < rows
    with pytest.raises(ValueError, match=r"shape \(5, 4\) for irreps_in='4x0e', got \(5, 3\)"):
        read_point_clouds(tmp_path, irreps="4x0e")
    np.savez(tmp_path / "cube" / "a.npz", points=table[:, :3], normals=table[:, 3:], features=table[:, :1], irreps="0e")
    with pytest.raises(ValueError, match=r"expected features '1o' as in 'ball/a.npy', got '1x1o . 0e'"):
        read_point_clouds(tmp_path, irreps="1o")
    (tmp_path / "cube" / "a.xyz").unlink()
    both = read_point_clouds(tmp_path, classes=["cube"])
    assert both.irreps_in == "1x1o+1x0e"
    np.testing.assert_allclose(both[0].x, table[:, [3, 4, 5, 0]], rtol=1e-6)
    assert read_point_clouds(tmp_path, classes=["cube"], normals=False).irreps_in == "1x0e"


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (np.zeros((0, 3)), "expected at least one point, got an empty cloud"),
        (np.zeros((4, 2)), r"got \(4, 2\)\. Append a column of zeros"),
        (np.zeros(4), r"expected points of shape \(n, 3\), got \(4,\)"),
        (
            np.array([[0, 0, 0], [0, np.nan, 0.0]]),
            "expected finite coordinates, got NaN or infinite ones in 1 of 2 points.*point 1",
        ),
        (np.array([["x"] * 3]), "expected numbers as coordinates"),
        (np.array([[None] * 3]), "expected a file of arrays that numpy wrote"),
    ],
)
def test_broken_clouds_are_named(tmp_path, content, match):
    for name in ("ball", "cube"):
        (tmp_path / name).mkdir()
        np.save(tmp_path / name / "1.npy", np.ones((5, 3)))
    np.save(tmp_path / "cube" / "2.npy", content)
    with pytest.raises(ValueError, match=match) as caught:
        read_point_clouds(tmp_path)
    assert "2.npy" in str(caught.value)


def test_npz_without_points(tmp_path):
    (tmp_path / "ball").mkdir()
    np.savez(tmp_path / "ball" / "1.npz", pos=np.ones((5, 3)))
    with pytest.raises(ValueError, match=r"1\.npz: expected an array 'points' of shape \(n, 3\), got pos"):
        read_point_clouds(tmp_path)
