import ase.build
import ase.io
import numpy as np
import pytest

from eqgraph.datasets.point_clouds import read_xyz


@pytest.mark.parametrize("delimiter", [" ", "\t", ", "])
@pytest.mark.parametrize("columns", [3, 6])
def test_columns(tmp_path, delimiter, columns):
    table = np.random.default_rng(0).normal(size=(5, columns))
    np.savetxt(tmp_path / "a.xyz", table, delimiter=delimiter, header="x y z")
    cloud = read_xyz(tmp_path / "a.xyz")
    np.testing.assert_allclose(cloud.points, table[:, :3])
    if columns == 3:
        assert cloud.features is None
    else:
        np.testing.assert_allclose(cloud.features, table[:, 3:])
    assert cloud.irreps is None


@pytest.mark.parametrize("format", ["xyz", "extxyz"])
def test_atoms(tmp_path, format):
    atoms = ase.build.molecule("CH3CH2OH")
    ase.io.write(tmp_path / "a.xyz", atoms, format=format)
    np.testing.assert_allclose(read_xyz(tmp_path / "a.xyz").points, atoms.positions, atol=1e-7)


def test_one_point(tmp_path):
    (tmp_path / "a.xyz").write_text("1 2 3\n")
    assert read_xyz(tmp_path / "a.xyz").points.shape == (1, 3)


def test_errors(tmp_path):
    path = tmp_path / "a.xyz"
    path.write_text("1 2 3\n1 2\n")
    with pytest.raises(ValueError, match=r"a\.xyz: expected rows of as many numbers each.*Repair"):
        read_xyz(path)
    path.write_text("3\ncomment\nH 0 0 0\n")
    with pytest.raises(ValueError, match=r"a\.xyz: expected XYZ of atoms, as the number in its first line says"):
        read_xyz(path)
    ase.io.write(path, [ase.build.molecule("H2O")] * 2)
    with pytest.raises(ValueError, match="expected one structure, got 2"):
        read_xyz(path)
