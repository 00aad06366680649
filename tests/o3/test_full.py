"""The decomposition of the product into irreps."""

import torch

from eqgraph import o3
from eqgraph.testing import assert_equivariant


def test_full_is_an_orthogonal_change_of_basis():
    tp = o3.FullTensorProduct("2x1o + 2e", "1e + 2x0o", irrep_normalization="none")
    x, y = tp.irreps_in1.randn(4, -1), tp.irreps_in2.randn(4, -1)
    # the norm of one block is that of its wigner_3j: √(2 l_out + 1) short of orthogonal
    scale = torch.cat([torch.full((mul_ir.dim,), mul_ir.ir.dim**0.5) for mul_ir in tp.irreps_out])
    torch.testing.assert_close((tp(x, y) * scale).norm(dim=-1), x.norm(dim=-1) * y.norm(dim=-1))
    assert tp.irreps_out == tp.irreps_out.sort().irreps
    assert tp.irreps_out.dim == 11 * 5
    assert o3.FullTensorProduct("2x1o", "2x1o", ["0e"]).irreps_out == o3.Irreps("4x0e")
    tp = tp.double()
    assert_equivariant(tp, [tp.irreps_in1, tp.irreps_in2], [tp.irreps_out], tolerance=1e-12)
