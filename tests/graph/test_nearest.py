import pytest
import torch
from scipy.spatial import cKDTree

from eqgraph.graph import nearest


def test_the_nearest_of_a_tree():
    x, y = torch.randn(200, 3), torch.randn(30, 3)
    assert nearest(x, y).tolist() == cKDTree(y.numpy()).query(x.numpy())[1].tolist()


def test_the_example_of_pyg():
    x = torch.tensor([[-1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 1.0]])
    y, batch = torch.tensor([[-1.0, 0.0], [1.0, 0.0]]), torch.zeros(4, dtype=torch.int64)
    assert nearest(x, y, batch, batch[:2]).tolist() == [0, 0, 1, 1]


def test_unsorted_batches():
    x, batch_x = torch.randn(100, 3), torch.randint(3, (100,))
    y, batch_y = torch.randn(40, 3), torch.randint(3, (40,))
    distance = torch.cdist(x, y).masked_fill(batch_x[:, None] != batch_y, torch.inf)
    assert torch.equal(nearest(x, y, batch_x, batch_y), distance.argmin(1))


def test_no_points_are_near_to_none():
    assert nearest(torch.zeros(0, 3), torch.randn(3, 3)).shape == (0,)


def test_a_graph_without_centers_is_refused():
    batch = torch.tensor([0, 0, 1])
    with pytest.raises(
        ValueError, match=r"nearest: expected points in y for every graph with points in x, got none in graph 1"
    ):
        nearest(torch.randn(3, 3), torch.randn(2, 3), batch, batch[:2])
