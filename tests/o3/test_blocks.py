import torch

from eqgraph.o3 import Irreps, Linear
from eqgraph.o3.blocks import from_blocks, to_blocks


def test_blocks_are_the_features_with_channels_last():
    features, sizes = torch.randn(5, 2 * 3 + 4), [(2, 3), (4, 1)]
    blocks = to_blocks(features, sizes)
    assert torch.equal(blocks[0][:, 1, 0], features[:, 1])  # component 1 of copy 0
    assert torch.equal(blocks[0][:, 0, 1], features[:, 3])  # component 0 of copy 1
    assert torch.equal(from_blocks(blocks), features)


def test_a_linear_map_of_blocks_is_that_of_the_features():
    linear = Linear("4x0e + 3x1o", "2x1o + 5x0e + 1x2e").double()
    features, sizes = torch.randn(6, 13, dtype=torch.float64), [(mul, ir.dim) for mul, ir in Irreps("4x0e + 3x1o")]
    out, before = linear(features), linear.forward_blocks(to_blocks(features, sizes))
    torch.testing.assert_close(from_blocks(before), out)
    torch.testing.assert_close(from_blocks(linear.forward_blocks(to_blocks(features, sizes), add_to=before)), 2 * out)
