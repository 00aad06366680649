import warnings

import pytest
import torch
from torch_geometric import EdgeIndex
from torch_geometric.data import Data
from torch_geometric.explain import Explainer, GNNExplainer
from torch_geometric.loader import DataLoader
from torch_geometric.nn import MessagePassing, Sequential

from eqgraph import nn, o3, ops
from eqgraph.testing import assert_equivariant

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from e3nn import o3 as e3nn_o3

CASES = [
    ("4x0e", "0e + 1o + 2e", "4x0e + 4x1o", {"num_heads": 2}),
    ("3x0e + 2x1o + 1x2e", "0e + 1o + 2e", "2x0e + 3x1o + 2x2e", {"num_heads": 2}),
    ("2x0e + 2x0o + 3x1o + 1x1e", "0e + 1o", "4x0e + 4x0o + 2x1e", {"num_heads": 1, "softcap": 3.0}),
    ("3x0e + 2x1o", "0e + 1o", "2x0e + 1x1o", {"num_heads": 3, "irreps_key": "6x1o", "irreps_value": "3x0e + 6x1o"}),
]


def attention(irreps_in, irreps_sh, irreps_out, **kwargs) -> nn.AttentionConv:
    return nn.AttentionConv(irreps_in, irreps_sh, irreps_out, num_radial=5, radial_hidden=[7], **kwargs).double()


def harmonics(irreps_sh: str, edge_vec: torch.Tensor) -> torch.Tensor:
    return o3.spherical_harmonics(o3.Irreps(irreps_sh), edge_vec, normalize=True, normalization="component")


def graph(num_nodes: int = 6, num_edges: int = 20, dtype: torch.dtype = torch.float64):
    edge_index = torch.randint(num_nodes, (2, num_edges))
    return edge_index, torch.randn(num_edges, 3, dtype=dtype), torch.randn(num_edges, 5, dtype=dtype)


def case(arguments=CASES[1], num_nodes: int = 6, num_edges: int = 20):
    """A layer and its arguments, with an envelope."""
    irreps_in, irreps_sh, irreps_out, kwargs = arguments
    edge_index, edge_vec, radial = graph(num_nodes, num_edges)
    conv = attention(irreps_in, irreps_sh, irreps_out, **kwargs)
    x = conv.irreps_in.randn(num_nodes, -1, dtype=torch.float64)
    return conv, (x, edge_index, harmonics(irreps_sh, edge_vec), radial, torch.rand(num_edges, dtype=torch.float64))


def products_by_head(conv: nn.TensorProductConv, x, sh, radial, num_heads: int):
    """e3nn's products (edges, dim), and the head to which each column belongs."""
    made = e3nn_o3.Irreps([(conv.irreps_in[i].mul, str(ir)) for i, _, ir in conv.paths])
    order = made.sort()
    product = e3nn_o3.TensorProduct(
        str(conv.irreps_in),
        str(conv.irreps_sh),
        order.irreps,
        [(i, j, order.p[k], "uvu", True) for k, (i, j, _) in enumerate(conv.paths)],
        shared_weights=False,
        internal_weights=False,
    )
    heads = [u * num_heads // mul for mul, ir in order.irreps for u in range(mul) for _ in range(ir.dim)]
    return product(x, sh, conv.radial(radial)), torch.tensor(heads)


@pytest.mark.parametrize("arguments", CASES)
@pytest.mark.parametrize("enveloped", [False, True])
@pytest.mark.usefixtures("_float64")
def test_same_numbers_as_e3nn_products_and_the_softmax_of_torch_receiver_by_receiver(arguments, enveloped):
    conv, (x, edge_index, sh, radial, envelope) = case(arguments)
    num_heads, (src, dst) = conv.num_heads, edge_index
    keys, key_heads = products_by_head(conv.key, conv.linear_key(x)[src], sh, radial, num_heads)
    values, value_heads = products_by_head(conv.value, conv.linear_value(x)[src], sh, radial, num_heads)
    queries = conv.query(x)
    expected = torch.zeros(6, values.shape[1])
    for receiver in range(6):
        edges = (dst == receiver).nonzero().flatten()
        if not len(edges):
            continue
        for head in range(num_heads):
            mine = key_heads == head
            logits = keys[edges][:, mine] @ queries[receiver, mine] / mine.sum() ** 0.5
            if conv.softmax.softcap is not None:
                logits = conv.softmax.softcap * torch.tanh(logits / conv.softmax.softcap)
            if enveloped:
                logits = logits + envelope[edges].log()
            weights = torch.softmax(logits, 0)
            expected[receiver, value_heads == head] = weights @ values[edges][:, value_heads == head]
    out = conv(x, edge_index, sh, radial, envelope if enveloped else None)
    torch.testing.assert_close(out, conv.linear_out(expected), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("arguments", CASES)
def test_equivariance(arguments):
    conv, (x, edge_index, _, radial, envelope) = case(arguments)
    assert_equivariant(
        lambda x, vec: conv(x, edge_index, harmonics(arguments[1], vec), radial, envelope),
        [conv.irreps_in, "1o"],
        conv.irreps_out,
        inputs=[x, torch.randn(20, 3, dtype=torch.float64)],
    )


def test_order_of_edges_and_nodes_does_not_matter():
    conv, (x, edge_index, *rest) = case()
    expected = conv(x, edge_index, *rest)
    edges, nodes = torch.randperm(20), torch.randperm(6)
    torch.testing.assert_close(
        conv(x, edge_index[:, edges], *(r[edges] for r in rest)), expected, rtol=1e-12, atol=1e-12
    )
    renamed = nodes.argsort()[edge_index]
    torch.testing.assert_close(conv(x[nodes], renamed, *rest), expected[nodes], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("arguments", CASES)
def test_the_message_path_that_explainers_use_gives_the_same_numbers(arguments):
    conv, inputs = case(arguments)
    fused, seen = conv(*inputs), []
    handle = conv.register_message_forward_hook(lambda module, inputs, output: seen.append(output))
    torch.testing.assert_close(conv(*inputs), fused, rtol=1e-12, atol=1e-12)
    assert seen[0].shape == (20, conv.value.irreps_out.dim)
    handle.remove()
    conv(*inputs)
    assert len(seen) == 1


def test_an_edge_mask_of_an_explainer_acts_on_the_weighted_values_alone():
    conv, inputs = case()
    mask = torch.full((20,), 0.25, dtype=torch.float64)
    conv.explain, conv._edge_mask, conv._apply_sigmoid = True, mask, False
    conv._loop_mask = torch.ones(20, dtype=torch.bool)
    masked = conv(*inputs)
    conv.explain = False
    torch.testing.assert_close(masked, 0.25 * conv(*inputs))


def test_explainer_of_torch_geometric():
    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.AttentionConv("4x0e", "0e + 1o", "2x0e", num_radial=5)

        def forward(self, x, edge_index, sh, radial):
            return self.conv(x, edge_index, sh, radial)

    explainer = Explainer(
        Model(),
        algorithm=GNNExplainer(epochs=3),
        explanation_type="model",
        node_mask_type="attributes",
        edge_mask_type="object",
        model_config={"mode": "regression", "task_level": "node", "return_type": "raw"},
    )
    edge_index, edge_vec, radial = graph(dtype=torch.float32)
    explanation = explainer(torch.randn(6, 4), edge_index, sh=harmonics("0e + 1o", edge_vec), radial=radial)
    assert explanation.edge_mask.shape == (20,)
    assert (explanation.edge_mask > 0).any()


def test_bipartite_graphs_with_other_features_at_the_receivers():
    conv = attention("2x0e + 2x1o", "0e + 1o", "2x0e + 2x1o", num_heads=2, irreps_dst="1x1o + 3x0e")
    edge_index, sh = torch.tensor([[0, 4, 2, 3], [1, 0, 1, 1]]), torch.randn(4, 4).double()
    x_src, x_dst, radial = torch.randn(5, 8).double(), torch.randn(3, 6).double(), torch.randn(4, 5).double()
    out = conv((x_src, x_dst), edge_index, sh, radial, size=(5, 3))
    assert out.shape == (3, 8)
    assert (out[2] == 0).all()
    alone = conv((x_src, x_dst[:2]), edge_index[:, [1]], sh[[1]], radial[[1]])
    torch.testing.assert_close(alone[0], out[0], rtol=1e-12, atol=1e-12)
    assert_equivariant(
        lambda a, b, sh: conv((a, b), edge_index, sh, radial),
        [conv.irreps_in, conv.irreps_dst, "0e + 1o"],
        conv.irreps_out,
        inputs=[x_src, x_dst, sh],
    )


def test_edge_index_of_torch_geometric_and_sorted_edges():
    conv, (x, edge_index, *rest) = case()
    expected = conv(x, edge_index, *rest)
    assert torch.equal(conv(x, EdgeIndex(edge_index, sparse_size=(6, 6)), *rest), expected)
    assert torch.equal(conv(x, ops.Edges.of(edge_index, 6, 6), *rest), expected)
    assert torch.equal(conv((x, x), edge_index, *rest), expected)


@pytest.mark.parametrize("num_heads", [1, 2])
def test_edges_that_share_radial_features_with_their_reverse(num_heads):
    conv = attention("2x0e + 2x1o", "0e + 1o", "2x0e + 2x1o", num_heads=num_heads)
    edge_index, reverse = torch.tensor([[0, 1, 2, 1], [1, 0, 1, 2]]), torch.tensor([1, 0, 3, 2])
    x, sh, radial = torch.randn(3, 8).double(), torch.randn(4, 4).double(), torch.randn(2, 5).double()
    out = conv(x, ops.Edges.of(edge_index, 3, 3, reverse), sh, radial)
    torch.testing.assert_close(out, conv(x, edge_index, sh, radial[[0, 0, 1, 1]]), rtol=1e-12, atol=1e-12)


def test_batched_clouds_are_as_alone():
    class Points(Data):
        def __inc__(self, key, value, *args, **kwargs):
            return self.num_nodes if key == "edge_index" else super().__inc__(key, value, *args, **kwargs)

    conv = attention(*CASES[1][:3], num_heads=2)
    clouds = []
    for num_nodes in (4, 7, 1):
        edge_index, vec, radial = graph(num_nodes, 3 * num_nodes)
        x = conv.irreps_in.randn(num_nodes, -1, dtype=torch.float64)
        clouds.append(Points(x=x, edge_index=edge_index, sh=harmonics(CASES[1][1], vec), radial=radial))
    (batch,) = DataLoader(clouds, batch_size=3)
    alone = torch.cat([conv(data.x, data.edge_index, data.sh, data.radial) for data in clouds])
    together = conv(batch.x, batch.edge_index, batch.sh, batch.radial)
    torch.testing.assert_close(together, alone, rtol=1e-12, atol=1e-12)


def test_without_edges_every_node_receives_zero_and_gradients_exist():
    conv = attention("2x0e + 1x1o", "0e + 1o", "2x0e + 2x1o")
    x = torch.randn(3, 5, dtype=torch.float64, requires_grad=True)
    out = conv(x, torch.zeros(2, 0, dtype=torch.long), torch.zeros(0, 4).double(), torch.zeros(0, 5).double())
    assert out.shape == (3, 8)
    assert (out == 0).all()
    out.sum().backward()
    assert (x.grad == 0).all()


@pytest.mark.parametrize("num_heads", [1, 2])
def test_derivatives_are_exact_to_second_order(num_heads):
    conv = nn.AttentionConv("2x0e + 1x1o", "0e + 1o", "1x0e + 1x1o", 2, num_heads=num_heads, radial_hidden=[3], eps=0.1)
    conv, edge_index = conv.double(), torch.tensor([[0, 1, 0], [1, 1, 0]])
    inputs = [torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in ((2, 5), (3, 4), (3, 2), (3,))]

    def function(x, sh, radial, envelope):
        return conv(x, edge_index, sh, radial, envelope.square())

    assert torch.autograd.gradcheck(function, inputs)
    assert torch.autograd.gradgradcheck(function, inputs)


def test_an_edge_comes_and_goes_smoothly_at_the_cutoff():
    """Across the cutoff, value and slope with respect to the distance are those without the edge."""
    conv = attention("2x0e + 2x1o", "0e + 1o", "2x0e + 1x1o", num_heads=2)
    edge_index, directions = torch.tensor([[1, 2, 3], [0, 0, 0]]), harmonics("0e + 1o", torch.randn(3, 3).double())
    x, basis, cutoff = torch.randn(4, 8).double(), nn.BesselBasis(5, 2.0).double(), nn.PolynomialCutoff(2.0)

    def out(r, num=3):
        lengths = torch.cat([torch.tensor([0.9, 1.4], dtype=torch.float64), r.reshape(1)])[:num]
        return conv(x, edge_index[:, :num], directions[:num], basis(lengths), cutoff(lengths))[0]

    def slope(r):
        (derivative,) = torch.autograd.grad(out(r).sum(), r)
        return derivative

    at = torch.tensor(2.0 - 1e-5, dtype=torch.float64, requires_grad=True)
    assert (out(at) - out(at, 2)).abs().max() < 1e-11
    assert slope(at).abs() < 1e-6
    inside = torch.tensor(1.5, dtype=torch.float64, requires_grad=True)
    assert slope(inside).abs() > 1e-3


def test_inside_torch_geometric_sequential():
    first = nn.AttentionConv("4x0e", "0e + 1o", "4x0e + 4x1o", num_radial=5)
    second = nn.AttentionConv(first.irreps_out, "0e + 1o", "2x0e", num_radial=5)
    signature = "x, edge_index, sh, radial"
    model = Sequential(signature, [(first, f"{signature} -> x"), (second, f"{signature} -> x")])
    edge_index, edge_vec, radial = graph(dtype=torch.float32)
    assert model(torch.randn(6, 4), edge_index, harmonics("0e + 1o", edge_vec), radial).shape == (6, 2)
    assert isinstance(first, MessagePassing)


def test_irreps_that_no_value_can_have_are_left_out():
    conv = nn.AttentionConv("4x0e", "0e + 1o", "2x0e + 3x1e + 1x2e + 2x1o", num_radial=5)
    assert str(conv.irreps_out) == "2x0e+2x1o"


def test_logits_and_outputs_have_unit_scale_at_first():
    conv = nn.AttentionConv("32x0e + 32x1o", "0e + 1o + 2e", "32x0e + 32x1o", num_radial=16, num_heads=4)
    edge_index = torch.stack([torch.randint(50, (50,)), torch.arange(50)])  # one edge each: its weight is one
    seen = []
    conv.softmax.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    out = conv(
        conv.irreps_in.randn(50, -1), edge_index, harmonics("0e + 1o + 2e", torch.randn(50, 3)), torch.randn(50, 16)
    )
    assert 0.5 < seen[0].square().mean() < 2
    assert 0.7 < out.square().mean() < 1.4


def test_reset_parameters_draws_new_weights():
    conv = nn.AttentionConv("4x0e", "0e", "4x0e", num_radial=5)
    before = [parameter.clone() for parameter in conv.parameters()]
    torch.manual_seed(5)
    conv.reset_parameters()
    assert not any(torch.equal(a, b) for a, b in zip(before, conv.parameters(), strict=True))


@pytest.mark.parametrize(
    ("arguments", "kwargs", "message"),
    [
        (("4x0e", "0e", "4x0e"), {"num_heads": 0}, "expected num_heads of at least 1, got 0"),
        (
            ("4x0e", "0e", "4x0e"),
            {"num_heads": 3, "irreps_key": "4x0e"},
            "expected multiplicities of irreps_key that are multiples of num_heads=3, got '4x0e'",
        ),
        (
            ("4x0e", "0e", "4x0e"),
            {"num_heads": 3, "irreps_value": "4x0e"},
            "expected multiplicities of irreps_value that are multiples of num_heads=3, got '4x0e'",
        ),
        (("4x0e", "0e", "1x1o"), {}, "expected an irrep of irreps_out='1x1o' in the product of '4x0e'"),
        (("4x0e", "0e", "1x0e"), {"irreps_dst": "1x1o"}, "expected an irrep of irreps_dst='1x1o' in the product"),
        (("4x0e", "0e", "1x0e"), {"backend": "tpu"}, "expected backend to be one of"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(arguments, kwargs, message):
    with pytest.raises(ValueError, match=message):
        nn.AttentionConv(*arguments, num_radial=5, **kwargs)


@pytest.mark.parametrize(
    ("wrong", "value", "message"),
    [
        ("x", torch.randn(3, 5), r"AttentionConv: expected x_src of shape \(3, 4\) \('4x0e'\), got \(3, 5\)"),
        ("x", (torch.randn(3, 4), torch.randn(3, 5)), r"AttentionConv: expected x_dst of shape \(3, 4\)"),
        ("x", (torch.randn(3, 4), None), r"expected features of the receivers.*Pass \(x_src, x_dst\)"),
        ("x", torch.randn(3, 4).double(), r"AttentionConv: expected x_src in torch.float32 like the weights"),
        ("edge_index", torch.zeros(3, 2).long(), r"AttentionConv: expected edge_index of shape \(2, edges\)"),
        ("edge_sh", torch.randn(2, 3), r"AttentionConv: expected edge_sh of shape \(2, 1\)"),
        ("edge_radial", torch.randn(2, 4), r"AttentionConv: expected edge_radial of shape \(2, 5\)"),
        ("envelope", torch.randn(3), r"expected an envelope of shape \(2,\)"),
        ("size", (3, 4), r"expected size \(3, 3\) as x has rows, got \(3, 4\)"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(wrong, value, message):
    conv = nn.AttentionConv("4x0e", "0e", "4x0e", num_radial=5)
    inputs = {
        "x": torch.randn(3, 4),
        "edge_index": torch.tensor([[0, 1], [1, 2]]),
        "edge_sh": torch.randn(2, 1),
        "edge_radial": torch.randn(2, 5),
    }
    with pytest.raises(ValueError, match=message):
        conv(**{**inputs, wrong: value})
