"""The tensor product of copies one by one."""

from .irreps import Irreps, IrrepsLike
from .tensor_product import TensorProduct


class ElementwiseTensorProduct(TensorProduct):
    """Copy number n of the first input times copy number n of the second, without weights.

    Args:
        irreps_in1: irreps of the first input; simplified.
        irreps_in2: irreps of the second input, with as many copies in total; simplified.
        filter_ir_out: irreps to keep in the output, by default all.
        irrep_normalization: see `TensorProduct`.
        kwargs: further arguments of `TensorProduct`.

    Raises:
        ValueError: if the inputs have different numbers of copies.

    Example:
        >>> norms = ElementwiseTensorProduct("4x0e + 4x1o", "4x0e + 4x1o", ["0e"])
        >>> norms
        ElementwiseTensorProduct(4x0e+4x1o x 4x0e+4x1o -> 8x0e | 8 paths | 0 weights)

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
        if irreps_in1.num_irreps != irreps_in2.num_irreps:
            raise ValueError(
                "ElementwiseTensorProduct: expected inputs with the same number of copies, got "
                f"{irreps_in1.num_irreps} in '{irreps_in1}' and {irreps_in2.num_irreps} in '{irreps_in2}'. "
                "Use FullTensorProduct to multiply each copy by all."
            )
        cuts = sorted({*_ends(irreps_in1), *_ends(irreps_in2)})
        pieces = [slice(start, stop) for start, stop in zip([0, *cuts], cuts, strict=False)]
        irreps_in1, irreps_in2 = (
            Irreps([irreps.slice_by_mul[piece][0] for piece in pieces]) for irreps in (irreps_in1, irreps_in2)
        )
        keep = None if filter_ir_out is None else Irreps(filter_ir_out)
        irreps_out, instructions = [], []
        for i, ((mul, ir1), (_, ir2)) in enumerate(zip(irreps_in1, irreps_in2, strict=True)):
            for ir in ir1 * ir2:
                if keep is None or ir in keep:
                    instructions.append((i, i, len(irreps_out), "uuu", False))
                    irreps_out.append((mul, ir))
        super().__init__(
            irreps_in1, irreps_in2, irreps_out, instructions, irrep_normalization=irrep_normalization, **kwargs
        )


def _ends(irreps: Irreps) -> list[int]:
    """The number of copies up to and with each entry."""
    return [irreps[: i + 1].num_irreps for i in range(len(irreps))]
