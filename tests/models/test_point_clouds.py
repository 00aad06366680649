"""What every network of point clouds must do, whatever it is made of."""

import pytest
import torch
from torch_geometric.data import Data
from torch_geometric.loader import DataLoader

from eqgraph.model_file import read_header
from eqgraph.models import (
    CLASSIFIERS,
    PointCloudSegmenter,
    build_classifier,
    build_segmenter,
    knn_levels,
    load_classifier,
    load_potential,
    save_classifier,
)
from eqgraph.o3 import rand_matrix

pytestmark = pytest.mark.filterwarnings("ignore:.*This is said once")  # clouds with fewer points than neighbors

FLAT = {"num_layers": 2, "num_features": 4, "num_neighbors": 8, "radial_hidden": [8], "head_hidden": [16]}
DEEP = FLAT | {"num_points": [None, 8], "num_neighbors": [6, 8]}
CONFIGS = {
    "tensor_field_network": [
        DEEP,
        DEEP | {"nonlinearity": "norm", "normalization": "layer", "invariants": "power", "num_invariant_channels": 4},
        FLAT | {"parity": True, "center": False, "invariants": "bispectrum", "num_invariant_channels": 2},
    ],
    "se3_transformer": [DEEP, FLAT | {"num_heads": 2, "nonlinearity": "gate", "normalization": "none"}],
    "nequip": [FLAT, FLAT | {"normalization": "layer", "lmax": 1}],
}
CASES = [(name, config) for name in CLASSIFIERS for config in CONFIGS[name]]
every_model = pytest.mark.parametrize(("architecture", "config"), CASES)
SIZES = [30, 7, 18]
"""Points of the clouds of a batch; one has fewer than there are neighbors."""


def clouds(features: bool = False) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
    generator = torch.Generator().manual_seed(0)
    total = sum(SIZES)
    pos = torch.randn(total, 3, generator=generator, dtype=torch.float64)
    x = torch.randn(total, 4, generator=generator, dtype=torch.float64) if features else None
    return pos, torch.arange(len(SIZES)).repeat_interleave(torch.tensor(SIZES)), x


def trained(build, architecture: str, config: dict, irreps_x: str = "", num_classes: int = 5):
    """A model in evaluation, after some batches have left their statistics."""
    torch.manual_seed(1)
    model = build(architecture, config, num_classes, irreps_x).double()
    pos, batch, x = clouds(bool(irreps_x))
    with torch.no_grad():
        for _ in range(30):
            model(pos + 0.1 * torch.randn_like(pos), batch, x)
    return model.eval()


def assert_relative(actual, expected, tolerance: float = 1e-10) -> None:
    error = (actual - expected).abs().max() / expected.abs().max()
    assert error < tolerance, f"relative error {error:.1e}"


@every_model
def test_scores_do_not_depend_on_rotation_reflection_translation_or_scale(architecture, config):
    model = trained(build_classifier, architecture, config, "1x0e + 1x1o")
    pos, batch, x = clouds(features=True)
    rotation = -rand_matrix(dtype=torch.float64)
    turned = torch.cat([x[:, :1], x[:, 1:] @ rotation.T], 1)
    expected = model(pos, batch, x)
    assert_relative(model(pos @ rotation.T + torch.tensor([3.0, -40.0, 0.5]), batch, turned), expected)
    assert_relative(model(0.01 * pos, batch, x), expected)


@every_model
def test_scores_do_not_depend_on_the_order_of_points_nor_on_the_batch(architecture, config):
    model = trained(build_classifier, architecture, config)
    pos, batch, _ = clouds()
    expected = model(pos, batch)
    order = torch.cat([cloud[torch.randperm(len(cloud))] for cloud in torch.arange(len(pos)).split(SIZES)])
    assert_relative(model(pos[order], batch), expected)
    alone = torch.cat([model(cloud) for cloud in pos.split(SIZES)])
    assert_relative(alone, expected)
    assert_relative(model(pos, batch, batch_size=len(SIZES)), expected)


@every_model
def test_classes_of_points_turn_with_nothing_and_move_with_the_points(architecture, config):
    model = trained(build_segmenter, architecture, config)
    pos, batch, _ = clouds()
    expected = model(pos, batch)
    assert expected.shape == (len(pos), 5)
    assert_relative(model(-2 * pos @ rand_matrix(dtype=torch.float64).T + 1.0, batch), expected)
    order = torch.cat([cloud[torch.randperm(len(cloud))] for cloud in torch.arange(len(pos)).split(SIZES)])
    assert_relative(model(pos[order], batch), expected[order])
    assert_relative(torch.cat([model(cloud) for cloud in pos.split(SIZES)]), expected)


@every_model
@pytest.mark.parametrize("build", [build_classifier, build_segmenter])
def test_every_weight_learns(build, architecture, config):
    model = build(architecture, config, 3, "1x0e + 1x1o").double()
    pos, batch, x = clouds(features=True)
    logits = model(pos, batch, x)
    torch.nn.functional.cross_entropy(logits, torch.arange(len(logits)) % 3).backward()
    learning = {name: p for name, p in model.named_parameters() if p.requires_grad}
    without = [name for name, p in learning.items() if p.grad is None or not p.grad.abs().max() > 0]
    assert not [name for name in without if not _is_idle(name)], without


def _is_idle(name: str) -> bool:
    # biases before a batch normalization change nothing
    return name.endswith(("layer.0.bias", "scores.0.bias", "invariants.norm.bias"))


@every_model
def test_a_file_gives_the_same_model_back(architecture, config, tmp_path):
    model = trained(build_segmenter if architecture == "nequip" else build_classifier, architecture, config)
    path = tmp_path / "model.eqg"
    save_classifier(path, model, ["a", "b", "c", "d", "e"], {"units": "none"})
    again, header = load_classifier(path)
    assert header["classes"] == ["a", "b", "c", "d", "e"]
    assert header["metadata"] == {"units": "none"}
    assert header["task"] == ("segmentation" if isinstance(model, PointCloudSegmenter) else "classification")
    assert read_header(path) == header
    pos, batch, _ = clouds()
    assert torch.equal(again(pos, batch), model(pos, batch))
    with pytest.raises(ValueError, match=r"expected a model of the kind eqgraph-potential, got .* eqgraph-points-1"):
        load_potential(path)


@pytest.mark.parametrize("architecture", CLASSIFIERS)
def test_scores_are_continuous_where_neighbors_change(architecture):
    """Point 2 becomes a nearer neighbor of point 0 than point 3: of two as far, the one that is chosen does not matter."""
    model = trained(build_classifier, architecture, FLAT | {"num_neighbors": 3, "center": False})
    pos = torch.tensor([[0.0, 0, 0], [0.5, 0, 0], [0, 1.0, 0], [0, 0, -1.0], [5, 5, 5], [5, 6, 5], [5, 5, 6]]).double()

    def at(length: float) -> torch.Tensor:
        moved = pos.clone()
        moved[2] *= length
        return model(moved)

    jump = (at(1 + 1e-7) - at(1 - 1e-7)).abs().max()
    assert jump < 1e-5 * at(1.0).abs().max()


def test_functions_on_the_sphere_are_invariant_up_to_their_grid():
    model = trained(build_classifier, "tensor_field_network", DEEP | {"nonlinearity": "s2"})
    pos, batch, _ = clouds()
    expected = model(pos, batch)
    turned = model(pos @ -rand_matrix(dtype=torch.float64).T, batch)
    error = (turned - expected).abs().max() / expected.abs().max()
    assert 0 < error < 1e-2


def test_batches_of_a_loader_of_pyg():
    model = trained(build_classifier, "tensor_field_network", DEEP)
    pos, batch, _ = clouds()
    loader = DataLoader([Data(pos=cloud) for cloud in pos.split(SIZES)], batch_size=len(SIZES))
    (data,) = loader
    assert torch.equal(model(data.pos, data.batch, batch_size=data.num_graphs), model(pos, batch))


def test_receivers_of_a_level_are_the_first_picks_of_the_one_before():
    pos, batch, _ = clouds()
    levels = knn_levels(pos, batch, 3, [None, 10, 5], [4, 6, 5])
    assert [level.edges.num_dst for level in levels] == [sum(SIZES), 10 + 7 + 10, 15]
    coarse = knn_levels(pos, batch, 3, [5], [4])[0]
    fine = levels[1].nodes[levels[2].nodes]
    assert fine.tolist() == coarse.nodes.tolist()
    assert levels[2].batch.tolist() == [0] * 5 + [1] * 5 + [2] * 5
    lengths = levels[0].edge_vec.norm(dim=1)
    assert lengths.max() == pytest.approx(1.0)
    longest = torch.zeros(len(pos)).double().scatter_reduce(0, levels[0].edges.dst, lengths, "amax")
    assert torch.allclose(longest, torch.ones_like(longest))


def test_layers_with_the_same_graph_share_it():
    pos, batch, _ = clouds()
    levels = knn_levels(pos, batch, 3, [None, None, None], [4, 4, 6])
    assert levels[1] is levels[0]
    assert levels[2] is not levels[1]


@pytest.mark.parametrize("architecture", CLASSIFIERS)
@pytest.mark.parametrize("pos", [torch.zeros(1, 3), torch.zeros(4, 3), torch.tensor([[0.0, 0, 0], [1, 0, 0]])])
def test_degenerate_clouds_give_finite_scores_and_gradients(architecture, pos):
    model = trained(build_classifier, architecture, FLAT)
    pos = pos.double().requires_grad_()
    logits = model(pos)
    logits.square().sum().backward()
    assert logits.isfinite().all()
    assert all(p.grad is None or p.grad.isfinite().all() for p in (pos, *model.parameters()))


class TestBadInput:
    model = staticmethod(lambda irreps_x="": build_classifier("tensor_field_network", FLAT, 3, irreps_x).eval())

    def test_an_empty_cloud_is_named(self):
        with pytest.raises(ValueError, match=r"points in each of 3 clouds, got \[2, 0, 1\] points.*number 1"):
            self.model()(torch.randn(3, 3), torch.tensor([0, 0, 2]))
        with pytest.raises(ValueError, match=r"points in each of 2 clouds, got \[2, 0\]"):
            self.model()(torch.randn(2, 3), torch.tensor([0, 0]), batch_size=2)
        with pytest.raises(ValueError, match="points in each of 1 clouds"):
            self.model()(torch.zeros(0, 3))

    def test_a_point_that_is_not_finite_is_named(self):
        pos = torch.randn(5, 3)
        pos[3, 1] = torch.nan
        with pytest.raises(ValueError, match="for point 3 in cloud 1"):
            self.model()(pos, torch.tensor([0, 0, 1, 1, 1]))

    def test_points_of_a_plane(self):
        with pytest.raises(ValueError, match=r"shape \(points, 3\), got \(5, 2\).*third coordinate 0"):
            self.model()(torch.randn(5, 2))

    def test_features_of_another_width(self):
        with pytest.raises(ValueError, match=r"expected no x, got \(5, 3\)"):
            self.model()(torch.randn(5, 3), x=torch.randn(5, 3))
        with pytest.raises(ValueError, match=r"expected x of shape \(5, 3\) \('1x1o'\), got none"):
            self.model("1x1o")(torch.randn(5, 3))
        with pytest.raises(ValueError, match=r"expected x of shape \(5, 3\) \('1x1o'\), got \(5, 6\)"):
            self.model("1x1o")(torch.randn(5, 3), x=torch.randn(5, 6))

    def test_batches_in_disorder(self):
        with pytest.raises(ValueError, match="sorted by cloud"):
            self.model()(torch.randn(3, 3), torch.tensor([1, 0, 1]))
        with pytest.raises(ValueError, match=r"batch to be 3 whole numbers, got shape \(2,\)"):
            self.model()(torch.randn(3, 3), torch.tensor([0, 1]))

    def test_numbers_of_classes(self):
        with pytest.raises(ValueError, match="at least 2 classes, got num_classes=1"):
            build_classifier("nequip", FLAT, 1)
        with pytest.raises(ValueError, match="at least 2 classes, got num_classes=1"):
            build_segmenter("nequip", FLAT, 1)

    def test_configs_that_do_not_fit(self):
        with pytest.raises(ValueError, match="expected an architecture among"):
            build_classifier("pointnet", {}, 3)
        with pytest.raises(ValueError, match=r"one number for each of num_layers = 3 layers, got 2: \[8, 8\]"):
            build_classifier("tensor_field_network", {"num_neighbors": [8, 8]}, 3)
        with pytest.raises(ValueError, match=r"fewer and fewer points, got \[8, 16\]"):
            build_classifier("tensor_field_network", {"num_layers": 2, "num_points": [8, 16]}, 3)
        with pytest.raises(ValueError, match="one graph of all points for all layers"):
            build_classifier("nequip", DEEP, 3)
        with pytest.raises(ValueError, match="expected a divisor of num_features = 4, got 3"):
            build_classifier("se3_transformer", FLAT | {"num_heads": 3}, 3)
        with pytest.raises(ValueError, match="cutof_power"):
            build_classifier("nequip", {"cutof_power": 3}, 3)

    def test_files(self, tmp_path):
        model = self.model()
        with pytest.raises(ValueError, match=r"expected 3 names of classes, got 2"):
            save_classifier(tmp_path / "x.eqg", model, ["a", "b"])
        with pytest.raises(FileNotFoundError, match="expected a model file, found none"):
            load_classifier(tmp_path / "x.eqg")
        model.encoder.config = None
        with pytest.raises(ValueError, match="expected what build_classifier or build_segmenter made"):
            save_classifier(tmp_path / "x.eqg", model, ["a", "b", "c"])
