"""E(3)-equivariant message-passing layers that are ordinary PyTorch Geometric layers."""

from importlib.metadata import version

__version__ = version("eqgraph")
