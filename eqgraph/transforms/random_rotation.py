"""Turn clouds at random."""

import math

import torch
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.transforms import BaseTransform

from eqgraph.o3 import Irreps, matrix_z, rand_matrix

from .graphs import graph_of_node


class RandomRotation(BaseTransform):
    """Rotate each cloud by a matrix of its own, drawn uniformly (Haar) from a group, and its features with it.

    pos ← R pos,   x ← D(R) x

    Args:
        group: "z": turns about the z axis; "SO3": all rotations; "O3": rotations and reflections.
        irreps_x: irreps of a row of data.x, "1x1o" for normals, "3x0e" for colors; needed if there is an x.

    Raises:
        ValueError: for an unknown group, or if there is an x that irreps_x does not describe.

    Example:
        >>> data = Data(pos=torch.randn(10, 3))
        >>> turned = RandomRotation("SO3")(data)
        >>> torch.allclose(turned.pos.norm(dim=1), data.pos.norm(dim=1), atol=1e-5)
        True
    """

    def __init__(self, group: str = "SO3", irreps_x: str | Irreps | None = None) -> None:
        if group not in ("z", "SO3", "O3"):
            raise ValueError(f"RandomRotation: expected group 'z', 'SO3' or 'O3', got {group!r}. Choose one of them.")
        self.group, self.irreps_x = group, None if irreps_x is None else Irreps(irreps_x)

    def forward(self, data: Data) -> Data:
        graph, num_graphs = graph_of_node(data)
        # drawn and converted in float64: float32 Euler angles would cost the features two digits
        R = self._matrices(num_graphs)
        data.pos = _rotate(R, data.pos, graph)
        if data.x is not None:
            self._check(data.x)
            data.x = _rotate(self.irreps_x.D_from_matrix(R), data.x, graph)
        return data

    def _matrices(self, num: int) -> Tensor:
        if self.group == "z":
            return matrix_z(2 * math.pi * torch.rand(num, dtype=torch.float64))
        R = rand_matrix(num, dtype=torch.float64)
        return R if self.group == "SO3" else R * (2 * torch.randint(2, (num, 1, 1)) - 1)

    def _check(self, x: Tensor) -> None:
        if self.irreps_x is None or x.ndim != 2 or x.shape[1] != self.irreps_x.dim:
            given = "no irreps_x" if self.irreps_x is None else f"irreps_x='{self.irreps_x}'"
            raise ValueError(
                f"RandomRotation: expected irreps_x to tell how data.x of shape {tuple(x.shape)} turns, got {given}. Pass "
                "irreps_x='1x1o' for normals or '3x0e' for colors, for example."
            )

    def __repr__(self) -> str:
        irreps = "" if self.irreps_x is None else f", irreps_x='{self.irreps_x}'"
        return f"RandomRotation('{self.group}'{irreps})"


def _rotate(D: Tensor, x: Tensor, graph: Tensor | None) -> Tensor:
    D = D.to(x)
    return x @ D[0].mT if graph is None else torch.einsum("nij,nj->ni", D[graph], x)
