import numpy as np
import pytest
from scipy.stats import chisquare, kstest

from eqgraph.datasets.point_clouds import Mesh

BOX = np.array([[x, y, z] for x in (0.0, 1.0) for y in (0.0, 2.0) for z in (0.0, 3.0)])
SIDES = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
BOX_MESH = Mesh(BOX, np.array([t for a, b, c, d in SIDES for t in ((a, b, c), (a, c, d))]))


def test_points_are_uniform_on_the_surface():
    cloud = BOX_MESH.sample(20_000, np.random.default_rng(0))
    assert BOX_MESH.areas.sum() == pytest.approx(2 * (1 * 2 + 1 * 3 + 2 * 3))
    # each of the six sides gets its share of the area, and the normals point outward
    outward = ((cloud.points - BOX.mean(0)) * cloud.normals).sum(1)
    assert (outward > 0).all()
    sides = np.argmax(np.abs(cloud.normals), 1) * 2 + (cloud.normals.sum(1) > 0)
    areas = np.array([6, 6, 3, 3, 2, 2])
    assert chisquare(np.bincount(sides, minlength=6), areas / areas.sum() * 20_000).pvalue > 1e-3
    # and within a side the coordinates are uniform and independent
    side = cloud.points[sides == 1]
    np.testing.assert_allclose(side[:, 0], 1)
    assert kstest(side[:, 1] / 2, "uniform").pvalue > 1e-3
    assert kstest(side[:, 2] / 3, "uniform").pvalue > 1e-3
    assert abs(np.corrcoef(side[:, 1], side[:, 2])[0, 1]) < 0.05


def test_the_seed_decides():
    first, again, other = (BOX_MESH.sample(10, np.random.default_rng(seed)).points for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other)


def test_triangles_without_area_are_not_drawn():
    cloud = Mesh(BOX, np.array([[0, 0, 1], [0, 1, 3]])).sample(100, np.random.default_rng(0))
    assert np.isfinite(cloud.normals).all()


@pytest.mark.parametrize(("num", "expected"), [(5, 5), (100, 8)])
def test_only_vertices(num, expected):
    cloud = Mesh(BOX, np.zeros((0, 3), dtype=int)).sample(num, np.random.default_rng(0))
    assert len(np.unique(cloud.points, axis=0)) == expected
    assert cloud.normals is None


def test_errors():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match=r"a.off: expected a surface.*1 triangles of area 0"):
        Mesh(BOX, np.array([[0, 0, 1]])).sample(5, rng, "a.off")
    with pytest.raises(ValueError, match=r"a.off: expected at least one point, got an empty cloud"):
        Mesh(np.zeros((0, 3)), np.zeros((0, 3), dtype=int)).sample(5, rng, "a.off")
    with pytest.raises(ValueError, match=r"a.off: expected finite coordinates.*first is point 1"):
        Mesh(np.array([[0, 0, 0], [np.nan, 0, 0], [0, 1, 0]]), np.array([[0, 1, 2]])).sample(5, rng, "a.off")
