import numpy as np
import pytest
from torch_geometric.io import read_off as pyg_read_off

from eqgraph.datasets.point_clouds import read_off

TETRAHEDRON = ["0 0 0", "1 0 0", "0 1 0", "0 0 1"]
FACES = ["3 0 2 1", "3 0 1 3", "3 0 3 2", "3 1 2 3"]


def write(path, text):
    path.write_bytes(text.encode("latin-1"))
    return path


def as_set(triangles):
    """Triangles whatever their order and first corner."""
    return {tuple(np.roll(t, -int(np.argmin(t)))) for t in np.asarray(triangles)}


@pytest.mark.parametrize(
    "header",
    [
        "OFF\n4 4 6\n",
        "OFF4 4 6\n",
        "OFF 4 4 6\n",
        "OFF 4 4\n",
        "4 4 0\n",
        "\ufeffOFF\n4 4 6\n",
        "# a mesh\nOFF\n\n4 4 6 # n\n",
    ],
)
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_headers(tmp_path, header, newline):
    text = header + "\n".join([*TETRAHEDRON, "# faces", "", *FACES]) + "\n"
    path = tmp_path / "mesh.off"
    path.write_bytes(text.replace("\n", newline).encode())
    mesh = read_off(path)
    np.testing.assert_array_equal(mesh.vertices, [[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
    assert as_set(mesh.triangles) == {(0, 2, 1), (0, 1, 3), (0, 3, 2), (1, 2, 3)}


@pytest.mark.parametrize("header", ["OFF\n5 3 0\n", "OFF5 3 0\n"])
def test_against_pyg(tmp_path, header):
    vertices = np.random.default_rng(0).normal(size=(5, 3))
    rows = [" ".join(f"{x:.6f}" for x in row) for row in vertices]
    path = write(tmp_path / "mesh.off", header + "\n".join([*rows, "3 0 1 2", "4 0 1 3 4", "3 2 3 4"]) + "\n")
    mesh, reference = read_off(path), pyg_read_off(str(path))
    np.testing.assert_allclose(mesh.vertices, reference.pos.numpy(), atol=1e-6)
    assert as_set(mesh.triangles) == as_set(reference.face.T.numpy())


def test_pentagons_and_edges(tmp_path):
    path = write(tmp_path / "a.off", "OFF\n5 2 0\n" + "0 0 0\n" * 5 + "5 0 1 2 3 4\n2 0 1\n")
    assert read_off(path).triangles.tolist() == [[0, 1, 2], [0, 2, 3], [0, 3, 4]]


def test_columns_after_coordinates_and_indices(tmp_path):
    path = write(tmp_path / "a.off", "COFF\n3 1 0\n" + "0 0 1 255 0 0 255\n" * 3 + "3 0 1 2 0.5 0.5 0.5\n")
    mesh = read_off(path)
    assert mesh.vertices.shape == (3, 3)
    assert mesh.triangles.tolist() == [[0, 1, 2]]


def test_only_vertices(tmp_path):
    assert read_off(write(tmp_path / "a.off", "OFF\n2 0 0\n0 0 0\n1 1 1\n")).triangles.shape == (0, 3)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", r"a\.off: expected the header of an OFF file.*Save the mesh"),
        ("OFFICE\n1 0 0\n0 0 0\n", "header of an OFF file"),
        ("OFF BINARY\n1 0 0\n", "header of an OFF file"),
        ("4OFF\n1 0 0\n0 0 0 0\n", "header of an OFF file"),
        ("OFF\n3 1 0\n0 0 0\n", "3 vertices and 1 faces as its header says, got 1 lines.*cut off"),
        ("OFF\n2 0 0\n0 0 0\n1 nought 1\n", "three coordinates of vertex 1, got '1 nought 1'"),
        ("OFF\n2 0 0\n0 0 0\n1 1\n", "three coordinates of vertex 1, got '1 1'"),
        ("OFF\n3 1 0\n0 0 0\n0 0 1\n0 1 0\n3 0 1\n", "a face as the number of its vertices.*got '3 0 1'"),
        ("OFF\n3 1 0\n0 0 0\n0 0 1\n0 1 0\n3 0 1 3\n", "between the vertices 0 to 2, got vertex 3"),
        ("OFF\n3 1 0\n0 0 0\n0 0 1\n0 1 0\n3 0 1 -1\n", "got vertex -1"),
        ("OFF\n3 1 0\n0 0 0\n0 0 1\n0 1 0\n3 0 1 x\n", "whole numbers in faces"),
    ],
)
def test_broken_files(tmp_path, text, match):
    with pytest.raises(ValueError, match=match):
        read_off(write(tmp_path / "a.off", text))
