import itertools

import pytest
import torch

from eqgraph.graph import voxel_grid


def by_definition(pos, size, batch, start, end):
    numbers = [int((e - s) / d) + 1 for s, e, d in zip(start, end, size, strict=True)]
    result = []
    for point, graph in zip(pos.tolist(), batch.tolist(), strict=True):
        number, stride = 0, 1
        for coordinate, s, d, count in zip(point, start, size, numbers, strict=True):
            number += int((coordinate - s) / d) * stride
            stride *= count
        result.append(number + graph * stride)
    return result


def test_the_test_of_torch_cluster():
    pos = torch.tensor([[2.0, 6.0], [3.0, 8.0], [4.0, 2.0], [7.0, 10.0], [2.0, 5.0]])
    size = torch.tensor([5.0, 5.0])
    assert voxel_grid(pos, size, start=0.0).tolist() == by_definition(pos, [5, 5], torch.zeros(5), [0, 0], [7, 10])


@pytest.mark.parametrize("dim", [1, 2, 3])
def test_the_formula(dim):
    pos, batch = torch.rand(100, dim, dtype=torch.float64), torch.randint(3, (100,))
    size = [0.2, 0.3, 0.4][:dim]
    start, end = pos.amin(0).tolist(), pos.amax(0).tolist()
    batch[0] = 0
    assert voxel_grid(pos, size, batch).tolist() == by_definition(pos, size, batch, start, end)
    assert voxel_grid(pos, size, batch, [0.0] * dim, 1.0).tolist() == by_definition(
        pos, size, batch, [0] * dim, [1] * dim
    )


def test_points_share_a_box_if_they_are_in_the_same_one_of_the_same_graph():
    pos, batch = torch.rand(60, 3), torch.randint(2, (60,))
    boxes = voxel_grid(pos, 0.5, batch, start=0.0, end=1.0)
    for i, j in itertools.combinations(range(60), 2):
        same = batch[i] == batch[j] and torch.equal((pos[i] / 0.5).long(), (pos[j] / 0.5).long())
        assert (boxes[i] == boxes[j]) == same


def test_no_points():
    assert voxel_grid(torch.zeros(0, 3), 1.0).shape == (0,)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"size": 0.0}, r"voxel_grid: expected boxes with positive edges, got size=\[0.0, 0.0, 0.0\]"),
        ({"size": [1.0, 2.0]}, r"voxel_grid: expected size to be one number or one for each of 3 axes, got 2"),
        ({"size": 1e-12}, r"voxel_grid: expected fewer than 2\^62 boxes"),
        (
            {"start": 0.5},
            r"voxel_grid: expected points between start=\[0.5, 0.5, 0.5\] and end=\[1.0, 1.0, 1.0\], got \[0.0, 0.0, 0.0\]",
        ),
    ],
)
def test_what_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        voxel_grid(**({"pos": torch.tensor([[0.0] * 3, [1.0] * 3]), "size": 0.5} | change))
