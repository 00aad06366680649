"""SamplePoints, FarthestPoints, GridSampling."""

import numpy as np
import pytest
import torch
from torch_geometric.data import Batch, Data
from torch_geometric.transforms import Compose

from eqgraph.o3 import rand_matrix
from eqgraph.transforms import FarthestPoints, GridSampling, KNNGraph, SamplePoints


def cloud(num=50):
    return Data(
        pos=torch.randn(num, 3, dtype=torch.float64),
        x=torch.arange(num),
        y=torch.arange(num) % 3,
        category=torch.tensor([1]),
    )


def farthest(points, num):
    """By the definition, one after another."""
    chosen = [int(np.argmax(np.linalg.norm(points - points.mean(0), axis=1)))]
    while len(chosen) < num:
        distance = np.linalg.norm(points[:, None] - points[chosen], axis=2).min(1)
        chosen.append(int(distance.argmax()))
    return chosen


@pytest.mark.parametrize("how", ["random", "first", "farthest"])
def test_all_that_belongs_to_points(how):
    data = cloud()
    result = SamplePoints(20, how)(data)
    index = result.x
    assert len(set(index.tolist())) == 20
    torch.testing.assert_close(result.pos, data.pos[index])
    torch.testing.assert_close(result.y, data.y[index])
    assert result.category.tolist() == [1]
    assert data.num_nodes == 50
    if how == "first":
        assert index.tolist() == list(range(20))
    if how == "farthest":
        assert index.tolist() == farthest(data.pos.numpy(), 20)
    assert SamplePoints(50, how)(data).num_nodes == SamplePoints(99, how)(data).num_nodes == 50


def test_farthest_points():
    data = cloud()
    assert FarthestPoints(num=7)(data).x.tolist() == farthest(data.pos.numpy(), 7)
    assert FarthestPoints(ratio=0.2)(data).x.tolist() == farthest(data.pos.numpy(), 10)
    assert FarthestPoints(num=99)(data).num_nodes == 50
    R = -rand_matrix(dtype=torch.float64)
    turned = Data(pos=data.pos @ R.T + 1, x=data.x)
    assert FarthestPoints(num=7)(turned).x.tolist() == FarthestPoints(num=7)(data).x.tolist()
    starts = {int(FarthestPoints(num=1, random_start=True)(data).x) for _ in range(20)}
    assert len(starts) > 1


def test_grid():
    data = Data(
        pos=torch.tensor([[0.1, 0, 0], [0.3, 0, 0], [0.2, 0.3, 0], [5.2, 5, 5], [5.4, 5, 5]]),
        x=torch.tensor([[1.0], [2], [3], [4], [6]]),
        y=torch.tensor([2, 0, 2, 1, 0]),
        category=torch.tensor([1]),
        id=torch.arange(5),
    )
    result = GridSampling(1.0)(data)
    torch.testing.assert_close(result.pos, torch.tensor([[0.2, 0.1, 0], [5.3, 5, 5]]))
    torch.testing.assert_close(result.x, torch.tensor([[2.0], [5]]))
    assert result.y.tolist() == [2, 0]
    assert result.id.tolist() == [0, 3]
    assert result.category.tolist() == [1]
    assert data.num_nodes == 5


def test_grid_against_numpy_in_batches():
    pos, batch = torch.rand(200, 3), torch.arange(200) // 100
    result = GridSampling(0.25)(Data(pos=pos, batch=batch))
    boxes = {}
    start = pos.amin(0)
    for point, graph in zip(pos, batch.tolist(), strict=True):
        boxes.setdefault((graph, *((point - start) / 0.25).floor().tolist()), []).append(point)
    assert len(result.pos) == len(boxes)
    expected = torch.stack([torch.stack(points).mean(0) for points in boxes.values()])
    torch.testing.assert_close(result.pos.sort(0).values, expected.sort(0).values)
    assert result.batch.bincount().tolist() == [sum(key[0] == graph for key in boxes) for graph in (0, 1)]


def test_compose_with_graph():
    data = Compose([SamplePoints(30, "farthest"), KNNGraph(4)])(cloud())
    assert data.num_edges == 120


def test_errors():
    batch = Batch.from_data_list([cloud(), cloud()])
    graph = Data(pos=torch.zeros(2, 3), edge_index=torch.zeros(2, 1, dtype=torch.long))
    for transform in (SamplePoints(5), FarthestPoints(5)):
        with pytest.raises(ValueError, match=f"{type(transform).__name__}: expected one cloud, got a batch"):
            transform(batch)
    for transform in (SamplePoints(5), FarthestPoints(5), GridSampling(1.0)):
        with pytest.raises(
            ValueError, match=f"{type(transform).__name__}: expected a cloud without edges, got edge_index"
        ):
            transform(graph)
    with pytest.raises(ValueError, match="num of at least 1, got 0"):
        SamplePoints(0)
    with pytest.raises(ValueError, match="how='random', 'first' or 'farthest', got 'last'"):
        SamplePoints(5, "last")
    for arguments in ({}, {"num": 5, "ratio": 0.5}, {"num": 0}, {"ratio": 1.5}):
        with pytest.raises(ValueError, match="either num of at least 1 or ratio in"):
            FarthestPoints(**arguments)
