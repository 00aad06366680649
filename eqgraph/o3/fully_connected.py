"""The tensor product with all paths and all weights."""

from .irreps import Irreps, IrrepsLike
from .tensor_product import TensorProduct


class FullyConnectedTensorProduct(TensorProduct):
    """Every copy of the output is a weighted sum of all products that have its irrep.

    Paths are in the order of irreps_in1, then irreps_in2, then irreps_out, all of mode uvw.

    Args:
        irreps_in1: irreps of the first input.
        irreps_in2: irreps of the second input.
        irreps_out: irreps of the output.
        irrep_normalization: see `TensorProduct`.
        path_normalization: see `TensorProduct`.
        kwargs: in1_var, in2_var, out_var, internal_weights and shared_weights, see `TensorProduct`.

    Raises:
        ValueError: as `TensorProduct`.

    Example:
        >>> product = FullyConnectedTensorProduct("8x0e + 8x1o", "0e + 1o", "16x0e + 16x1o")
        >>> product
        FullyConnectedTensorProduct(8x0e+8x1o x 1x0e+1x1o -> 16x0e+16x1o | 512 paths | 512 weights)
        >>> product(product.irreps_in1.randn(10, -1), product.irreps_in2.randn(10, -1)).shape
        torch.Size([10, 64])

    Reference: Geiger & Smidt 2022, arXiv:2207.09453, section 5.
    """

    def __init__(
        self,
        irreps_in1: IrrepsLike,
        irreps_in2: IrrepsLike,
        irreps_out: IrrepsLike,
        irrep_normalization: str | None = None,
        path_normalization: str | None = None,
        **kwargs,
    ):
        irreps_in1, irreps_in2, irreps_out = Irreps(irreps_in1), Irreps(irreps_in2), Irreps(irreps_out)
        instructions = [
            (i1, i2, i_out, "uvw", True)
            for i1, (_, ir1) in enumerate(irreps_in1)
            for i2, (_, ir2) in enumerate(irreps_in2)
            for i_out, (_, ir_out) in enumerate(irreps_out)
            if ir_out in tuple(ir1 * ir2)
        ]
        super().__init__(
            irreps_in1,
            irreps_in2,
            irreps_out,
            instructions,
            irrep_normalization=irrep_normalization,
            path_normalization=path_normalization,
            **kwargs,
        )
