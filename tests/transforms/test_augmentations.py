"""Jitter, RandomScale, PointDropout."""

import pytest
import torch
from scipy.stats import kstest
from torch_geometric.data import Batch, Data

from eqgraph.transforms import Jitter, PointDropout, RandomScale


def test_jitter_is_normal():
    shift = Jitter(0.1, clip=None)(Data(pos=torch.zeros(5000, 3))).pos / 0.1
    assert kstest(shift.flatten().numpy(), "norm").pvalue > 1e-3


def test_jitter_prefers_no_direction_when_clipped():
    pos = torch.randn(20_000, 3, dtype=torch.float64)
    shift = Jitter(0.1, clip=0.12)(Data(pos=pos)).pos - pos
    assert shift.norm(dim=1).max() <= 0.12 + 1e-12
    # directions of clipped displacements are uniform on the sphere: each coordinate is uniform
    clipped = shift[shift.norm(dim=1) > 0.12 - 1e-12] / 0.12
    for axis in range(3):
        assert kstest(clipped[:, axis].numpy(), "uniform", args=(-1, 2)).pvalue > 1e-3
    assert torch.equal(Jitter(0.0)(Data(pos=pos)).pos, pos)


def test_scale_is_one_factor_per_cloud():
    clouds = [Data(pos=torch.rand(n, 3, dtype=torch.float64) + 1) for n in (5, 1, 4)]
    factors = []
    for result in RandomScale(0.5, 2.0)(Batch.from_data_list(clouds)).to_data_list():
        ratio = result.pos / clouds[len(factors)].pos
        torch.testing.assert_close(ratio, ratio[:1, :1].expand_as(ratio))
        factors.append(float(ratio[0, 0]))
    assert len({round(factor, 6) for factor in factors}) == 3
    many = torch.tensor([float(RandomScale(0.5, 2.0)(Data(pos=torch.ones(1, 3))).pos[0, 0]) for _ in range(500)])
    assert kstest(many.numpy(), "uniform", args=(0.5, 1.5)).pvalue > 1e-3


def test_dropout():
    data = Data(pos=torch.arange(300.0).view(100, 3), x=torch.arange(100), y=torch.tensor([7]))
    kept = [PointDropout(0.8)(data) for _ in range(200)]
    sizes = torch.tensor([result.num_nodes for result in kept])
    assert sizes.min() >= 20
    assert kstest(sizes.numpy() / 100, "uniform", args=(0.2, 0.8)).pvalue > 1e-3
    for result in kept:
        assert torch.equal(result.pos[:, 0], 3.0 * result.x)
        assert (result.x.diff() > 0).all()
        assert result.y.tolist() == [7]
    assert data.num_nodes == 100
    assert PointDropout(1.0)(Data(pos=torch.zeros(1, 3), y=torch.tensor([7]))).y.tolist() == [7]
    assert PointDropout(0.0)(data).num_nodes == 100


def test_errors():
    with pytest.raises(ValueError, match="std and clip of at least 0, got -1"):
        Jitter(-1.0)
    with pytest.raises(ValueError, match=r"0 < low <= high, got 2.0 and 1.0"):
        RandomScale(2.0, 1.0)
    with pytest.raises(ValueError, match="max_ratio between 0 and 1, got 2"):
        PointDropout(2.0)
    with pytest.raises(ValueError, match="PointDropout: expected one cloud, got a batch"):
        PointDropout()(Batch.from_data_list([Data(pos=torch.zeros(2, 3))] * 2))
    with pytest.raises(ValueError, match="PointDropout: expected a cloud without edges, got edge_index"):
        PointDropout()(Data(pos=torch.zeros(2, 3), edge_index=torch.zeros(2, 1, dtype=torch.long)))
