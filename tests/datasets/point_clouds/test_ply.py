import struct

import numpy as np
import pytest

from eqgraph.datasets.point_clouds import read_ply

POINTS = np.array([[0.0, 0.5, 1.0], [1.5, -2.0, 0.25]])
NORMALS = np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]])
COLORS = np.array([[255, 0, 51], [0, 102, 255]])
PROPERTIES = [
    *(f"property float {name}" for name in ("x", "y", "z")),
    *(f"property double {name}" for name in ("nx", "ny", "nz")),
    *(f"property uchar {name}" for name in ("red", "green", "blue", "alpha")),
]


def header(format, before=(), after=("element face 1", "property list uchar int vertex_indices")):
    lines = ["ply", f"format {format} 1.0", "comment made by hand", *before, "element vertex 2", *PROPERTIES, *after]
    return "\n".join([*lines, "end_header", ""]).encode()


def rows():
    return [(*p, *n, *c, 255) for p, n, c in zip(POINTS, NORMALS, COLORS.tolist(), strict=True)]


def ascii_file():
    text = "".join(" ".join(map(str, row)) + "\n" for row in rows())
    return header("ascii") + text.encode() + b"3 0 1 0\n"


def binary_file(endian, before=(), prefix=b""):
    name = {"<": "binary_little_endian", ">": "binary_big_endian"}[endian]
    body = b"".join(struct.pack(f"{endian}3f3d4B", *row) for row in rows())
    return header(name, before) + prefix + body + struct.pack(f"{endian}B3i", 3, 0, 1, 0)


@pytest.mark.parametrize(
    "content",
    [
        ascii_file(),
        ascii_file().replace(b"\n", b"\r\n"),
        binary_file("<"),
        binary_file(">"),
        binary_file("<", ["element camera 2", "property short a", "property double b"], bytes(20)),
    ],
    ids=["ascii", "crlf", "little", "big", "other element first"],
)
def test_points_normals_and_colors(tmp_path, content):
    (tmp_path / "a.ply").write_bytes(content)
    cloud = read_ply(tmp_path / "a.ply")
    np.testing.assert_allclose(cloud.points, POINTS)
    np.testing.assert_allclose(cloud.normals, NORMALS)
    np.testing.assert_allclose(cloud.features, COLORS / 255)
    assert cloud.irreps == "3x0e"


def test_only_points(tmp_path):
    lines = ["ply", "format ascii 1.0", "element vertex 1", *PROPERTIES[:3], "end_header", "1 2 3"]
    (tmp_path / "a.ply").write_text("\n".join(lines))
    cloud = read_ply(tmp_path / "a.ply")
    assert cloud.points.tolist() == [[1, 2, 3]]
    assert cloud.normals is None
    assert cloud.features is None


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"", r"a\.ply: expected the header of a PLY file.*Write the file again"),
        (b"OFF\n1 0 0\n", "header of a PLY file"),
        (b"ply\nformat ebcdic 1.0\nelement vertex 1\nend_header\n", "header of a PLY file"),
        (b"ply\nformat ascii 1.0\nelement vertex one\nend_header\n", "header of a PLY file"),
        (b"ply\nformat ascii 1.0\nelement vertex 1\nproperty quad x\nend_header\n", "header of a PLY file"),
        (b"ply\nformat ascii 1.0\nelement point 1\nend_header\n", "an element 'vertex', got point"),
        (ascii_file().replace(b"float z", b"float height"), "vertices with x, y and z, got x, y, height.*missing z"),
        (ascii_file()[:-30], "expected 2 vertices, got 1|expected 10 numbers per vertex"),
        (ascii_file().replace(b"0.25", b"none"), "10 numbers per vertex"),
        (binary_file("<")[:-20], "expected 2 vertices, got 1.*cut off"),
        (binary_file("<", ["element strip 1", "property list uchar int i"]), "without lists.*got lists in 'strip'"),
    ],
)
def test_broken_files(tmp_path, content, match):
    (tmp_path / "a.ply").write_bytes(content)
    with pytest.raises(ValueError, match=match):
        read_ply(tmp_path / "a.ply")
