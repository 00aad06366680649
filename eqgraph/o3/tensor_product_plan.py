"""What a tensor product computes, as a list of paths with their normalization: whole numbers and floats, no tensors."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from .irreps import Irreps

_MODES = ("uvw", "uvu", "uvv", "uuw", "uuu", "uvuv", "uvu<v", "u<vw")


class Instruction(NamedTuple):
    """One path: entries i_in1 and i_in2 couple to the irrep of entry i_out.

    connection_mode says which copies of the inputs meet, and to which copies of the output they add. path_weight is the
    coefficient of the coupled product, normalization included, and path_shape the shape of the weights if has_weight.
    """

    i_in1: int
    i_in2: int
    i_out: int
    connection_mode: str
    has_weight: bool
    path_weight: float
    path_shape: tuple[int, ...]


def plan_tensor_product(
    irreps_in1: Irreps,
    irreps_in2: Irreps,
    irreps_out: Irreps,
    instructions: Sequence[tuple],
    in1_var: Sequence[float] | None = None,
    in2_var: Sequence[float] | None = None,
    out_var: Sequence[float] | None = None,
    irrep_normalization: str | None = None,
    path_normalization: str | None = None,
) -> list[Instruction]:
    """Check the instructions of a tensor product and compute their coefficients. Arguments as for `TensorProduct`.

    coefficient² = path_weight out_var d / Σ in1_var in2_var n, with n the number of products that add to one output.
    d makes up for the norm 1 of wigner_3j: dim_out for "component", dim_in1 dim_in2 for "norm", 1 for "none". The sum
    runs over the paths that share the output ("element"), or is the path's own term times their number ("path"), or is
    1 ("none").

    Raises:
        ValueError: if an instruction is not possible, a list of variances has the wrong length, or a name is unknown.
        IndexError: if an instruction points outside the irreps.

    Example:
        >>> plan_tensor_product(Irreps("4x1o"), Irreps("1o"), Irreps("8x0e"), [(0, 0, 0, "uvw", True)])
        [Instruction(i_in1=0, i_in2=0, i_out=0, connection_mode='uvw', has_weight=True, path_weight=0.5,
        path_shape=(4, 1, 8))]

    Reference: Geiger & Smidt 2022, arXiv:2207.09453, section 5.
    """
    irrep_normalization = irrep_normalization or "component"
    path_normalization = path_normalization or "element"
    _check_name("irrep_normalization", irrep_normalization, ("component", "norm", "none"))
    _check_name("path_normalization", path_normalization, ("element", "path", "none"))
    in1_var = _variances("in1_var", in1_var, irreps_in1)
    in2_var = _variances("in2_var", in2_var, irreps_in2)
    out_var = _variances("out_var", out_var, irreps_out)

    paths = []
    for number, instruction in enumerate(instructions):
        if len(instruction) not in (5, 6):
            raise ValueError(
                "TensorProduct: expected instructions (i_in1, i_in2, i_out, connection_mode, has_weight[, path_weight])"
                f", got {tuple(instruction)}. Write for example (0, 0, 0, 'uvw', True)."
            )
        i1, i2, i_out, mode, has_weight = instruction[:5]
        shape = _check_path(number, irreps_in1, irreps_in2, irreps_out, i1, i2, i_out, mode, has_weight)
        path_weight = instruction[5] if len(instruction) == 6 else 1.0
        paths.append(Instruction(i1, i2, i_out, mode, has_weight, path_weight, shape))

    def terms(path: Instruction) -> float:
        products = _num_products(path.connection_mode, irreps_in1[path.i_in1].mul, irreps_in2[path.i_in2].mul)
        return in1_var[path.i_in1] * in2_var[path.i_in2] * products

    plan = []
    for path in paths:
        siblings = [other for other in paths if other.i_out == path.i_out]
        dim_in1, dim_in2 = irreps_in1[path.i_in1].ir.dim, irreps_in2[path.i_in2].ir.dim
        numerator = {"component": irreps_out[path.i_out].ir.dim, "norm": dim_in1 * dim_in2, "none": 1}
        denominator = {"element": sum(map(terms, siblings)), "path": terms(path) * len(siblings), "none": 1}
        variance = path.path_weight * out_var[path.i_out] * numerator[irrep_normalization]
        variance /= denominator[path_normalization] or 1
        plan.append(path._replace(path_weight=math.sqrt(variance)))
    return plan


def _num_products(mode: str, mul1: int, mul2: int) -> int:
    """How many products of copies add to one copy of the output."""
    return {
        "uvw": mul1 * mul2,
        "uvu": mul2,
        "uvv": mul1,
        "uuw": mul1,
        "uuu": 1,
        "uvuv": 1,
        "uvu<v": 1,
        "u<vw": mul1 * (mul2 - 1) // 2,
    }[mode]


def _check_path(
    number: int,
    irreps_in1: Irreps,
    irreps_in2: Irreps,
    irreps_out: Irreps,
    i1: int,
    i2: int,
    i_out: int,
    mode: str,
    has_weight: bool,
) -> tuple[int, ...]:
    """The shape of the weights of a path."""
    for name, i, irreps in (("i_in1", i1, irreps_in1), ("i_in2", i2, irreps_in2), ("i_out", i_out, irreps_out)):
        if not 0 <= i < len(irreps):
            raise IndexError(
                f"TensorProduct: expected {name} of instruction {number} to be below {len(irreps)}, the number of "
                f"entries of '{irreps}', got {i}. Count from 0."
            )
    (mul1, ir1), (mul2, ir2), (mul_out, ir_out) = irreps_in1[i1], irreps_in2[i2], irreps_out[i_out]
    if ir_out not in tuple(ir1 * ir2):
        raise ValueError(
            f"TensorProduct: expected the output of instruction {number} to be one of {list(ir1 * ir2)}, the irreps in "
            f"'{ir1}' x '{ir2}', got '{ir_out}'. Change i_out or the irreps."
        )
    _check_name(f"connection_mode of instruction {number}", mode, _MODES)
    pairs = mul1 * (mul1 - 1) // 2
    shape, wanted = {
        "uvw": ((mul1, mul2, mul_out), (mul1, mul2, mul_out)),
        "uvu": ((mul1, mul2), (mul1, mul2, mul1)),
        "uvv": ((mul1, mul2), (mul1, mul2, mul2)),
        "uuw": ((mul1, mul_out), (mul1, mul1, mul_out if has_weight else 1)),
        "uuu": ((mul1,), (mul1, mul1, mul1)),
        "uvuv": ((mul1, mul2), (mul1, mul2, mul1 * mul2)),
        "uvu<v": ((pairs,), (mul1, mul1, pairs)),
        "u<vw": ((pairs, mul_out), (mul1, mul1, mul_out)),
    }[mode]
    if (mul1, mul2, mul_out) != wanted:
        raise ValueError(
            f"TensorProduct: expected multiplicities {wanted[0]} x {wanted[1]} -> {wanted[2]} in instruction {number} "
            f"of mode '{mode}', got '{irreps_in1[i1]}' x '{irreps_in2[i2]}' -> '{irreps_out[i_out]}'. "
            "Change the multiplicities or the mode."
        )
    if not has_weight and mode in ("uvw", "u<vw"):
        raise ValueError(
            f"TensorProduct: expected weights for mode '{mode}' of instruction {number}, got has_weight=False. "
            "Pass True, or use a mode that mixes no copies."
        )
    return shape


def _variances(name: str, variances: Sequence[float] | None, irreps: Irreps) -> list[float]:
    if variances is None:
        return [1.0] * len(irreps)
    variances = [float(variance) for variance in variances]
    if len(variances) != len(irreps):
        raise ValueError(
            f"TensorProduct: expected {name} to have {len(irreps)} numbers, one per entry of '{irreps}', "
            f"got {len(variances)}. Give one for each."
        )
    return variances


def _check_name(what: str, name: str, names: tuple[str, ...]) -> None:
    if name not in names:
        raise ValueError(f"TensorProduct: expected {what} to be one of {names}, got {name!r}. Choose one of them.")
