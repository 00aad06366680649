"""The connectivity that a convolution needs."""

from typing import NamedTuple

from torch import Tensor


class Edges(NamedTuple):
    """Messages flow src[e] -> dst[e]; senders and receivers may be different sets of nodes.

    Kernels that want edges sorted by receiver or by sender add what they need here, computed once per graph.
    """

    src: Tensor
    """(edges,) int64, in 0 ... num_src - 1."""
    dst: Tensor
    """(edges,) int64, in 0 ... num_dst - 1."""
    num_src: int
    num_dst: int
