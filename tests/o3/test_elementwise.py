"""Copies one by one."""

import pytest
import torch

from eqgraph import o3
from eqgraph.testing import assert_equivariant


def test_elementwise_aligns_copies():
    tp = o3.ElementwiseTensorProduct("2x0e + 3x1o", "1x0e + 4x1o")
    assert tp.irreps_out == o3.Irreps("0e+1o+3x0e+3x1e+3x2e")
    assert_equivariant(tp.double(), ["2x0e + 3x1o", "1x0e + 4x1o"], [tp.irreps_out], tolerance=1e-12)
    assert o3.ElementwiseTensorProduct("3x1o", "3x1o", ["0e"]).irreps_out == o3.Irreps("3x0e")
    assert o3.ElementwiseTensorProduct("3x1o", "3x1o", "0e + 1e").irreps_out == o3.Irreps("3x0e+3x1e")
    x = torch.randn(5, 9)
    dot = o3.ElementwiseTensorProduct("3x1o", "3x1o", ["0e"], irrep_normalization="norm")(x, x)
    torch.testing.assert_close(dot, x.unflatten(-1, (3, 3)).square().sum(-1) * 3**0.5)
    with pytest.raises(ValueError, match=r"got 2 in '2x1o' and 3 in '3x1o'. Use FullTensorProduct"):
        o3.ElementwiseTensorProduct("2x1o", "3x1o")
