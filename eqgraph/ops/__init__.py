"""Functions of tensors: no parameters, no irreps objects."""

from .backend import BACKENDS, Backend, Report, choose_backend, reference_only, report
from .blocks import Block, LinearTable
from .conv import conv
from .edges import Edges, SortedEdges, sorted_edges
from .flat import from_flat, to_flat
from .gate import gate
from .gates import GateTable
from .harmonics import solid_harmonics
from .linear import NodeGroups, linear
from .mlp import mlp
from .paths import Path, PathTable
from .radial_conv import radial_conv
from .reference import segment_sum, tensor_product, tensor_product_conv
from .segments import sum_to_receivers, take_from_receivers

__all__ = [
    "BACKENDS",
    "Backend",
    "Block",
    "Edges",
    "GateTable",
    "LinearTable",
    "NodeGroups",
    "Path",
    "PathTable",
    "Report",
    "SortedEdges",
    "choose_backend",
    "conv",
    "from_flat",
    "gate",
    "linear",
    "mlp",
    "radial_conv",
    "reference_only",
    "report",
    "segment_sum",
    "solid_harmonics",
    "sorted_edges",
    "sum_to_receivers",
    "take_from_receivers",
    "tensor_product",
    "tensor_product_conv",
    "to_flat",
]
