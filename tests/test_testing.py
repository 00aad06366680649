"""The public check of equivariance finds what is broken and says where."""

import pytest
import torch

from eqgraph import nn, o3
from eqgraph.testing import assert_equivariant


def test_a_broken_block_is_named():
    def broken(x):
        return torch.cat([x[:, :2], torch.relu(x[:, 2:])], dim=-1)

    with pytest.raises(
        AssertionError, match=r"output 0 \('2x0e\+1x1o'\) is not equivariant: block 1 \(1x1o\): relative error"
    ):
        assert_equivariant(broken, "2x0e + 1x1o", "2x0e + 1x1o")


def test_parity_counts():
    def cross(x):  # of two vectors: a pseudovector
        return torch.linalg.cross(x[:, :3], x[:, 3:])

    assert_equivariant(cross, "2x1o", "1e")
    with pytest.raises(AssertionError, match="not equivariant"):
        assert_equivariant(cross, "2x1o", "1o")


def test_several_inputs_and_outputs():
    product = o3.FullyConnectedTensorProduct("2x0e + 1x1o", "1o", "2x1o + 1x0e").double()
    assert_equivariant(lambda x, y: (product(x, y), 2 * x), ["2x0e + 1x1o", "1o"], ["2x1o + 1x0e", "2x0e + 1x1o"])


def test_not_a_number_is_not_equivariant():
    with pytest.raises(AssertionError, match="not equivariant"):
        assert_equivariant(lambda x: x * torch.nan, "1o", "1o")


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x: (x, x), "expected 1 outputs, one per entry of irreps_out, got 2"),
        (lambda x: x.float(), r"expected float64 outputs, .* Call .double\(\)"),
        (lambda x: x[:, :2], r"expected last axis 3 \('1x1o'\), got shape \(5, 2\)"),
    ],
)
def test_functions_that_do_not_fit(function, message):
    with pytest.raises(AssertionError, match=message):
        assert_equivariant(function, "1o", "1o")


def test_a_layer_of_the_library_passes():
    assert_equivariant(nn.BatchNorm("2x0e + 1x1o").double(), "2x0e + 1x1o", "2x0e + 1x1o")
