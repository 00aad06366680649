"""The irreps of hidden features."""

from eqgraph.o3 import Irreps


def hidden_irreps(num_features: int, lmax: int, parity: bool) -> Irreps:
    """As many channels of each l, of both parities or of that of Y_l.

    Example:
        >>> hidden_irreps(4, 1, parity=True), hidden_irreps(4, 1, parity=False)
        (4x0e+4x0o+4x1e+4x1o, 4x0e+4x1o)
    """
    parities = (1, -1) if parity else (None,)
    return Irreps([(num_features, (l, (-1) ** l if p is None else p)) for l in range(lmax + 1) for p in parities])
