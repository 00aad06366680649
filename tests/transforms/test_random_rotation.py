import pytest
import torch
from torch_geometric.data import Batch, Data
from torch_geometric.transforms import Compose

from eqgraph.o3 import Irreps
from eqgraph.transforms import Normalize, RandomRotation

POS = torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, 0, 1]], dtype=torch.float64)


def matrices(group, num=4000):
    """(num, 3, 3) drawn ones: rows of pos become R's columns."""
    batch = torch.arange(num).repeat_interleave(3)
    return RandomRotation(group)(Data(pos=POS.repeat(num, 1), batch=batch)).pos.view(num, 3, 3).mT


@pytest.mark.parametrize("group", ["z", "SO3", "O3"])
def test_orthogonal(group):
    R = matrices(group)
    torch.testing.assert_close(R @ R.mT, torch.eye(3, dtype=torch.float64).expand_as(R))
    dets = R.det()
    if group == "O3":
        assert abs(dets.mean()) < 0.08  # ± 1 / sqrt(4000) = 0.016
        torch.testing.assert_close(dets.abs(), torch.ones_like(dets))
    else:
        torch.testing.assert_close(dets, torch.ones_like(dets))


@pytest.mark.parametrize("group", ["SO3", "O3"])
def test_haar_moments(group):
    """E[R] = 0 and E[R_ij R_kl] = δ_ik δ_jl / 3 (Schur's orthogonality relations); fourth moments tell Haar from less."""
    R = matrices(group)
    assert R.mean(0).abs().max() < 5 * (1 / 3) ** 0.5 / 4000**0.5
    second = torch.einsum("nij,nkl->ikjl", R, R) / len(R)
    delta = torch.eye(3, dtype=torch.float64)
    torch.testing.assert_close(second, torch.einsum("ik,jl->ikjl", delta, delta) / 3, atol=0.03, rtol=0)
    # R_ij is uniform in [-1, 1]: the z coordinate of a point on the sphere (Archimedes)
    torch.testing.assert_close((R**4).mean(0), torch.full((3, 3), 1 / 5, dtype=torch.float64), atol=0.03, rtol=0)
    if group == "SO3":  # the angle has density (1 - cos θ) / π, so E[trace²] = 1
        trace = R.diagonal(dim1=1, dim2=2).sum(1)
        assert trace.square().mean() == pytest.approx(1, abs=0.1)


def test_turns_about_z():
    R = matrices("z")
    torch.testing.assert_close(R[:, 2, 2], torch.ones(4000, dtype=torch.float64))
    angle = torch.atan2(R[:, 1, 0], R[:, 0, 0])
    for k in (1, 2, 3):
        assert abs(torch.exp(1j * k * angle).mean()) < 5 / 4000**0.5


@pytest.mark.parametrize("group", ["z", "SO3", "O3"])
@pytest.mark.parametrize("batched", [False, True])
def test_features_turn_with_points(group, batched):
    """x made from pos by an equivariant map is the same made before or after."""

    def with_x(pos):
        scalars = pos.norm(dim=1, keepdim=True)
        product = torch.cross(pos, pos.roll(1, 0), dim=1)  # 1e: does not change sign
        return Data(pos=pos, x=torch.cat([pos, scalars, product, 2 * pos], 1))

    clouds = [with_x(torch.randn(n, 3, dtype=torch.float64)) for n in (5, 1, 4)]
    transform = RandomRotation(group, irreps_x="1o + 0e + 1e + 1o")
    results = [transform(cloud) for cloud in clouds]
    if batched:
        results = transform(Batch.from_data_list(clouds)).to_data_list()
    for result, before in zip(results, clouds, strict=True):
        torch.testing.assert_close(result.x, with_x(result.pos).x)
        assert not torch.allclose(result.pos, before.pos)


def test_high_degrees():
    irreps = Irreps("2e + 3o")
    x = torch.randn(1, irreps.dim).expand(4, -1)
    data = RandomRotation("O3", irreps)(Data(pos=torch.randn(4, 3), x=x))
    for part in irreps.slices():
        torch.testing.assert_close(data.x[:, part].norm(dim=1), x[:, part].norm(dim=1))
    assert not torch.allclose(data.x, x)


def test_seed_decides_and_input_stays():
    data = Data(pos=torch.randn(5, 3))
    before = data.pos.clone()
    results = []
    for _ in range(2):
        torch.manual_seed(3)
        results.append(Compose([RandomRotation("SO3"), Normalize()])(data).pos)
    torch.testing.assert_close(results[0], results[1], rtol=0, atol=0)
    torch.testing.assert_close(data.pos, before, rtol=0, atol=0)
    assert not torch.allclose(RandomRotation("SO3")(data).pos, RandomRotation("SO3")(data).pos)


def test_errors():
    with pytest.raises(ValueError, match="expected group 'z', 'SO3' or 'O3', got 'SO2'"):
        RandomRotation("SO2")
    data = Data(pos=torch.randn(5, 3), x=torch.randn(5, 3))
    with pytest.raises(ValueError, match=r"data.x of shape \(5, 3\) turns, got no irreps_x.*'1x1o' for normals"):
        RandomRotation()(data)
    with pytest.raises(ValueError, match="got irreps_x='1x0e'"):
        RandomRotation(irreps_x="0e")(data)
    with pytest.raises(
        ValueError, match=r"data.pos of shape \(n, 3\) in floating point, got torch.float32 of shape \(5, 2\)"
    ):
        RandomRotation()(Data(pos=torch.randn(5, 2)))
    with pytest.raises(ValueError, match="got none"):
        RandomRotation()(Data())
    assert repr(RandomRotation("z", "1o")) == "RandomRotation('z', irreps_x='1x1o')"
