"""The convolution of eqgraph.nn.TensorProductConv written with e3nn, the way it is usually done there."""

from __future__ import annotations

import torch
from e3nn import o3
from e3nn.nn import FullyConnectedNet
from torch import Tensor


def e3nn_conv(x: Tensor, edge_index: Tensor, edge_sh: Tensor, weight: Tensor, product: o3.TensorProduct) -> Tensor:
    """Gather, tensor product, sum.

    Args:
        x: (nodes, irreps_in.dim).
        edge_index: (2, edges), senders and receivers.
        edge_sh: (edges, irreps_sh.dim).
        weight: (edges, product.weight_numel).
        product: "uvu", without weights of its own.

    Returns:
        (nodes, irreps_out.dim).
    """
    src, dst = edge_index
    messages = product(x[src], edge_sh, weight)
    return messages.new_zeros(len(x), messages.shape[1]).index_add(0, dst, messages)


class E3nnConv(torch.nn.Module):
    """Same irreps, paths, order of weights and numbers as eqgraph.nn.TensorProductConv(filter_ir_out=irreps_out).

    Args:
        irreps_in, irreps_sh: irreps of nodes and of edges.
        irreps_out: irreps to produce.
        num_radial: width of the radial features.
        radial_hidden: hidden widths of the radial network.
        avg_num_neighbors: what the sum is divided by the square root of.
    """

    def __init__(
        self,
        irreps_in: str,
        irreps_sh: str,
        irreps_out: str,
        num_radial: int = 8,
        radial_hidden: tuple[int, ...] = (64, 64),
        avg_num_neighbors: float = 1.0,
    ) -> None:
        super().__init__()
        irreps_in, irreps_sh, irreps_out = o3.Irreps(irreps_in), o3.Irreps(irreps_sh), o3.Irreps(irreps_out)
        paths = [
            (i, j, ir)
            for i, (_, ir_in) in enumerate(irreps_in)
            for j, (_, ir_sh) in enumerate(irreps_sh)
            for ir in ir_in * ir_sh
            if ir in irreps_out
        ]
        paths.sort(key=lambda path: (path[0], path[2].l))
        products = o3.Irreps([(irreps_in[i].mul, ir) for i, _, ir in paths])
        order = products.sort()
        instructions = [(i, j, order.p[k], "uvu", True) for k, (i, j, _) in enumerate(paths)]
        self.product = o3.TensorProduct(
            irreps_in, irreps_sh, order.irreps, instructions, shared_weights=False, internal_weights=False
        )
        widths = [num_radial, *radial_hidden, self.product.weight_numel]
        self.radial = FullyConnectedNet(widths, torch.nn.functional.silu)
        self.factor = avg_num_neighbors**-0.5

    def forward(self, x: Tensor, edge_index: Tensor, edge_sh: Tensor, edge_radial: Tensor) -> Tensor:
        """(nodes, irreps_in.dim) and one row of harmonics and radial features per edge to (nodes, irreps_out.dim)."""
        return e3nn_conv(x, edge_index, edge_sh, self.radial(edge_radial), self.product) * self.factor
