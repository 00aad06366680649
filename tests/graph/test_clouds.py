import pytest
import torch

from eqgraph.graph.clouds import Clouds, checked_points, count_clouds


def test_points_are_sorted_by_cloud_and_found_again():
    pos, batch = torch.tensor([[0.0, 0], [5, 0], [2, 0], [7, 4]]), torch.tensor([0, 1, 0, 1])
    clouds = Clouds.of(pos, batch, 3)
    assert clouds.batch.tolist() == [0, 0, 1, 1]
    assert torch.equal(pos[clouds.order], clouds.pos)
    assert clouds.original(torch.tensor([1, 2])).tolist() == [2, 1]
    assert clouds.ptr.tolist() == [0, 2, 4, 4]  # the last one is empty
    assert clouds.centroid[:2].tolist() == [[1, 0], [6, 2]]
    torch.testing.assert_close(clouds.off_center, torch.tensor([1, 1, 5**0.5, 5**0.5]).double())
    torch.testing.assert_close(clouds.reach, torch.tensor([1, 5**0.5, 0]).double())


@pytest.mark.parametrize(("dtype", "rounding"), [(torch.float32, 1e-6), (torch.float64, 1e-12)])
def test_rounding_grows_with_the_cloud_and_with_the_distance_of_the_query(dtype, rounding):
    clouds = Clouds.of(torch.tensor([[-2.0], [2.0]], dtype=dtype), torch.zeros(2).long(), 1)
    found = clouds.tolerance(torch.tensor([[0.0], [3.0]], dtype=dtype), torch.zeros(2).long())
    torch.testing.assert_close(found, rounding * torch.tensor([2.0, 5.0]).double())


@pytest.mark.parametrize(
    ("pos", "batch", "message"),
    [
        (torch.zeros(2, 3, 3), None, r"expected x of shape \(points, dim\), got \(2, 3, 3\)"),
        (torch.zeros(2, 3).long(), None, "expected x in floating point, got torch.int64"),
        (
            torch.zeros(2, 3),
            torch.zeros(3).long(),
            r"expected a batch vector of 2 whole numbers for x, got shape \(3,\)",
        ),
        (torch.zeros(2, 3), torch.tensor([0, -1]), "expected graphs counted from 0, got -1"),
        (
            torch.tensor([[0.0], [torch.nan]]),
            torch.tensor([0, 4]),
            r"expected finite x, got \[nan\] for point 1, graph 4",
        ),
        (
            torch.tensor([[0.0], [1e30]]),
            None,
            r"expected x below 1e\+18 in float32, got 1\.0e\+30 for point 1, graph 0",
        ),
    ],
)
def test_points_that_cannot_be_used_are_refused(pos, batch, message):
    with pytest.raises(ValueError, match=f"knn: {message}"):
        checked_points("knn", "x", pos, batch)


def test_numbers_of_clouds():
    assert count_clouds("knn", None, torch.tensor([0, 2]), torch.tensor([], dtype=torch.int64)) == 3
    assert count_clouds("knn", 5, torch.tensor([0, 2])) == 5
    with pytest.raises(ValueError, match="expected graphs 0 to 1 for batch_size=2, got 2 in batch"):
        count_clouds("knn", 2, torch.tensor([0, 2]))
