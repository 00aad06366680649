"""Every row of docs/source_documents.md: what the five documents show runs here, and where they are wrong the true value is asserted.

Images (N, C, H, W) are N graphs of H·W nodes with C scalars: eqgraph keeps channels last, so `rows` and `images` convert.
"""

import copy
import pickle
import re
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

import eqgraph.math
from eqgraph import nn, o3
from eqgraph.o3 import Irreps
from eqgraph.testing import assert_equivariant

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import e3nn.math
    import e3nn.nn
    import e3nn.o3

ROWS = [f"S{document}-{row:02d}" for document, rows in enumerate((19, 11, 17, 10, 15)) for row in range(1, rows + 1)]
TABLE = Path(__file__).parents[1] / "docs" / "source_documents.md"


def test_every_row_has_a_test_and_a_line_in_the_table():
    tests, table = Path(__file__).read_text(encoding="utf-8"), TABLE.read_text(encoding="utf-8")
    assert [row for row in ROWS if f"def test_{row.lower().replace('-', '_')}_" not in tests] == []
    assert [row for row in ROWS if f"\n| {row} |" not in table] == []


SNIPPETS = re.findall(r"```python\n(.*?)```", TABLE.read_text(encoding="utf-8"), flags=re.DOTALL)


@pytest.mark.parametrize("snippet", SNIPPETS, ids=range(len(SNIPPETS)))
def test_examples_of_the_table_run(snippet):
    exec(compile(snippet, str(TABLE), "exec"), {"__name__": "__main__"})


def rows(images):
    """(N, C, ...) -> (N, ..., C)."""
    return images.movedim(1, -1)


def images(rows):
    return rows.movedim(-1, 1)


def close(ours, theirs, tolerance=1e-5):
    torch.testing.assert_close(ours, theirs, rtol=tolerance, atol=tolerance)


def turned(irreps, x):
    """x, turned by a random improper rotation."""
    return x @ Irreps(irreps).D_from_matrix(-o3.rand_matrix()).T


# S0: normalization in e3nn


def test_s0_01_signals_keep_their_size_and_turn_with_the_input():
    irreps = "4x0e + 4x1o"

    def network(normalized):
        layers = []
        for _ in range(20):
            linear = o3.Linear(irreps, irreps)
            torch.nn.init.normal_(linear.weight, std=10)
            layers += [linear, *([nn.BatchNorm(irreps)] if normalized else [])]
        return torch.nn.Sequential(*layers)

    x = Irreps(irreps).randn(32, -1).requires_grad_()
    exploded, kept = network(False)(x), network(True)(x)
    assert exploded.abs().max() > 1e15
    assert kept.abs().max() < 30
    gradients = [torch.autograd.grad(y.square().sum(), x)[0] for y in (exploded, (kept - 1))]
    assert not gradients[0].abs().max() < 1e30  # or not a number
    assert gradients[1].abs().max() < 1e3
    assert_equivariant(nn.BatchNorm(irreps).double(), irreps, irreps)


def test_s0_02_component_normalization_is_a_mean_square_of_one():
    example = torch.tensor([1.0, -1.0, -1.0, 1.0])
    assert example.square().mean() == 1
    assert abs(Irreps("100x1o").randn(1000, -1, normalization="component").square().mean() - 1) < 0.02
    y = nn.BatchNorm("1x1o", normalization="component")(3 + torch.randn(50, 3))
    assert abs(y.square().mean() - 1) < 1e-4
    assert y.mean() > 0.5  # the mean of the components need not be zero


def test_s0_03_norm_normalization_is_a_length_of_one():
    example = torch.tensor([0.5, -0.5, -0.5, 0.5])
    assert example.square().sum() == 1
    x = Irreps("4x1o").randn(50, -1, normalization="norm")
    close(x.unflatten(1, (4, 3)).norm(dim=2), torch.ones(50, 4))
    y = nn.BatchNorm("1x1o", normalization="norm")(torch.randn(50, 3))
    assert abs(y.square().sum(1).mean() - 1) < 1e-4


PRINTED = [-0.1843, -0.6625, 0.5925, 0.8647, 0.6402, -0.2227, 0.7208, -0.7380, 0.0638, 0.7816]


def test_s0_04_mean_square_of_the_printed_numbers():
    assert round(torch.tensor(PRINTED).square().mean().item(), 3) == 0.371  # the document prints 0.47
    assert abs(torch.randn(100_000).square().mean() - 1) < 0.02  # ten numbers only scatter around it


def test_s0_05_squared_length_is_dimension_times_mean_square():
    printed = torch.tensor([0.1171, -0.0673, 0.2208, 0.0768, -0.2872, -0.2173, 0.3013, -0.0152, -0.0963, -0.0097])
    assert round(printed.square().sum().item(), 3) == 0.303  # the document prints 1.00
    x = torch.randn(1000, 10) / 10**0.5
    close(x.square().sum(1), 10 * x.square().mean(1))  # not sqrt(10)
    assert abs(x.square().sum(1).mean() - 1) < 0.05


def test_s0_06_batch_norm_of_scalars_is_that_of_torch_and_irreps_do_not_mix():
    x = torch.randn(20, 5)
    close(nn.BatchNorm("5x0e")(x), torch.nn.BatchNorm1d(5)(x))
    norm, x = nn.BatchNorm("2x0e + 2x1o"), torch.randn(20, 8)
    scaled = x.clone()
    scaled[:, 2:5] *= 7
    close(norm(scaled)[:, [0, 1, 5, 6, 7]], norm(x)[:, [0, 1, 5, 6, 7]])


def test_s0_07_component_or_norm():
    x = Irreps("1x2e").randn(30, -1)
    component, norm = nn.BatchNorm("1x2e"), nn.BatchNorm("1x2e", normalization="norm")
    assert component.normalization == "component"
    close(component(x), 5**0.5 * norm(x), 1e-4)
    with pytest.raises(ValueError, match="normalization"):
        nn.BatchNorm("1x2e", normalization="length")


def test_s0_08_running_statistics_are_kept_in_training():
    norm, x = nn.BatchNorm("2x0e + 3x1o"), torch.randn(20, 11)
    assert (norm.running_mean.shape, norm.running_var.shape) == ((2,), (5,))  # the mean of 0e only
    norm(x)
    close(norm.running_mean, 0.1 * x[:, :2].mean(0))
    close(norm.running_var[2:], 0.9 + 0.1 * x[:, 2:].square().unflatten(1, (3, 3)).mean((0, 2)))
    before = copy.deepcopy(norm.state_dict())
    norm.eval()(x)
    assert all(torch.equal(value, before[name]) for name, value in norm.state_dict().items())


def test_s0_09_weights_of_irreps_and_biases_of_scalars():
    norm = nn.BatchNorm("2x0e + 1x0o + 3x1o", affine=True)
    assert (norm.weight.shape, norm.bias.shape) == ((6,), (2,))
    assert list(nn.BatchNorm("2x0e", affine=False).parameters()) == []


def test_s0_10_the_mean_of_vectors_is_zero_over_rotations_not_over_a_batch():
    direction = torch.tensor([[1.0, 2.0, -2.0]])
    x = direction.expand(8, 3) * torch.linspace(0.5, 1.5, 8).unsqueeze(1)
    y = nn.BatchNorm("1x1o")(x)
    close(F.normalize(y, dim=1), F.normalize(x, dim=1))  # nothing was subtracted: all directions stay
    rotations = o3.rand_matrix(20_000)
    assert (rotations @ direction[0]).mean(0).abs().max() < 0.1
    # subtracting the mean of the batch would make one sample depend on how the others are oriented
    z, other = torch.randn(8, 3), torch.randn(8, 3)
    other[0] = z[0]
    other[1:] = z[1:] @ o3.rand_matrix().T
    close(nn.BatchNorm("1x1o")(other)[0], nn.BatchNorm("1x1o")(z)[0])
    assert ((other - other.mean(0)) - (z - z.mean(0)))[0].abs().max() > 0.05


EXAMPLE = """
import torch
from e3nn import o3
from e3nn.nn import BatchNorm
irreps_in = o3.Irreps("2x0e + 1x1o")
print(irreps_in)
x = irreps_in.randn(10, -1)
print(x.shape)
bn_layer = BatchNorm(irreps=irreps_in, affine=True)
print(bn_layer)
y = bn_layer(x)
print(y.shape)
print(f"{y[:, 0].mean().item():.2f}".replace("-0.00", "0.00"))
print(f"{y[:, 1].mean().item():.2f}".replace("-0.00", "0.00"))
"""


def test_s0_11_the_example_runs_with_eqgraph_in_place_of_e3nn(capsys):
    printed = []
    for package in ("e3nn", "eqgraph"):
        exec(EXAMPLE.replace("e3nn", package), {})
        printed.append(capsys.readouterr().out)
    assert printed[0] == printed[1]
    assert printed[1].splitlines() == [
        "2x0e+1x1o",
        "torch.Size([10, 5])",
        "BatchNorm (2x0e+1x1o, eps=1e-05, momentum=0.1)",
        "torch.Size([10, 5])",
        "0.00",
        "0.00",
    ]


def test_s0_12_variances_after_the_example():
    y = nn.BatchNorm("2x0e + 1x1o")(torch.randn(10, 5))
    for column in (0, 1):
        assert round(y[:, column].var().item(), 2) == 1.11  # N / (N - 1), where the document prints 1.00
        assert abs(y[:, column].var(correction=0) - 1) < 1e-3
    assert (y[:, 2:].var(0) - 1).abs().max() > 0.05  # single components of a vector: anything, not 1.00
    assert abs(y[:, 2:].square().mean() - 1) < 1e-3  # all three together


def test_s0_13_the_statistics_of_samples_with_several_rows():
    irreps = "2x0e + 3x1o"
    norm, x = nn.BatchNorm(irreps), torch.randn(6, 4, 11)  # [batch, sample, components]
    theirs = e3nn.nn.BatchNorm(irreps)
    with torch.no_grad():
        for parameter in norm.parameters():
            parameter.normal_()
    theirs.load_state_dict({k: v for k, v in norm.state_dict().items() if k != "num_batches_tracked"})
    scalars, vectors = x[..., :2], x[..., 2:].unflatten(2, (3, 3))
    centred = scalars - scalars.mean((0, 1))
    # over batch and samples: the document's snippet forgets the samples
    expected = torch.cat(
        [
            centred * (centred.square().mean((0, 1)) + 1e-5).rsqrt() * norm.weight[:2] + norm.bias,
            (vectors * (vectors.square().mean((0, 1, 3)) + 1e-5).rsqrt()[:, None] * norm.weight[2:, None]).flatten(2),
        ],
        2,
    )
    for _ in range(3):
        ours = norm(x)
        close(ours, theirs(x))
    close(ours, expected)
    norm.eval(), theirs.eval()  # and the branch for evaluation, which the snippet leaves out
    close(norm(x), theirs(x))
    close(norm(x[:1]), theirs(x[:1]))


@pytest.mark.parametrize(
    "options", [{"instance": True}, {"reduce": "max"}, {"include_bias": False}, {"instance": True, "reduce": "max"}]
)
def test_s0_14_options_of_e3nn(options):
    x = torch.randn(6, 4, 11)
    close(nn.BatchNorm("2x0e + 3x1o", **options)(x), e3nn.nn.BatchNorm("2x0e + 3x1o", **options)(x))


def test_s0_15_activations_keep_the_second_moment():
    normalized = eqgraph.math.normalize2mom(torch.tanh)
    assert normalized.f is torch.tanh
    z = torch.randn(100_000)
    assert abs(normalized(z).square().mean() - 1) < 0.02
    close(nn.Activation("1x0e", [torch.tanh])(z[:9, None]), normalized.cst * torch.tanh(z[:9, None]))


def test_s0_16_moments():
    assert float(eqgraph.math.moment(torch.relu, 2)) == pytest.approx(0.5, abs=1e-7)
    moment = eqgraph.math.moment(torch.tanh, 2, dtype=torch.float64, device="cpu")
    assert moment.dtype == torch.float64
    # a million samples, with a seed in e3nn and without in the document, find it to three digits
    estimate = e3nn.math.moment(torch.tanh, 2, dtype=torch.float64, device="cpu")
    assert 1e-6 < abs(moment - estimate) < 2e-3
    cst = eqgraph.math.normalize2mom(lambda z: z).cst
    assert isinstance(cst, float)
    assert cst == 1  # so near to 1 that nothing is multiplied


def test_s0_17_normalized_tanh():
    assert eqgraph.math.normalize2mom(torch.tanh).cst == pytest.approx(1.59253742, abs=1e-8)
    assert e3nn.math.normalize2mom(torch.tanh).cst == pytest.approx(1.59253742, abs=2e-3)


def test_s0_18_batch_norm_looks_at_the_data_and_normalize2mom_does_not():
    x = torch.randn(30, 4)
    close(nn.BatchNorm("1x0e + 1x1o")(100 * x), nn.BatchNorm("1x0e + 1x1o")(x), 1e-3)
    activation = nn.Activation("4x0e", [torch.relu])
    close(activation(100 * x), 100 * activation(x))
    with pytest.raises(ValueError, match="expected scalars"):
        nn.Activation("1x0e + 1x1o", [torch.tanh, torch.tanh])


SCRIPT = """
import io, torch
from eqgraph import nn
layers = [
    (nn.BatchNorm("2x0e + 1x1o").eval(), torch.randn(7, 5)),
    (nn.Gate("2x0e", [torch.tanh], "1x0e", [torch.sigmoid], "1x1o"), torch.randn(7, 6)),
    (nn.Activation("2x0e", [torch.relu]), torch.randn(7, 2)),
]
for layer, x in layers:
    torch.testing.assert_close(torch.compile(layer, backend="eager", fullgraph=True)(x), layer(x))
    torch.testing.assert_close(torch.export.export(layer, (x,)).module()(x), layer(x))
"""


def test_s0_19_layers_compile_and_export():
    # in place of TorchScript, which torch has deprecated; in a process without the checker of annotations
    result = subprocess.run([sys.executable, "-W", "ignore", "-c", SCRIPT], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


# S1: equivariant modules


def test_s1_01_linear_mixes_equal_irreps_only():
    linear = o3.Linear("2x0e + 1x1o", "3x1o + 1x0e + 1x0o")
    assert [(i.i_in, i.i_out) for i in linear.instructions] == [(0, 1), (1, 0)]
    out = linear(torch.cat([torch.randn(4, 2), torch.zeros(4, 3)], 1))
    assert (out[:, :9] == 0).all()  # scalars give no vectors
    assert o3.Linear("1x0e", "1x1o").weight_numel == 0


def test_s1_02_one_matrix_for_each_pair():
    linear = o3.Linear("2x0e + 4x1o", "3x0e + 5x1o")
    assert [i.path_shape for i in linear.instructions] == [(2, 3), (4, 5)]
    x, (w0, w1) = torch.randn(7, 14), linear.weight.split([6, 20])
    vectors = torch.einsum("nui,uw->nwi", x[:, 2:].unflatten(1, (4, 3)), w1.view(4, 5)) / 2
    close(linear(x), torch.cat([x[:, :2] @ w0.view(2, 3) / 2**0.5, vectors.flatten(1)], 1))
    assert_equivariant(linear.double(), linear.irreps_in, linear.irreps_out)


def test_s1_03_the_example_of_linear():
    irreps_in, irreps_out = Irreps("0e + 1o"), Irreps("2x0e + 2x1o")
    assert (str(irreps_in), str(irreps_out)) == ("1x0e+1x1o", "2x0e+2x1o")
    x = irreps_in.randn(10, -1)
    y = o3.Linear(irreps_in=irreps_in, irreps_out=irreps_out)(x)
    assert (x.shape, y.shape) == ((10, 4), (10, 8))


def test_s1_04_number_of_weights():
    # 1·2 + 1·2, where the document prints 10
    assert repr(o3.Linear("0e + 1o", "2x0e + 2x1o")) == "Linear(1x0e+1x1o -> 2x0e+2x1o | 4 weights)"
    assert repr(e3nn.o3.Linear("0e + 1o", "2x0e + 2x1o")) == "Linear(1x0e+1x1o -> 2x0e+2x1o | 4 weights)"


def gate():
    return nn.Gate(
        irreps_scalars="1x0e",
        act_scalars=[torch.tanh],
        irreps_gates="1x0e",
        act_gates=[torch.sigmoid],
        irreps_gated="1x1o",
    )


def test_s1_05_gates_are_used_up():
    many = nn.Gate("4x0e", [torch.tanh], "3x0e", [torch.sigmoid], "2x1o + 1x2e")
    assert (many.irreps_in.dim, str(many.irreps_out)) == (4 + 3 + 6 + 5, "4x0e+2x1o+1x2e")


def test_s1_06_functions_of_components_break_equivariance_and_gates_do_not():
    x = Irreps("1x1o").randn(5, -1)
    rotation = o3.rand_matrix()
    assert (torch.relu(x @ rotation.T) - torch.relu(x) @ rotation.T).abs().max() > 0.1
    for function in (nn.Tanh, nn.Sigmoid, nn.ReLU):
        assert_equivariant(function("3x0e"), "3x0e", "3x0e")
        with pytest.raises(ValueError, match=r"nn.Gate, or nn.NormActivation"):
            function("3x0e + 1x1o")
    assert_equivariant(gate(), gate().irreps_in, gate().irreps_out)


def test_s1_07_one_gate_per_irrep_and_odd_gates():
    # as many gates as gated irreps, not as many entries: 3x0e for 2x1o+1x2e
    nn.Gate("1x0e", [torch.tanh], "3x0e", [torch.sigmoid], "2x1o + 1x2e")
    with pytest.raises(ValueError, match="one gate per gated irrep"):
        nn.Gate("1x0e", [torch.tanh], "2x0e", [torch.sigmoid], "2x1o + 1x2e")
    odd = nn.Gate("1x0e", [torch.tanh], "1x0o", [torch.tanh], "1x1o")  # gates need not be 0e
    assert str(odd.irreps_out) == "1x0e+1x1e"
    assert_equivariant(odd, odd.irreps_in, odd.irreps_out)
    with pytest.raises(ValueError, match="parity is violated"):
        nn.Gate("1x0e", [torch.tanh], "1x0o", [torch.sigmoid], "1x1o")


def test_s1_08_the_example_of_the_gate():
    x = Irreps("1x0e + 1x0e + 1x1o").randn(1, -1)
    assert gate()(x).shape == (1, 4)
    assert str(gate().irreps_out) == "1x0e+1x1o"
    assert repr(gate()) == "Gate (2x0e+1x1o -> 1x0e+1x1o)"  # the document prints it without simplifying


def test_s1_09_the_check_by_hand():
    x = Irreps("1x0e + 1x0e + 1x1o").randn(6, -1)
    scalars, gates, gated = (x[:, part] for part in Irreps("1x0e + 1x0e + 1x1o").slices())  # no slices_by_irreps
    y = gate()(x)
    # the document leaves out the constants that keep the second moment
    close(y, torch.cat([1.59253742 * torch.tanh(scalars), 1.84622855 * torch.sigmoid(gates) * gated], 1), 1e-6)


def test_s1_10_the_gate_from_its_parts():
    x = Irreps("3x0e + 2x0e + 2x1o").randn(6, -1)
    scalars, gates, gated = x.split([3, 2, 6], dim=1)
    scalars = nn.Activation("3x0e", [torch.tanh])(scalars)
    gates = nn.Activation("2x0e", [torch.sigmoid])(gates)
    product = o3.ElementwiseTensorProduct("2x0e", "2x1o")(gates, gated)
    whole = nn.Gate("3x0e", [torch.tanh], "2x0e", [torch.sigmoid], "2x1o")(x)
    close(whole, torch.cat([scalars, product], 1))


def test_s1_11_functions_of_odd_scalars():
    activation = nn.Activation("1x0o + 1x0o + 1x0e", [torch.tanh, torch.abs, torch.relu])
    assert str(activation.irreps_out) == "1x0o+1x0e+1x0e"
    assert_equivariant(activation, activation.irreps_in, activation.irreps_out)
    with pytest.raises(ValueError, match="parity is violated"):
        nn.Activation("1x0o", [torch.relu])


# S2: a first understanding of normalization


def test_s2_01_layer_norm_knows_no_batch():
    norm, x = nn.LayerNorm("4x0e + 2x1o"), torch.randn(6, 10)
    assert set(norm.state_dict()) == {"weight", "bias"}  # no running statistics
    assert torch.equal(norm.train()(x), norm.eval()(x))
    close(norm(x[2:3]), norm(x)[2:3])


def test_s2_02_shapes_of_weights():
    assert torch.nn.LayerNorm([3, 4]).weight.shape == (3, 4)  # one per element
    assert torch.nn.BatchNorm2d(3).weight.shape == (3,)  # one per channel, shared by positions
    # eqgraph: one per irrep in both, which of scalars is one per element of a row; never per node, whose order means nothing
    assert nn.LayerNorm("3x0e + 2x1o").weight.shape == nn.BatchNorm("3x0e + 2x1o").weight.shape == (5,)
    assert nn.LayerNorm("3x0e + 2x1o").bias.shape == (3,)


def test_s2_03_one_mean_and_variance_per_row():
    x = 3 + 2 * torch.randn(7, 50)
    close(nn.LayerNorm("50x0e")(x), torch.nn.LayerNorm(50)(x))
    standard = (x - x.mean(1, keepdim=True)) / (x.var(1, keepdim=True, correction=0) + 1e-5).sqrt()
    close(nn.LayerNorm("50x0e")(x), standard)


class FeedForward(torch.nn.Module):
    """The position-wise network of the document for all irreps; its norm is built once and learns."""

    def __init__(self, irreps, irreps_scalars, irreps_gated):
        super().__init__()
        gates = f"{Irreps(irreps_gated).num_irreps}x0e"
        self.gate = nn.Gate(irreps_scalars, [F.silu], gates, [torch.sigmoid], irreps_gated)
        self.first, self.second = o3.Linear(irreps, self.gate.irreps_in), o3.Linear(self.gate.irreps_out, irreps)
        self.norm = nn.LayerNorm(irreps)

    def forward(self, x):
        return self.norm(self.second(self.gate(self.first(x))) + x)


def test_s2_04_feed_forward_network():
    network = FeedForward("8x0e + 4x1o", "16x0e", "8x1o").double()
    assert_equivariant(network, "8x0e + 4x1o", "8x0e + 4x1o")
    # the document builds nn.LayerNorm in forward: parameters that no optimizer ever sees
    assert {name for name, _ in network.named_parameters()} >= {"norm.weight", "norm.bias"}


def test_s2_05_the_layer_norm_by_hand_is_another_function():
    def by_hand(x):
        return (x - x.mean(-1, keepdim=True)) / (x.std(-1, keepdim=True) + 1e-6)

    x = torch.randn(5, 8)
    truth = F.layer_norm(x, (8,))
    close(nn.LayerNorm("8x0e")(x), truth)
    close(by_hand(x), truth * (7 / 8) ** 0.5, 1e-4)  # its standard deviation is the unbiased one
    # ε outside the square root: a row of equal numbers, and all near it, is blown up by 1e6, and its second derivative is not a number
    flat = torch.ones(1, 8, requires_grad=True)
    gains, second = [], []
    for function in (by_hand, nn.LayerNorm("8x0e")):
        (first,) = torch.autograd.grad(function(flat)[0, 0], flat, create_graph=True)
        gains.append(first.abs().max())
        second.append(torch.autograd.grad(first.square().sum(), flat)[0])
    assert gains[0] > 8e5
    assert gains[1] < 316.3  # 1 / sqrt(ε)
    assert second[0].isnan().all()
    assert second[1].isfinite().all()


def test_s2_06_batch_norm_takes_statistics_over_all_but_channels():
    x = 3 * torch.randn(8, 3, 5, 6) + 2
    norm = nn.BatchNorm("3x0e", correction=1)
    torchs = torch.nn.BatchNorm2d(3)
    close(images(norm(rows(x))), torchs(x))
    close(norm.running_mean, torchs.running_mean)
    close(norm.running_var, torchs.running_var)
    other = x.clone()
    other[0] += 1
    assert (norm(rows(other))[1:] - norm(rows(x))[1:]).abs().max() > 1e-2  # other samples are noise to a sample

    def noise(nodes):
        y = [nn.BatchNorm("1x0e")(torch.cat([torch.ones(1, 1), torch.randn(nodes - 1, 1)]))[0, 0] for _ in range(200)]
        return torch.stack(y).std()

    assert noise(4) > 3 * noise(100)  # small batches are worse


def test_s2_07_training_and_evaluation():
    norm, x = nn.BatchNorm("2x0e + 1x1o"), torch.randn(20, 5)
    assert norm.training
    for _ in range(200):
        norm(x)
    norm.eval()
    close(norm(x[:1]), norm(x)[:1])
    close(norm(x), norm.train()(x), 1e-4)


def test_s2_08_three_constructors():
    # BatchNorm1d(400), BatchNorm1d(100, affine=False), BatchNorm2d(3, momentum=0.1)
    for channels, options, shape in ((400, {}, ()), (100, {"affine": False}, ()), (3, {"momentum": 0.1}, (32, 32))):
        x = torch.randn(20, channels, *shape)
        theirs = (torch.nn.BatchNorm2d if shape else torch.nn.BatchNorm1d)(channels, **options)
        close(images(nn.BatchNorm(f"{channels}x0e", **options)(rows(x))), theirs(x))


def test_s2_09_keys_of_the_state():
    keys = ["weight", "bias", "running_mean", "running_var", "num_batches_tracked"]
    assert list(nn.BatchNorm("3x0e").state_dict()) == list(torch.nn.BatchNorm2d(3).state_dict()) == keys
    theirs = e3nn.nn.BatchNorm("3x0e").state_dict()
    assert "num_batches_tracked" not in theirs
    nn.BatchNorm("3x0e").load_state_dict(theirs)


def test_s2_10_momentum_is_the_weight_of_the_new_batch():
    norm, theirs, x = nn.BatchNorm("4x0e", momentum=0.1), torch.nn.BatchNorm1d(4, momentum=0.1), torch.randn(9, 4) + 5
    with torch.no_grad():  # the document takes is_grad_enabled() for the mode; here it is .training
        norm(x), theirs(x)
    close(norm.running_mean, 0.1 * x.mean(0))  # not 0.9: the document has it the other way round
    close(norm.running_mean, theirs.running_mean)


def test_s2_11_batch_norm_keeps_sigmoids_out_of_saturation():
    x = 40 * torch.randn(100, 8)
    slopes = []
    for y in (x, nn.BatchNorm("8x0e")(x)):
        y = y.detach().requires_grad_()
        slopes.append(torch.autograd.grad(torch.sigmoid(y).sum(), y)[0].median())
    assert slopes[0] < 1e-6
    assert slopes[1] > 0.1


def test_s2_12_instance_norm_reduces_height_and_width():
    x = 2 + 3 * torch.randn(4, 5, 6, 3)  # N, H, W, C
    norm = nn.InstanceNorm("3x0e", eps=1e-6)
    mean, var = x.mean((1, 2), keepdim=True), x.var((1, 2), keepdim=True, correction=0)
    close(norm(x), (x - mean) * (var + 1e-6).rsqrt())
    assert torch.equal(norm.eval()(x), norm.train()(x))
    close(norm(x[:1]), norm(x)[:1])


def test_s2_13_center_and_scale():
    both, neither = nn.InstanceNorm("3x0e + 1x1o", eps=1e-6, affine=True), nn.InstanceNorm("3x0e + 1x1o", eps=1e-6)
    assert (both.weight.shape, both.bias.shape) == ((4,), (3,))
    assert list(neither.parameters()) == []
    scale = nn.BatchNorm("3x0e + 1x1o", instance=True, include_bias=False)
    assert [name for name, _ in scale.named_parameters()] == ["weight"]
    center = both.requires_grad_(True)
    center.weight.requires_grad_(False)  # a weight that stays at one
    assert [name for name, p in center.named_parameters() if p.requires_grad] == ["bias"]


# EvoNorm works on graphs: images are rows per sample


def test_s2_14_statistics_of_the_batch_in_b_and_not_in_s():
    x = torch.randn(4, 9, 11)
    irreps = "2x0e + 3x1o"
    b0, s0 = nn.EvoNormB0(irreps), nn.EvoNormS0(irreps, 1)
    assert not torch.allclose(b0(x)[:1], b0(x[:1]), atol=1e-3)
    close(s0(x)[:1], s0(x[:1]))
    assert (b0.couples_graphs, s0.couples_graphs) == (True, False)


def test_s2_15_evonorm_b0():
    x = 2 + 3 * torch.randn(4, 6, 5, 7)
    norm = nn.EvoNormB0("6x0e")
    assert not [module for module in norm.modules() if isinstance(module, nn.Activation)]
    y = images(norm(rows(x)))
    assert y.shape == x.shape
    eps = norm.eps
    batch = (x.var((0, 2, 3), keepdim=True, correction=0) + eps).sqrt()
    instance = (x.var((2, 3), keepdim=True, correction=0) + eps).sqrt()
    close(y, x / torch.maximum(batch, x + instance))  # v = 1, weight 1, bias 0
    assert_equivariant(nn.EvoNormB0("3x0e + 2x1o").double(), "3x0e + 2x1o", "3x0e + 2x1o")


def test_s2_16_evonorm_s0():
    x = 2 + 3 * torch.randn(4, 6, 5, 7)
    norm = nn.EvoNormS0("6x0e", 2)
    y = images(norm(rows(x)))
    grouped = x.unflatten(1, (2, 3))
    std = (grouped.var((2, 3, 4), keepdim=True, correction=0) + norm.eps).sqrt().expand_as(grouped).flatten(1, 2)
    close(y, x * torch.sigmoid(x) / std)  # x itself, not standardised
    assert [name for name, _ in norm.named_buffers() if name.startswith("running")] == []
    assert_equivariant(nn.EvoNormS0("4x0e + 2x1o", 2).double(), "4x0e + 2x1o", "4x0e + 2x1o")


def test_s2_17_they_take_the_place_of_norm_and_activation():
    # accuracies on ImageNet are claims of the paper, not tested here; what holds: without any other nonlinearity they are nonlinear
    for norm in (nn.EvoNormB0("4x0e"), nn.EvoNormS0("4x0e", 2)):
        x = torch.randn(3, 8, 4)
        odd, even = norm(x) - norm(-x), norm(x) + norm(-x)
        assert even.abs().max() > 0.1
        assert odd.abs().max() > 0.1


# S3: the normalizations of PyTorch


@pytest.mark.parametrize(
    "options", [{}, {"affine": False}, {"momentum": None}, {"track_running_stats": False}, {"eps": 1e-3}]
)
def test_s3_01_batch_norm_1d(options):
    ours, theirs = nn.BatchNorm("100x0e", correction=1, **options), torch.nn.BatchNorm1d(100, **options)
    for _ in range(3):
        x = 2 * torch.randn(20, 100) + 1
        close(ours(x), theirs(x))
    for name in ("running_mean", "running_var"):
        buffer = getattr(theirs, name)
        assert getattr(ours, name) is None if buffer is None else torch.allclose(getattr(ours, name), buffer, atol=1e-5)
    close(ours.eval()(x), theirs.eval()(x))


def test_s3_02_batch_norm_2d():
    x = torch.randn(20, 100, 35, 45)
    for options in ({}, {"affine": False}):
        close(images(nn.BatchNorm("100x0e", **options)(rows(x))), torch.nn.BatchNorm2d(100, **options)(x))


def test_s3_03_batch_norm_3d():
    x = torch.randn(20, 100, 3, 4, 10)  # the document's (20, 100, 35, 45, 10) with fewer voxels
    for options in ({}, {"affine": False}):
        close(images(nn.BatchNorm("100x0e", **options)(rows(x))), torch.nn.BatchNorm3d(100, **options)(x))


def is_initialized(lazy):
    """Whether any of the four tensors has values."""
    tensors = (lazy.weight, lazy.bias, lazy.running_mean, lazy.running_var)
    return any(not torch.nn.parameter.is_lazy(tensor) and tensor.numel() > 0 for tensor in tensors)


@pytest.mark.parametrize("space", [(), (35, 45), (2, 5, 6)])
def test_s3_04_lazy_batch_norm(space):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # lazy modules of torch once were new
        lazy = {0: torch.nn.LazyBatchNorm1d, 2: torch.nn.LazyBatchNorm2d, 3: torch.nn.LazyBatchNorm3d}
        theirs = lazy[len(space)]()
    ours, x = nn.LazyBatchNorm(), torch.randn(20, 100, *space)
    assert not is_initialized(ours)
    copies = copy.deepcopy(ours), pickle.loads(pickle.dumps(ours))  # the document warns of copies of lazy modules
    for layer in (ours, *copies):
        close(images(layer(rows(x))), theirs(x))
    assert type(ours) is nn.BatchNorm
    assert str(ours.irreps) == "100x0e"
    vectors = nn.LazyBatchNorm("1x0e + 1x1o")  # a width does not tell irreps: the template does
    assert vectors(torch.randn(7, 32)).shape == (7, 32)
    assert str(vectors.irreps) == "8x0e+8x1o"


@pytest.mark.parametrize("groups", [3, 6, 1])
def test_s3_05_group_norm(groups):
    x = torch.randn(20, 6, 10, 10)
    ours, theirs = nn.GroupNorm("6x0e", groups), torch.nn.GroupNorm(groups, 6)
    y = images(ours(rows(x)))
    close(y, theirs(x))
    if groups == 6:
        close(y, torch.nn.InstanceNorm2d(6)(x))
    if groups == 1:
        close(y, F.layer_norm(x, (6, 10, 10)))
    assert_equivariant(nn.GroupNorm("4x0e + 2x1o", 2).double(), "4x0e + 2x1o", "4x0e + 2x1o")
    with pytest.raises(ValueError, match="GroupNorm"):
        nn.GroupNorm("6x0e", 4)


def test_s3_06_sync_batch_norm():
    x = torch.randn(20, 100, 35, 45)
    ours = nn.SyncBatchNorm("100x0e")  # without a process group: a BatchNorm
    close(images(ours(rows(x))), torch.nn.SyncBatchNorm(100)(x))
    model = torch.nn.Sequential(o3.Linear("20x0e", "100x0e"), nn.BatchNorm("100x0e"))
    converted = nn.convert_sync_batchnorm(model)
    assert [type(layer) for layer in converted] == [o3.Linear, nn.SyncBatchNorm]
    plain = torch.nn.Sequential(torch.nn.Linear(20, 100), torch.nn.BatchNorm1d(100))  # the document's model
    assert type(nn.convert_sync_batchnorm(plain)[1]) is torch.nn.SyncBatchNorm


@pytest.mark.parametrize("shape", [(20, 100, 40), (20, 100, 35, 45), (20, 100, 3, 5, 10)])  # 3D with fewer voxels
@pytest.mark.parametrize("affine", [False, True])
def test_s3_07_instance_norm(shape, affine):
    torchs = {3: torch.nn.InstanceNorm1d, 4: torch.nn.InstanceNorm2d, 5: torch.nn.InstanceNorm3d}[len(shape)]
    ours, theirs, x = nn.InstanceNorm("100x0e", affine=affine), torchs(100, affine=affine), torch.randn(shape)
    close(images(ours(rows(x))), theirs(x))
    assert torch.equal(ours.eval()(rows(x)), ours.train()(rows(x)))
    if shape == (20, 100, 40):
        ours, theirs = (layer(i, track_running_stats=True) for layer, i in ((nn.InstanceNorm, "100x0e"), (torchs, 100)))
        close(images(ours(rows(x))), theirs(x))
        close(images(ours.eval()(rows(x))), theirs.eval()(x))  # running statistics


@pytest.mark.parametrize("shape", [(20, 100, 40), (20, 100, 35, 45), (20, 100, 3, 4, 5)])  # 3D with fewer voxels
def test_s3_08_lazy_instance_norm(shape):
    ours, x = nn.LazyInstanceNorm(affine=True, track_running_stats=True), torch.randn(shape)
    assert not is_initialized(ours)
    close(images(ours(rows(x))), F.instance_norm(x))
    assert type(ours) is nn.InstanceNorm


def test_s3_09_layer_norm():
    x = torch.randn(20, 5, 10)
    ours, theirs = nn.LayerNorm("10x0e"), torch.nn.LayerNorm(10)
    with torch.no_grad():
        theirs.weight.normal_(), theirs.bias.normal_()
    ours.load_state_dict(theirs.state_dict())
    close(ours(x), theirs(x))
    assert list(nn.LayerNorm("10x0e", elementwise_affine=False).parameters()) == []
    assert [name for name, _ in nn.LayerNorm("10x0e", bias=False).named_parameters()] == ["weight"]
    # [C, H, W]: one statistic per image is that of a graph; a weight per pixel would depend on the order of nodes
    x = torch.randn(20, 5, 10, 10)
    close(images(nn.LayerNorm("5x0e", mode="graph")(rows(x))), torch.nn.LayerNorm([5, 10, 10])(x))


@pytest.mark.parametrize("shape", [(32, 5, 24, 24), (16, 5, 7, 7, 7, 7)])
def test_s3_10_local_response_norm(shape):
    x = torch.randn(shape)
    for options in ({"size": 2}, {"size": 3, "alpha": 0.5, "beta": 0.6, "k": 2.0}):
        ours = nn.LocalResponseNorm("5x0e", **options)
        close(images(ours(rows(x))), torch.nn.LocalResponseNorm(**options)(x))
    layer = nn.LocalResponseNorm("5x0e + 4x1o", 3, alpha=1.0).double()
    assert_equivariant(layer, "5x0e + 4x1o", "5x0e + 4x1o")


# S4: normalization, dropout, nonlinearities


def test_s4_01_batch_norm_2d_in_a_convolution_block():
    conv, norm = torch.nn.Conv2d(3, 8, kernel_size=3, padding=1), torch.nn.BatchNorm2d(8)  # ConvBNReLU
    x = torch.randn(4, 3, 16, 16)
    theirs = torch.relu(norm(conv(x)))
    ours = images(nn.ReLU("8x0e")(nn.BatchNorm("8x0e", eps=1e-5, momentum=0.1)(rows(conv(x)))))
    close(ours, theirs)
    z = conv(x)
    expected = (z - z.mean((0, 2, 3), keepdim=True)) / (z.var((0, 2, 3), keepdim=True, correction=0) + 1e-5).sqrt()
    close(theirs, torch.relu(expected))
    block = torch.nn.Sequential(o3.Linear("4x0e + 2x1o", "6x0e + 2x1o"), nn.BatchNorm("6x0e + 2x1o"))  # with vectors
    block.append(nn.Gate("4x0e", [torch.relu], "2x0e", [torch.sigmoid], "2x1o"))
    assert_equivariant(block.double(), "4x0e + 2x1o", "4x0e + 2x1o")


def test_s4_02_layer_norm_of_two_axes():
    x = torch.randn(20, 64, 32)
    theirs = torch.nn.LayerNorm(normalized_shape=[64, 32])(x)
    close(nn.LayerNorm("32x0e", mode="graph")(x), theirs)  # 20 graphs of 64 nodes


def test_s4_03_instance_norm_2d():
    x = torch.randn(20, 64, 32, 32)
    close(images(nn.InstanceNorm("64x0e", affine=True)(rows(x))), torch.nn.InstanceNorm2d(64, affine=True)(x))


def test_s4_04_group_norm():
    x = torch.randn(20, 64, 32, 32)
    close(images(nn.GroupNorm("64x0e", 8)(rows(x))), torch.nn.GroupNorm(num_groups=8, num_channels=64)(x))


class NormalizationExample(torch.nn.Module):
    """The document's module for irreps on graphs."""

    def __init__(self, irreps, num_groups=8):
        super().__init__()
        self.batch_norm, self.layer_norm = nn.BatchNorm(irreps), nn.LayerNorm(irreps, mode="graph")
        self.instance_norm, self.group_norm = nn.InstanceNorm(irreps), nn.GroupNorm(irreps, num_groups)

    def forward(self, x, batch=None):
        return {name: norm(x, batch) for name, norm in self.named_children()}


def test_s4_05_four_normalizations_side_by_side():
    x = torch.randn(4, 16, 32, 32)
    outs = NormalizationExample("16x0e")(rows(x))
    expected = {
        "batch_norm": torch.nn.BatchNorm2d(16),
        "layer_norm": torch.nn.LayerNorm([16, 32, 32]),
        "instance_norm": torch.nn.InstanceNorm2d(16),
        "group_norm": torch.nn.GroupNorm(8, 16),
    }
    assert list(outs) == list(expected)
    for name, theirs in expected.items():
        close(images(outs[name]), theirs(x))
    batch = torch.tensor([0, 1, 0, 1, 1])
    vectors = NormalizationExample("8x0e + 8x1o").double()
    assert_equivariant(lambda x: list(vectors(x, batch).values()), "8x0e + 8x1o", ["8x0e + 8x1o"] * 4)


def test_s4_06_which_to_choose():
    # advice, see the table; what can be measured: batch statistics of few nodes are noise, those of a node or graph are not affected
    x = torch.randn(2, 16)
    for norm in (nn.LayerNorm("16x0e"), nn.GroupNorm("16x0e", 4, mode="node")):
        close(norm(x)[:1], norm(x[:1]))
    assert (nn.BatchNorm("16x0e")(x).abs() - 1).abs().max() < 0.1  # two nodes: nothing is left but a sign
    norm = nn.BatchNorm("16x0e")
    assert not torch.allclose(norm.train()(x), norm.eval()(x), atol=1e-2)


def test_s4_07_dropout():
    drop, x = nn.Dropout("50x0e + 20x1o", p=0.5), torch.randn(200, 110)
    y = drop(x)
    mask = (y != 0).to(x.dtype)
    close(y, x * mask / (1 - 0.5))
    assert abs(mask.mean() - 0.5) < 0.02
    kept = mask[:, 50:].unflatten(1, (20, 3))
    assert (kept == kept[..., :1]).all()  # a vector is dropped as a whole
    assert torch.equal(drop.eval()(x), x)
    again = x.clone()
    assert nn.Dropout("50x0e + 20x1o", p=0.5, inplace=True)(again) is again
    assert nn.Dropout("1x0e").p == torch.nn.Dropout().p == 0.5
    net = torch.nn.Sequential(  # SimpleNet
        o3.Linear("100x0e", "50x0e"), nn.ReLU("50x0e"), nn.Dropout("50x0e", p=0.5), o3.Linear("50x0e", "10x0e")
    )
    assert net(torch.randn(3, 100)).shape == (3, 10)


def check_whole_channels(y, x, p):
    """(N, C, ...): each channel of each sample is either zero or x / (1 - p)."""
    kept = (y != 0).flatten(2).any(2)
    close(y, x * kept.reshape(*kept.shape, *(1 for _ in y.shape[2:])) / (1 - p))
    assert abs((~kept).float().mean() - p) < 0.1


def test_s4_08_dropout_2d():
    conv, x = torch.nn.Conv2d(3, 64, 3), torch.randn(8, 3, 12, 12)  # ConvNet
    z = torch.relu(conv(x)) + 0.1
    check_whole_channels(torch.nn.Dropout2d(p=0.2)(z), z, 0.2)
    drop = nn.ChannelDropout("64x0e", p=0.2)
    check_whole_channels(images(drop(rows(z))), z, 0.2)
    assert torch.equal(drop.eval()(rows(z)), rows(z))


def test_s4_09_dropout_3d():
    conv, x = torch.nn.Conv3d(1, 16, 3), torch.randn(16, 1, 5, 5, 5)  # Conv3DNet
    z = torch.relu(conv(x)) + 0.1
    check_whole_channels(torch.nn.Dropout3d(p=0.3)(z), z, 0.3)
    check_whole_channels(images(nn.ChannelDropout("16x0e", p=0.3)(rows(z))), z, 0.3)


def test_s4_10_a_network_with_both():
    conv, drop = torch.nn.Conv2d(3, 64, 3), nn.ChannelDropout("64x0e", p=0.2)  # ComplexNet
    x = images(drop(rows(torch.relu(conv(torch.randn(2, 3, 32, 32))))))
    flat = x.reshape(x.size(0), -1)  # view needs channels first in memory
    assert flat.shape == (2, 57600)  # 64 · 30 · 30
    head = torch.nn.Sequential(
        torch.nn.Linear(57600, 16), nn.ReLU("16x0e"), nn.Dropout("16x0e", 0.5), torch.nn.Linear(16, 10)
    )
    assert head(flat).shape == (2, 10)


def test_s4_11_selu():
    x = torch.linspace(-5, 5, 101).unsqueeze(1)
    scale, alpha = 1.0507009873554805, 1.6732632423543772
    formula = scale * (x.clamp(min=0) + (alpha * (x.exp() - 1)).clamp(max=0))
    close(nn.SELU("1x0e")(x), formula)
    close(nn.SELU("1x0e")(x), F.selu(x))
    z, layer = torch.randn(2000, 100), nn.SELU("100x0e")  # self-normalizing
    for _ in range(16):
        z = layer(z @ (torch.randn(100, 100) / 10))
    assert abs(z.mean()) < 0.2
    assert abs(z.var() - 1) < 0.4
    assert eqgraph.math.normalize2mom(F.selu).cst == 1.0  # no constant needed
    net = torch.nn.Sequential(
        o3.Linear("100x0e", "50x0e"), nn.SELU("50x0e"), o3.Linear("50x0e", "10x0e"), nn.SELU("10x0e")
    )
    assert net(torch.randn(3, 100)).shape == (3, 10)  # SELUNet


def test_s4_12_alpha_dropout():
    x = F.selu(torch.randn(4000, 50))
    for p in (0.1, 0.3):
        drop = nn.AlphaDropout("50x0e", p=p)
        y = drop(x)
        assert abs(y.mean() - x.mean()) < 0.02
        assert abs(y.var() - x.var()) < 0.03
        assert torch.equal(drop.eval()(x), x)
    # dropped values are not -1.758 in the end: the affine map that keeps mean and variance moves them, at p = 0.3 to
    dropped = -1.0595
    assert y.min().item() == pytest.approx(dropped, abs=1e-3)
    assert torch.nn.functional.alpha_dropout(x, 0.3, True).min().item() == pytest.approx(dropped, abs=1e-3)
    vectors = nn.AlphaDropout("100x1o", p=0.3)  # for vectors the only saturation that turns with them is zero
    v = torch.randn(2000, 300)
    w = vectors(v)
    assert abs(w.mean()) < 0.01
    assert abs(w.square().mean() - v.square().mean()) < 0.03

    def hidden():
        return [nn.SELU("512x0e"), nn.AlphaDropout("512x0e", p=0.2)]

    net = torch.nn.Sequential(  # SelfNormalizingNet(784, 512, 10, 0.2)
        o3.Linear("784x0e", "512x0e"), *hidden(), o3.Linear("512x0e", "512x0e"), *hidden(), o3.Linear("512x0e", "10x0e")
    )
    assert net(torch.randn(3, 784)).shape == (3, 10)


def test_s4_13_the_usual_functions():
    x = 3 * torch.randn(20, 10)
    pairs = [
        (nn.Sigmoid, torch.nn.Sigmoid(), 1 / (1 + (-x).exp())),
        (nn.Tanh, torch.nn.Tanh(), (x.exp() - (-x).exp()) / (x.exp() + (-x).exp())),
        (nn.ReLU, torch.nn.ReLU(inplace=False), x.clamp(min=0)),
        (nn.PReLU, torch.nn.PReLU(), x.clamp(min=0) + 0.25 * x.clamp(max=0)),
    ]
    for layer, theirs, formula in pairs:
        close(layer("10x0e")(x), theirs(x))
        close(theirs(x), formula)
    assert 0 <= torch.sigmoid(x).min() <= torch.sigmoid(x).max() <= 1
    assert torch.tanh(x).abs().max() <= 1
    # Softmax(dim=1) of 0e: plain torch, since scalars do not turn; over the edges of a node or nodes of a graph: nn.EdgeSoftmax, ...
    close(torch.nn.Softmax(dim=1)(x).sum(1), torch.ones(20))
    close(nn.NodeSoftmax()(x.T).T, torch.nn.Softmax(dim=1)(x))
    head = torch.nn.Sequential(torch.nn.Linear(10, 1), torch.nn.Sigmoid())  # SigmoidExample
    assert head(x).shape == (20, 1)
    inplace = x.clone()
    assert (
        torch.nn.ReLU(inplace=True)(inplace) is inplace
    )  # the plain one saves memory where no second derivative is taken


def test_s4_14_prelu_has_one_parameter_by_default():
    # the document: one per channel
    assert torch.nn.PReLU().weight.shape == torch.nn.PReLU(num_parameters=1).weight.shape == (1,)
    assert nn.PReLU("5x0e").weight.shape == nn.PReLU("5x0e", num_parameters=1).weight.shape == (1,)
    assert nn.PReLU("5x0e", num_parameters=5).weight.shape == (5,)
    layer = nn.VectorPReLU("4x0e + 2x1o").double()
    assert_equivariant(layer, "4x0e + 2x1o", "4x0e + 2x1o")


def test_s4_15_softmax_and_its_loss():
    logits, target = 3 * torch.randn(6, 4), torch.tensor([0, 3, 1, 1, 2, 0])
    close(torch.softmax(logits, 1).sum(1), torch.ones(6))
    assert (logits + 1e4).exp().isinf().all()
    assert torch.softmax(logits + 1e4, 1).isfinite().all()  # torch subtracts the largest logit, and so does EdgeSoftmax
    index = torch.tensor([0, 0, 1, 1, 1, 1])
    assert nn.EdgeSoftmax()(1e4 * logits, index, 2).isfinite().all()
    loss = F.cross_entropy(logits, target)
    close(loss, F.nll_loss(torch.log_softmax(logits, 1), target))
    assert abs(loss - F.cross_entropy(torch.softmax(logits, 1), target)) > 0.05  # a softmax before it is one too many
    close(nn.NodeLogSoftmax()(logits), torch.log_softmax(logits, 0))
    classifier = torch.nn.Sequential(  # MultiClassClassifier on the scalars of an equivariant network
        o3.Linear("8x0e + 4x1o", "16x0e"), nn.ReLU("16x0e"), o3.Linear("16x0e", "3x0e"), torch.nn.Softmax(dim=1)
    )
    x = Irreps("8x0e + 4x1o").randn(5, -1)
    close(classifier(turned("8x0e + 4x1o", x)), classifier(x))
