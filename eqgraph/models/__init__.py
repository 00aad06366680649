"""Architectures, one per file, and what is around them: potentials, classifiers and segmenters of point clouds."""

from .build import MODELS, build_potential
from .build_points import CLASSIFIERS, build_classifier, build_segmenter
from .edge_derivatives import edge_forces, edge_virials, strain_gradients
from .energy_network import EnergyNetwork
from .extend_species import extend_species
from .file import load_potential, save_potential
from .nequip import NequIP, NequIPConfig
from .point_cloud_classifier import PointCloudClassifier
from .point_cloud_config import PointCloudConfig
from .point_cloud_file import load_classifier, save_classifier
from .point_cloud_segmenter import PointCloudSegmenter
from .point_encoder import PointEncoder
from .point_graph import Level, knn_levels, same_levels
from .potential import EdgePrediction, Potential, PotentialInputs, Prediction
from .se3_transformer import SE3Transformer, SE3TransformerConfig
from .tensor_field_network import TensorFieldNetwork, TensorFieldNetworkConfig
from .tensors_file import holds_state, read_attached
from .zbl import ZBL, screened_repulsion

__all__ = [
    "CLASSIFIERS",
    "MODELS",
    "ZBL",
    "EdgePrediction",
    "EnergyNetwork",
    "Level",
    "NequIP",
    "NequIPConfig",
    "PointCloudClassifier",
    "PointCloudConfig",
    "PointCloudSegmenter",
    "PointEncoder",
    "Potential",
    "PotentialInputs",
    "Prediction",
    "SE3Transformer",
    "SE3TransformerConfig",
    "TensorFieldNetwork",
    "TensorFieldNetworkConfig",
    "build_classifier",
    "build_potential",
    "build_segmenter",
    "edge_forces",
    "edge_virials",
    "extend_species",
    "holds_state",
    "knn_levels",
    "load_classifier",
    "load_potential",
    "read_attached",
    "same_levels",
    "save_classifier",
    "save_potential",
    "screened_repulsion",
    "strain_gradients",
]
