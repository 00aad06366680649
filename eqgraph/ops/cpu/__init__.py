"""The operators on the CPU: kernels written as text, compiled by LLVM when they are first needed, kept on disk."""

from .clusters import cluster_mix, cluster_mix_backward, cluster_squares, cluster_squares_backward
from .conv import (
    conv,
    conv_backward,
    conv_double_backward,
    radial_conv,
    radial_conv_backward,
    radial_conv_double_backward,
)
from .evo_norm import evo_norm, evo_norm_backward
from .flat import from_flat, to_flat
from .gate import gate, gate_backward, gate_double_backward
from .harmonics import harmonics, harmonics_backward, harmonics_double_backward
from .linear import linear, linear_backward
from .local_response import local_response, local_response_backward
from .mlp import mlp, mlp_backward, mlp_double_backward
from .row_norm import row_norm, row_norm_backward
from .segments import gather, segment_sum

__all__ = [
    "cluster_mix",
    "cluster_mix_backward",
    "cluster_squares",
    "cluster_squares_backward",
    "conv",
    "conv_backward",
    "conv_double_backward",
    "evo_norm",
    "evo_norm_backward",
    "from_flat",
    "gate",
    "gate_backward",
    "gate_double_backward",
    "gather",
    "harmonics",
    "harmonics_backward",
    "harmonics_double_backward",
    "linear",
    "linear_backward",
    "local_response",
    "local_response_backward",
    "mlp",
    "mlp_backward",
    "mlp_double_backward",
    "radial_conv",
    "radial_conv_backward",
    "radial_conv_double_backward",
    "row_norm",
    "row_norm_backward",
    "segment_sum",
    "to_flat",
]
