import torch

from eqgraph.o3 import Irreps, Linear
from eqgraph.o3.blocks import cut, from_blocks, from_flat, join, to_blocks, to_flat


def test_blocks_are_the_features_with_channels_last():
    features, sizes = torch.randn(5, 2 * 3 + 4), [(2, 3), (4, 1)]
    blocks = to_blocks(features, sizes)
    assert torch.equal(blocks[0][:, 1, 0], features[:, 1])  # component 1 of copy 0
    assert torch.equal(blocks[0][:, 0, 1], features[:, 3])  # component 0 of copy 1
    assert torch.equal(from_blocks(blocks), features)


def test_a_vector_of_blocks():
    features, sizes = torch.randn(5, 2 * 3 + 4), [(2, 3), (4, 1)]
    flat = to_flat(features, sizes)
    assert all(torch.equal(one, other) for one, other in zip(cut(flat, sizes), to_blocks(features, sizes), strict=True))
    assert torch.equal(join(cut(flat, sizes)), flat)
    assert torch.equal(from_flat(flat, sizes), features)


def test_a_linear_map_of_a_vector_of_blocks_is_that_of_the_features():
    irreps_in, irreps_out = Irreps("4x0e + 3x1o"), Irreps("2x1o + 5x0e + 1x2e")
    linear = Linear(irreps_in, irreps_out).double()
    features = torch.randn(6, 13, dtype=torch.float64)
    flat = linear.forward_flat(to_flat(features, [(mul, ir.dim) for mul, ir in irreps_in]))
    torch.testing.assert_close(from_flat(flat, [(mul, ir.dim) for mul, ir in irreps_out]), linear(features))
