import pytest
import torch
from torch_geometric.data import Batch, Data
from torch_geometric.transforms import Center, NormalizeScale

from eqgraph.o3 import rand_matrix
from eqgraph.transforms import Normalize


@pytest.mark.parametrize("how", ["sphere", "std"])
def test_size_and_place(how):
    clouds = [Data(pos=torch.randn(n, 3, dtype=torch.float64) * 7 + 3) for n in (5, 40)]
    alone = [Normalize(how)(cloud).pos for cloud in clouds]
    for pos, cloud in zip(alone, clouds, strict=True):
        assert pos.mean(0).abs().max() < 1e-14
        size = pos.norm(dim=1).max() if how == "sphere" else pos.square().mean().sqrt()
        assert size == pytest.approx(1)
        # PyG's is the same up to a factor, which is the greatest coordinate
        reference = NormalizeScale()(cloud.clone()).pos
        torch.testing.assert_close(pos / pos.abs().max() * 0.999999, reference)
        centered = Center()(cloud.clone()).pos
        torch.testing.assert_close(pos * (centered.norm() / pos.norm()), centered)
    torch.testing.assert_close(Normalize(how)(Batch.from_data_list(clouds)).pos, torch.cat(alone))


@pytest.mark.parametrize("how", ["sphere", "std"])
def test_equivariance(how):
    pos, R = torch.randn(30, 3, dtype=torch.float64), -rand_matrix(dtype=torch.float64)
    turned = Normalize(how)(Data(pos=3 * pos @ R.T + 5)).pos
    torch.testing.assert_close(turned, Normalize(how)(Data(pos=pos)).pos @ R.T)


@pytest.mark.parametrize("pos", [torch.ones(1, 3), torch.ones(5, 3)])
def test_one_place(pos):
    assert Normalize()(Data(pos=pos)).pos.abs().max() == 0


def test_errors():
    with pytest.raises(ValueError, match="how='sphere' or 'std', got 'cube'"):
        Normalize("cube")
