"""Functions of tensors: no parameters, no irreps objects."""

from .backend import BACKENDS, Backend, Report, choose_backend, report
from .conv import conv
from .edges import Edges, SortedEdges, sorted_edges
from .paths import Block, Path, PathTable
from .radial_conv import radial_conv
from .reference import segment_sum, solid_harmonics, tensor_product, tensor_product_conv

__all__ = [
    "BACKENDS",
    "Backend",
    "Block",
    "Edges",
    "Path",
    "PathTable",
    "Report",
    "SortedEdges",
    "choose_backend",
    "conv",
    "radial_conv",
    "report",
    "segment_sum",
    "solid_harmonics",
    "sorted_edges",
    "tensor_product",
    "tensor_product_conv",
]
