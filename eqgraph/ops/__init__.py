"""Functions of tensors: no parameters, no irreps objects."""

from .backend import BACKENDS, Backend, Report, choose_backend, report
from .conv import conv
from .edges import Edges, SortedEdges, sorted_edges
from .harmonics import solid_harmonics
from .paths import Block, Path, PathTable
from .radial_conv import radial_conv
from .reference import segment_sum, tensor_product, tensor_product_conv
from .segments import sum_to_receivers, take_from_receivers

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
    "sum_to_receivers",
    "take_from_receivers",
    "tensor_product",
    "tensor_product_conv",
]
