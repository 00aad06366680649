import numpy as np
import pytest
import torch
from scipy.spatial import cKDTree
from torch_geometric.data import Batch, Data

from eqgraph.o3 import rand_matrix
from eqgraph.transforms import EstimateNormals


def sphere(num=500):
    return torch.nn.functional.normalize(torch.randn(num, 3, dtype=torch.float64), dim=1)


def test_on_a_sphere_they_are_radial():
    pos = sphere()
    normals = EstimateNormals(k=10)(Data(pos=pos + 7)).x
    assert ((normals * pos).sum(1) > 0.95).all()
    torch.testing.assert_close(normals.norm(dim=1), torch.ones(500, dtype=torch.float64))


def test_against_numpy():
    pos = torch.randn(60, 3, dtype=torch.float64)
    normals = EstimateNormals(k=8)(Data(pos=pos)).x
    points = pos.numpy()
    for index, neighbors in enumerate(cKDTree(points).query(points, 9)[1]):  # itself included
        _, _, axes = np.linalg.svd(points[neighbors] - points[neighbors].mean(0))
        outward = axes[2] * np.sign(axes[2] @ (points[index] - points.mean(0)))
        np.testing.assert_allclose(normals[index], outward, atol=1e-8)


def test_equivariance_and_batches():
    clouds = [torch.randn(n, 3, dtype=torch.float64) for n in (40, 25)]
    R = -rand_matrix(dtype=torch.float64)
    transform = EstimateNormals(k=8)
    alone = torch.cat([transform(Data(pos=pos)).x for pos in clouds])
    torch.testing.assert_close(transform(Batch.from_data_list([Data(pos=pos) for pos in clouds])).x, alone)
    turned = torch.cat([transform(Data(pos=pos @ R.T - 3)).x for pos in clouds])
    torch.testing.assert_close(turned, alone @ R.T)


def test_appended_to_features():
    data = EstimateNormals(k=8)(Data(pos=sphere(20).float(), x=torch.ones(20, 2)))
    assert data.x.shape == (20, 5)
    assert data.x.dtype == torch.float32
    assert (data.x[:, :2] == 1).all()


@pytest.mark.filterwarnings("ignore:knn_graph")
@pytest.mark.parametrize(
    "pos",
    [torch.ones(1, 3), torch.ones(5, 3), torch.randn(2, 3), torch.arange(5.0)[:, None] * torch.tensor([1.0, 2, 3])],
    ids=["one point", "one place", "two points", "line"],
)
def test_zero_where_there_is_none(pos):
    assert EstimateNormals(k=4)(Data(pos=pos)).x.abs().max() == 0


def test_errors():
    with pytest.raises(ValueError, match="at least k=2 neighbors, got 1"):
        EstimateNormals(1)
