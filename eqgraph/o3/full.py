"""The tensor product of representations, decomposed into irreps."""

from .irreps import Irreps, IrrepsLike
from .tensor_product import TensorProduct


class FullTensorProduct(TensorProduct):
    """Every copy of the first input times every copy of the second, without weights.

    It is a change of basis of the outer product. The output is sorted; entries of the same irrep are not merged.

    Args:
        irreps_in1: irreps of the first input; simplified.
        irreps_in2: irreps of the second input; simplified.
        filter_ir_out: irreps to keep in the output, by default all.
        irrep_normalization: see `TensorProduct`.
        kwargs: further arguments of `TensorProduct`.

    Example:
        >>> FullTensorProduct("2x1o", "0e + 1o").irreps_out
        2x0e+2x1o+2x1e+2x2e

    Reference: Geiger & Smidt 2022, arXiv:2207.09453, section 5.
    """

    def __init__(
        self,
        irreps_in1: IrrepsLike,
        irreps_in2: IrrepsLike,
        filter_ir_out: IrrepsLike = None,
        irrep_normalization: str | None = None,
        **kwargs,
    ):
        irreps_in1, irreps_in2 = Irreps(irreps_in1).simplify(), Irreps(irreps_in2).simplify()
        keep = None if filter_ir_out is None else Irreps(filter_ir_out)
        paths = [
            (i1, i2, (mul1 * mul2, ir))
            for i1, (mul1, ir1) in enumerate(irreps_in1)
            for i2, (mul2, ir2) in enumerate(irreps_in2)
            for ir in ir1 * ir2
            if keep is None or ir in keep
        ]
        irreps_out, place, _ = Irreps([mul_ir for _, _, mul_ir in paths]).sort()
        instructions = [(i1, i2, place[n], "uvuv", False) for n, (i1, i2, _) in enumerate(paths)]
        super().__init__(
            irreps_in1, irreps_in2, irreps_out, instructions, irrep_normalization=irrep_normalization, **kwargs
        )
