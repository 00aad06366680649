"""Nonlinearities of scalars, lengths, learned directions, functions on the sphere; softmax over edges and nodes. Gate is in nn."""

from .activation import Activation
from .norm_activation import NormActivation
from .prelu import PReLU
from .s2_activation import S2Activation
from .scalar_activation import SELU, ReLU, ScalarActivation, Sigmoid, Tanh
from .softmax import EdgeLogSoftmax, EdgeSoftmax, NodeLogSoftmax, NodeSoftmax
from .vector_prelu import VectorPReLU

__all__ = [
    "SELU",
    "Activation",
    "EdgeLogSoftmax",
    "EdgeSoftmax",
    "NodeLogSoftmax",
    "NodeSoftmax",
    "NormActivation",
    "PReLU",
    "ReLU",
    "S2Activation",
    "ScalarActivation",
    "Sigmoid",
    "Tanh",
    "VectorPReLU",
]
