"""Softmax over the edges of a receiver and over the nodes of a graph."""

import math

import torch
from torch import Tensor

from eqgraph.ops import segment_sum


class _SegmentSoftmax(torch.nn.Module):
    """What the four layers share: softcap, precision, checks."""

    def __init__(self, softcap: float | None = None) -> None:
        super().__init__()
        if softcap is not None and not softcap > 0:
            raise ValueError(
                f"{type(self).__name__}: expected softcap > 0 or None, got {softcap}. Use 30, or None for no cap."
            )
        self.softcap = softcap

    def extra_repr(self) -> str:
        return "" if self.softcap is None else f"softcap={self.softcap}"

    def _capped(self, logits: Tensor) -> Tensor:
        """Logits in float32 at least, their size at most softcap."""
        if logits.dtype in (torch.float16, torch.bfloat16):
            logits = logits.float()
        return logits if self.softcap is None else self.softcap * torch.tanh(logits / self.softcap)

    def _check(self, logits: Tensor, name: str, index: Tensor) -> None:
        if logits.dim() == 0 or not logits.is_floating_point():
            raise ValueError(
                f"{type(self).__name__}: expected floating-point logits with at least one axis, got shape {tuple(logits.shape)} of "
                f"{logits.dtype}. Give one row per edge or node."
            )
        of_what = "receiver of each edge" if name == "index" else "graph of each node"
        if index.shape != logits.shape[:1] or index.is_floating_point() or index.dtype == torch.bool:
            raise ValueError(
                f"{type(self).__name__}: expected {name} to be {logits.shape[0]} whole numbers, one per row of logits, got shape "
                f"{tuple(index.shape)} of {index.dtype}. Pass the {of_what}."
            )


class EdgeSoftmax(_SegmentSoftmax):
    """Attention weights: over the incoming edges of each receiver they are positive and sum to one.

    a_e = exp(z_e) / Σ_f exp(z_f)                    f: all edges with the receiver of e
    a_e = c_e exp(z_e) / (Σ_f c_f exp(z_f) + ε)      with an envelope c

    Without envelope, an edge that enters at the cutoff takes its full share at once: energies jump. With an envelope that goes smoothly
    to zero at the cutoff, such as PolynomialCutoff, it comes in smoothly. What still is steep is the very last neighbor: the weight of
    a single edge is c e^z / (c e^z + ε), nearly 1 until c e^z is as small as ε. Take ε = 1 where that matters: it acts as one more
    edge with logit 0 whose message is zero.

    The logits must be invariant (0e). Exponents are shifted by their largest value, without changing the result, so that nothing
    overflows; derivatives of all orders are exact. Receivers without edges are no problem.

    Args:
        softcap: if given, logits are replaced by softcap · tanh(z / softcap), a smooth bound on their size. With an envelope it keeps
            exp(z) away from ε: logits below log(ε) = -37 count as no edge at all.
        eps: ε, only used together with an envelope.

    Raises:
        ValueError: if softcap or eps is not positive, or a shape does not fit.

    Example:
        >>> logits, index = torch.tensor([[0.0], [0.0], [5.0]]), torch.tensor([1, 1, 0])
        >>> EdgeSoftmax()(logits, index, 3).flatten()
        tensor([0.5000, 0.5000, 1.0000])
        >>> EdgeSoftmax()(logits, index, 3, torch.tensor([1.0, 0.0, 1.0])).flatten()
        tensor([1., 0., 1.])

    Reference: Veličković et al. 2018, arXiv:1710.10903; the bounded logits: Bello et al. 2017, arXiv:1611.09940.
    """

    def __init__(self, softcap: float | None = None, eps: float = 1e-16) -> None:
        super().__init__(softcap)
        if not eps > 0:
            raise ValueError(
                f"EdgeSoftmax: expected eps > 0, got {eps}: without it the last edge jumps. Use 1e-16, or 1."
            )
        self.eps = eps

    def extra_repr(self) -> str:
        return ", ".join(filter(None, (super().extra_repr(), f"eps={self.eps}")))

    def forward(
        self, logits: Tensor, index: Tensor, num_nodes: int | None = None, envelope: Tensor | None = None
    ) -> Tensor:
        """Weights of the edges.

        Args:
            logits: (edges, heads), or any shape that begins with edges.
            index: (edges,) int64, the receiver of each edge, in any order.
            num_nodes: number of receivers; if None, found by looking at index, for which a GPU must wait.
            envelope: (edges,) c, not negative.

        Returns:
            like logits.
        """
        self._check(logits, "index", index)
        z, num_nodes = self._capped(logits), _number(index, num_nodes)
        if envelope is None:
            exponentials, totals = _exponentials(z, index, num_nodes)
            return (exponentials / totals.index_select(0, index)).to(logits.dtype)
        if envelope.shape != logits.shape[:1]:
            raise ValueError(
                f"EdgeSoftmax: expected an envelope of shape ({logits.shape[0]},), one number per edge, got {tuple(envelope.shape)}. "
                "Pass the cutoff function of the edge lengths."
            )
        c = envelope.to(z.dtype).reshape(-1, *(1 for _ in z.shape[1:]))
        limits = torch.finfo(z.dtype)
        with torch.no_grad():
            # The result depends on no shift, so it is free to look at c: edges that hardly count must not push the others to zero.
            weighted = torch.where(c > 0, z + c.clamp(min=limits.tiny).log(), -torch.inf)
            shift = _largest(weighted, index, num_nodes).clamp(min=math.log(self.eps))
        exponents = z - shift.index_select(0, index)
        numerators = (
            c * exponents.clamp(max=math.log(limits.max) - 1).exp()
        )  # above it c is 0, which infinity would spoil
        totals = segment_sum(numerators, index, num_nodes) + (math.log(self.eps) - shift).exp()
        return (numerators / totals.index_select(0, index)).to(logits.dtype)


class EdgeLogSoftmax(_SegmentSoftmax):
    """The logarithm of EdgeSoftmax, without the digits that a logarithm of small weights would lose.

    log a_e = z_e - log Σ_f exp(z_f)

    There is no envelope: the logarithm of a weight that goes to zero has no finite derivative.

    Args:
        softcap: see EdgeSoftmax.

    Raises:
        ValueError: if softcap is not positive, or a shape does not fit.

    Example:
        >>> EdgeLogSoftmax()(torch.tensor([0.0, 200.0, 5.0]), torch.tensor([1, 1, 0]), 3)
        tensor([-200.,    0.,    0.])
    """

    def forward(self, logits: Tensor, index: Tensor, num_nodes: int | None = None) -> Tensor:
        """(edges, heads) logits of edges with receivers index: see EdgeSoftmax."""
        self._check(logits, "index", index)
        return _log_softmax(self._capped(logits), index, _number(index, num_nodes)).to(logits.dtype)


class NodeSoftmax(_SegmentSoftmax):
    """Weights of the nodes of each graph, for attention pooling and for choosing a node: they are positive and sum to one.

    a_i = exp(z_i) / Σ_j exp(z_j)      j: all nodes of the graph of i

    The logits must be invariant (0e). All nodes of a graph depend on each other, so that this has no place in a local potential.

    Args:
        softcap: see EdgeSoftmax.

    Raises:
        ValueError: if softcap is not positive, or a shape does not fit.

    Example:
        >>> NodeSoftmax()(torch.zeros(3, 1), batch=torch.tensor([1, 0, 1])).flatten()
        tensor([0.5000, 1.0000, 0.5000])

    Reference: Li et al. 2016, arXiv:1511.05493, eq. (7), for pooling by attention.
    """

    def forward(
        self,
        logits: Tensor,
        batch: Tensor | None = None,
        batch_size: int | None = None,
        *,
        mask: Tensor | None = None,
    ) -> Tensor:
        """Weights of the nodes.

        Args:
            logits: (nodes, heads), or any shape that begins with nodes.
            batch: (nodes,) int64, the graph of each node, in any order; None: all nodes in one graph.
            batch_size: number of graphs; if None, found by looking at batch, for which a GPU must wait.
            mask: (nodes,) bool, False for rows that are padding: they get weight zero.

        Returns:
            like logits.
        """
        z, batch, batch_size = self._nodes(logits, batch, batch_size, mask)
        exponentials, totals = _exponentials(z, batch, batch_size)
        return (exponentials / totals.index_select(0, batch)).to(logits.dtype)

    def _nodes(
        self, logits: Tensor, batch: Tensor | None, batch_size: int | None, mask: Tensor | None
    ) -> tuple[Tensor, Tensor, int]:
        if batch is None:
            batch, batch_size = torch.zeros(logits.shape[:1], dtype=torch.int64, device=logits.device), 1
        self._check(logits, "batch", batch)
        z = self._capped(logits)
        if mask is not None:
            if mask.shape != batch.shape or mask.dtype != torch.bool:
                raise ValueError(
                    f"{type(self).__name__}: expected a mask of dtype bool and shape {tuple(batch.shape)}, got {tuple(mask.shape)} of "
                    f"{mask.dtype}. Give one truth value per row."
                )
            z = z.masked_fill(~mask.reshape(-1, *(1 for _ in z.shape[1:])), -torch.inf)
        return z, batch, _number(batch, batch_size)


class NodeLogSoftmax(NodeSoftmax):
    """The logarithm of NodeSoftmax, without the digits that a logarithm of small weights would lose; -∞ for masked rows.

    Args:
        softcap: see EdgeSoftmax.

    Raises:
        ValueError: if softcap is not positive, or a shape does not fit.

    Example:
        >>> NodeLogSoftmax()(torch.tensor([0.0, 200.0, 5.0]), batch=torch.tensor([1, 1, 0]))
        tensor([-200.,    0.,    0.])
    """

    def forward(
        self,
        logits: Tensor,
        batch: Tensor | None = None,
        batch_size: int | None = None,
        *,
        mask: Tensor | None = None,
    ) -> Tensor:
        """(nodes, heads) logits of nodes in graphs batch: see NodeSoftmax."""
        return _log_softmax(*self._nodes(logits, batch, batch_size, mask)).to(logits.dtype)


def _number(index: Tensor, number: int | None) -> int:
    if number is not None:
        return number
    return int(index.max()) + 1 if len(index) else 0


def _largest(values: Tensor, index: Tensor, number: int) -> Tensor:
    """(rows, ...) -> (number, ...): the largest value of each segment, -∞ for those without rows."""
    rows = index.reshape(-1, *(1 for _ in values.shape[1:])).expand_as(values)
    return values.new_full((number, *values.shape[1:]), -torch.inf).scatter_reduce(0, rows, values, "amax")


def _shift(z: Tensor, index: Tensor, number: int) -> Tensor:
    """The largest logit of each segment, which takes no part in derivatives, and 0 where there is none."""
    with torch.no_grad():
        return _largest(z, index, number).nan_to_num(neginf=0.0)


def _exponentials(z: Tensor, index: Tensor, number: int) -> tuple[Tensor, Tensor]:
    """(rows, ...) exponentials, the largest of each segment 1, and (number, ...) their sums, 1 where there is nothing to sum."""
    exponentials = (z - _shift(z, index, number).index_select(0, index)).exp()
    totals = segment_sum(exponentials, index, number)
    return exponentials, torch.where(totals > 0, totals, 1)


def _log_softmax(z: Tensor, index: Tensor, number: int) -> Tensor:
    shifted = z - _shift(z, index, number).index_select(0, index)
    totals = segment_sum(shifted.exp(), index, number)
    return shifted - torch.where(totals > 0, totals, 1).log().index_select(0, index)
