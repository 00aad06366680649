import warnings

import pytest
import torch
from torch_geometric.nn import MessagePassing, Sequential

from eqgraph import nn, o3
from eqgraph.testing import assert_equivariant

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from e3nn import o3 as e3nn_o3

CASES = [
    ("4x0e", "0e + 1o + 2e", None),
    ("3x0e + 2x1o + 1x2e", "0e + 1o + 2e", "0e + 1o + 2e"),
    ("2x0e + 2x0o + 3x1o + 1x1e + 1x0e", "0e + 1o", None),
    ("1x3o + 2x1o", "1o + 0e + 3o", "0e + 1o"),
]


def graph(num_nodes: int = 6, num_edges: int = 20, dtype: torch.dtype = torch.float64):
    edge_index = torch.randint(num_nodes, (2, num_edges))
    edge_vec = torch.randn(num_edges, 3, dtype=dtype)
    return edge_index, edge_vec, torch.randn(num_edges, 5, dtype=dtype)


def random_conv(irreps_in: str, irreps_sh: str, keep: str | None, **kwargs) -> nn.TensorProductConv:
    return nn.TensorProductConv(irreps_in, irreps_sh, keep, num_radial=5, radial_hidden=[7], **kwargs).double()


def harmonics(irreps_sh: str, edge_vec: torch.Tensor) -> torch.Tensor:
    return o3.spherical_harmonics(o3.Irreps(irreps_sh), edge_vec, normalize=True, normalization="component")


@pytest.mark.parametrize(("irreps_in", "irreps_sh", "keep"), CASES)
@pytest.mark.usefixtures("_float64")
def test_same_numbers_as_e3nn_tensor_product_and_scatter(irreps_in, irreps_sh, keep):
    conv = random_conv(irreps_in, irreps_sh, keep, avg_num_neighbors=3.0)
    edge_index, edge_vec, radial = graph()
    x, sh = conv.irreps_in.randn(6, -1), harmonics(irreps_sh, edge_vec)

    products = e3nn_o3.Irreps([(conv.irreps_in[i].mul, str(ir)) for i, _, ir in conv.paths])
    order = products.sort()
    product = e3nn_o3.TensorProduct(
        irreps_in,
        irreps_sh,
        order.irreps,
        [(i, j, order.p[k], "uvu", True) for k, (i, j, _) in enumerate(conv.paths)],
        shared_weights=False,
        internal_weights=False,
    )
    messages = product(x[edge_index[0]], sh, conv.radial(radial))
    expected = torch.zeros(6, messages.shape[1]).index_add(0, edge_index[1], messages) / 3**0.5
    torch.testing.assert_close(conv(x, edge_index, sh, radial), expected, rtol=1e-12, atol=1e-12)
    assert str(conv.irreps_out) == str(order.irreps.simplify())


@pytest.mark.parametrize(("irreps_in", "irreps_sh", "keep"), CASES)
def test_equivariance(irreps_in, irreps_sh, keep):
    conv = random_conv(irreps_in, irreps_sh, keep)
    edge_index, edge_vec, radial = graph()
    inputs = [conv.irreps_in.randn(6, -1, dtype=torch.float64), edge_vec]
    assert_equivariant(
        lambda x, vec: conv(x, edge_index, harmonics(irreps_sh, vec), radial),
        [irreps_in, "1o"],
        conv.irreps_out,
        inputs=inputs,
    )


@pytest.mark.parametrize(("irreps_in", "irreps_sh", "keep"), CASES)
def test_the_message_path_that_explainers_use_gives_the_same_numbers(irreps_in, irreps_sh, keep):
    conv = random_conv(irreps_in, irreps_sh, keep)
    edge_index, edge_vec, radial = graph()
    arguments = (conv.irreps_in.randn(6, -1, dtype=torch.float64), edge_index, harmonics(irreps_sh, edge_vec), radial)
    fused, seen = conv(*arguments), []
    handle = conv.register_message_forward_hook(lambda module, inputs, output: seen.append(output))
    torch.testing.assert_close(conv(*arguments), fused, rtol=1e-12, atol=1e-12)
    assert seen[0].shape == (20, conv.irreps_out.dim)
    handle.remove()
    conv(*arguments)
    assert len(seen) == 1


def test_an_edge_mask_of_an_explainer_acts_on_the_messages():
    conv = random_conv("2x0e + 2x1o", "0e + 1o", None)
    edge_index, edge_vec, radial = graph()
    x, sh = conv.irreps_in.randn(6, -1, dtype=torch.float64), harmonics("0e + 1o", edge_vec)
    mask = (torch.arange(20) < 10).double()
    conv.explain, conv._edge_mask, conv._apply_sigmoid = True, mask, False
    conv._loop_mask = torch.ones(20, dtype=torch.bool)
    masked = conv(x, edge_index, sh, radial)
    conv.explain = False
    torch.testing.assert_close(masked, conv(x, edge_index[:, :10], sh[:10], radial[:10]))


def test_bipartite_graphs():
    conv = random_conv("2x0e + 2x1o", "0e + 1o", None)
    edge_index = torch.tensor([[0, 4, 2, 3], [1, 0, 1, 1]])
    sh, radial = torch.randn(4, 4, dtype=torch.float64), torch.randn(4, 5, dtype=torch.float64)
    x_src, x_dst = torch.randn(5, 8, dtype=torch.float64), torch.randn(3, 1, dtype=torch.float64)
    out = conv((x_src, x_dst), edge_index, sh, radial)
    assert out.shape == (3, conv.irreps_out.dim)
    assert (out[2] == 0).all()
    torch.testing.assert_close(out, conv((x_src, None), edge_index, sh, radial, size=(5, 3)))
    torch.testing.assert_close(out[:2], conv(x_src, edge_index, sh, radial)[:2])


def test_a_bipartite_graph_without_number_of_receivers_is_refused():
    conv = random_conv("2x0e", "0e", None)
    with pytest.raises(ValueError, match=r"expected the number of receivers.*Pass size"):
        conv((torch.randn(2, 2), None), torch.zeros(2, 0, dtype=torch.long), torch.randn(0, 1), torch.randn(0, 5))


def test_without_edges_every_node_receives_zero_and_gradients_exist():
    conv = random_conv("2x0e + 1x1o", "0e + 1o", None)
    x = torch.randn(3, 5, dtype=torch.float64, requires_grad=True)
    none = torch.zeros(2, 0, dtype=torch.long)
    out = conv(x, none, torch.zeros(0, 4).double(), torch.zeros(0, 5).double())
    assert out.shape == (3, conv.irreps_out.dim)
    assert (out == 0).all()
    out.sum().backward()
    assert (x.grad == 0).all()


def test_inside_torch_geometric_sequential():
    conv = nn.TensorProductConv("2x0e", "0e + 1o", num_radial=5)
    second = nn.TensorProductConv(conv.irreps_out, "0e + 1o", "0e", num_radial=5)
    signature = "x, edge_index, sh, radial"
    model = Sequential(signature, [(conv, f"{signature} -> x"), (second, f"{signature} -> x")])
    edge_index, edge_vec, radial = graph(dtype=torch.float32)
    out = model(torch.randn(6, 2), edge_index, harmonics("0e + 1o", edge_vec), radial)
    assert out.shape == (6, second.irreps_out.dim)
    assert isinstance(conv, MessagePassing)


def test_repr():
    conv = nn.TensorProductConv("8x0e + 4x1o", "0e + 1o", "0e + 1o", num_radial=8, radial_hidden=[16, 16])
    assert repr(conv) == "TensorProductConv(8x0e+4x1o -> 12x0e+12x1o, sh=1x0e+1x1o, paths=4, radial=[8, 16, 16, 24])"


def test_reset_parameters_draws_new_weights():
    conv = nn.TensorProductConv("2x0e", "0e")
    before = conv.radial.layer0.weight.clone()
    torch.manual_seed(5)
    conv.reset_parameters()
    first = conv.radial.layer0.weight.clone()
    torch.manual_seed(5)
    conv.reset_parameters()
    assert not torch.equal(before, first)
    assert torch.equal(first, conv.radial.layer0.weight)


def test_average_number_of_neighbors_is_saved_with_the_weights():
    conv = nn.TensorProductConv("2x0e", "0e", avg_num_neighbors=7.5)
    other = nn.TensorProductConv("2x0e", "0e")
    other.load_state_dict(conv.state_dict())
    assert other.avg_num_neighbors.item() == 7.5


def test_unit_variance_in_gives_unit_variance_out():
    conv = nn.TensorProductConv("32x0e + 32x1o + 32x2e", "0e + 1o + 2e", num_radial=16, avg_num_neighbors=30.0)
    edge_index = torch.stack([torch.randint(50, (1500,)), torch.arange(50).repeat(30)])
    sh = harmonics("0e + 1o + 2e", torch.randn(1500, 3))
    out = conv(conv.irreps_in.randn(50, -1), edge_index, sh, torch.randn(1500, 16))
    assert 0.8 < out.square().mean() < 1.25


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("2x0e", "2x0e"), r"expected multiplicity one for every irrep of irreps_sh, got '2x0e'"),
        (("2x0e", "0e + 1o", "3o"), r"expected a path .* to filter_ir_out='3o', found none"),
    ],
)
def test_irreps_that_do_not_fit_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        nn.TensorProductConv(*arguments)


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan")])
def test_average_number_of_neighbors_must_be_positive(value):
    with pytest.raises(ValueError, match="expected a positive avg_num_neighbors"):
        nn.TensorProductConv("2x0e", "0e", avg_num_neighbors=value)


@pytest.mark.parametrize("wrong", ["x", "edge_index", "edge_sh", "edge_radial"])
def test_shapes_that_do_not_fit_are_refused(wrong):
    conv = nn.TensorProductConv("2x0e", "0e", num_radial=5)
    arguments = {
        "x": torch.randn(3, 2),
        "edge_index": torch.zeros(2, 4, dtype=torch.long),
        "edge_sh": torch.randn(4, 1),
        "edge_radial": torch.randn(4, 5),
    }
    arguments[wrong] = arguments[wrong].repeat(1, 3) if wrong != "edge_index" else arguments[wrong].repeat(2, 1)
    with pytest.raises(ValueError, match=rf"expected {wrong} of shape"):
        conv(**arguments)


@pytest.mark.parametrize("wrong", ["x", "edge_sh", "edge_radial"])
def test_another_precision_than_that_of_the_weights_is_refused(wrong):
    conv = nn.TensorProductConv("2x0e", "0e", num_radial=5)
    arguments = {"x": torch.randn(3, 2), "edge_sh": torch.randn(4, 1), "edge_radial": torch.randn(4, 5)}
    arguments[wrong] = arguments[wrong].double()
    with pytest.raises(ValueError, match=rf"expected {wrong} in torch.float32 like the weights, got torch.float64"):
        conv(edge_index=torch.zeros(2, 4, dtype=torch.long), **arguments)


def test_an_edge_index_of_floats_is_refused():
    conv = nn.TensorProductConv("2x0e", "0e", num_radial=5)
    with pytest.raises(ValueError, match=r"expected edge_index of shape \(2, edges\) with whole numbers"):
        conv(torch.randn(3, 2), torch.zeros(2, 4), torch.randn(4, 1), torch.randn(4, 5))


def test_a_layer_first_used_without_gradients_can_be_trained_afterwards():
    conv = nn.TensorProductConv("2x0e", "0e + 1o", num_radial=5)
    edge_index, edge_vec, radial = graph(dtype=torch.float32)
    arguments = (torch.randn(6, 2), edge_index, harmonics("0e + 1o", edge_vec), radial)
    with torch.inference_mode():
        conv(*arguments)
    conv(*arguments).sum().backward()
    assert conv.radial.layer0.weight.grad is not None


def test_moving_to_float64_leaves_no_rounded_constants():
    conv = nn.TensorProductConv("2x1o", "0e + 1o + 2e", num_radial=5)
    assert torch.equal(conv.double()._coefficients, conv.table.edge_matrix_coefficients())
