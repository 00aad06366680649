"""torch.compile and torch.export of the layers, in a process of their own: the annotation checker of the tests cannot be traced."""

import subprocess
import sys

SCRIPT = """
import torch
from eqgraph import nn, o3, ops
from eqgraph.models import NequIP, NequIPConfig

torch.manual_seed(0)
nodes, edges = 6, 15
species, edge_index, edge_vec = torch.randint(2, (nodes,)), torch.randint(nodes, (2, edges)), torch.randn(edges, 3)
edge_sh = o3.spherical_harmonics([0, 1, 2], edge_vec, normalize=True, normalization="component")
edge_radial = torch.randn(edges, 8)
conv = nn.TensorProductConv("4x0e + 2x1o", "0e + 1o + 2e")
attention = nn.AttentionConv("4x0e + 2x1o", "0e + 1o + 2e", "4x0e + 2x1o", 8, num_heads=2)
interaction = nn.Interaction("4x0e", "4x0e + 2x1o", "0e + 1o + 2e", 2, 8, normalization="batch").eval()
gate = nn.Gate("4x0e", [torch.tanh], "2x0e", [torch.sigmoid], "2x1o")
cases = [
    (conv, (torch.randn(nodes, 10), edge_index, edge_sh, edge_radial)),
    (interaction, (torch.randn(nodes, 4), species, edge_index, edge_sh, edge_radial)),
    (attention, (torch.randn(nodes, 10), edge_index, edge_sh, edge_radial, torch.rand(edges))),
    (gate, (torch.randn(nodes, 12),)),
    (nn.S2Activation("4x0e + 4x1o", torch.tanh, 6), (torch.randn(nodes, 16),)),
    (nn.Invariants("4x0e + 2x1o", "bispectrum"), (torch.randn(nodes, 10),)),
    *((nn.GlobalPool("4x0e + 2x1o", how), (torch.randn(nodes, 10), species, 2)) for how in ("mean", "max", "attention")),
    (nn.NeighborPool("4x0e + 2x1o"), (torch.randn(nodes, 10), edge_index, (nodes, nodes))),
    (nn.BatchNorm("4x0e + 2x1o"), (torch.randn(nodes, 10),)),
    (NequIP(NequIPConfig(num_layers=2, num_features=4), 2, 5.0, 3.0), (species, edge_vec, ops.Edges.of(edge_index, nodes, nodes))),
]
for layer, arguments in cases:
    compiled = torch.compile(layer, backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(*arguments), layer(*arguments))
for layer in (conv, interaction, attention):  # exporting leaves no tracing artifacts behind
    arguments = dict(cases)[layer]
    exported = torch.export.export(layer, arguments).module()
    torch.testing.assert_close(exported(*arguments), layer(*arguments))
    assert type(layer(*arguments)) is torch.Tensor
"""


def test_compiled_and_exported_layers_give_the_same_values():
    result = subprocess.run([sys.executable, "-W", "ignore", "-c", SCRIPT], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
