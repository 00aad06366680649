"""Normalization layers: what all share in norm.py, one class per file."""

from .avg_num_neighbors_norm import AvgNumNeighborsNorm
from .batch_norm import BatchNorm
from .convert_sync_batchnorm import convert_sync_batchnorm
from .degree_layer_scale import DegreeLayerScale
from .diff_group_norm import DiffGroupNorm
from .evo_norm_b0 import EvoNormB0
from .evo_norm_s0 import EvoNormS0
from .freeze_batch_stats import freeze_batch_stats
from .graph_norm import GraphNorm
from .graph_size_norm import GraphSizeNorm
from .group_norm import GroupNorm
from .hetero_batch_norm import HeteroBatchNorm
from .hetero_layer_norm import HeteroLayerNorm
from .instance_norm import InstanceNorm
from .layer_norm import LayerNorm
from .lazy import LazyBatchNorm, LazyInstanceNorm
from .local_response_norm import LocalResponseNorm
from .mean_subtraction_norm import MeanSubtractionNorm
from .message_norm import MessageNorm
from .norm import Norm
from .pair_norm import PairNorm
from .resolver import normalization_resolver
from .rms_norm import RMSNorm
from .sync_batch_norm import SyncBatchNorm
from .sync_hetero_batch_norm import SyncHeteroBatchNorm

__all__ = [
    "AvgNumNeighborsNorm",
    "BatchNorm",
    "DegreeLayerScale",
    "DiffGroupNorm",
    "EvoNormB0",
    "EvoNormS0",
    "GraphNorm",
    "GraphSizeNorm",
    "GroupNorm",
    "HeteroBatchNorm",
    "HeteroLayerNorm",
    "InstanceNorm",
    "LayerNorm",
    "LazyBatchNorm",
    "LazyInstanceNorm",
    "LocalResponseNorm",
    "MeanSubtractionNorm",
    "MessageNorm",
    "Norm",
    "PairNorm",
    "RMSNorm",
    "SyncBatchNorm",
    "SyncHeteroBatchNorm",
    "convert_sync_batchnorm",
    "freeze_batch_stats",
    "normalization_resolver",
]
