"""The operations as Triton kernels, written for each path table and compiled when first needed."""

from .conv import conv, conv_backward, conv_double_backward
from .harmonics import harmonics, harmonics_backward, harmonics_double_backward
from .radial_conv import radial_conv, radial_conv_backward, radial_conv_double_backward
from .segments import gather, segment_sum

__all__ = [
    "conv",
    "conv_backward",
    "conv_double_backward",
    "gather",
    "harmonics",
    "harmonics_backward",
    "harmonics_double_backward",
    "radial_conv",
    "radial_conv_backward",
    "radial_conv_double_backward",
    "segment_sum",
]
