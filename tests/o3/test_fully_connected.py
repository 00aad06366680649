"""All paths, all weights."""

from eqgraph import o3
from eqgraph.testing import assert_equivariant


def test_fully_connected_takes_all_paths_in_order():
    tp = o3.FullyConnectedTensorProduct("2x1o + 0e", "1o + 0e", "3x0e + 1e + 1o")
    assert [(ins.i_in1, ins.i_in2, ins.i_out) for ins in tp.instructions] == [
        (0, 0, 0),
        (0, 0, 1),
        (0, 1, 2),
        (1, 0, 2),
        (1, 1, 0),
    ]
    assert repr(tp) == "FullyConnectedTensorProduct(2x1o+1x0e x 1x1o+1x0e -> 3x0e+1x1e+1x1o | 14 paths | 14 weights)"
    assert_equivariant(tp.double(), [tp.irreps_in1, tp.irreps_in2], [tp.irreps_out], tolerance=1e-12)
