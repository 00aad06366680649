"""The irreps of hidden features and of what is read out of them."""

from eqgraph.o3 import Irreps


def hidden_irreps(num_features: int, lmax: int, parity: bool) -> Irreps:
    """As many channels of each l, of both parities or of that of Y_l.

    Example:
        >>> hidden_irreps(4, 1, parity=True), hidden_irreps(4, 1, parity=False)
        (4x0e+4x0o+4x1e+4x1o, 4x0e+4x1o)
    """
    parities = (1, -1) if parity else (None,)
    return Irreps([(num_features, (l, (-1) ** l if p is None else p)) for l in range(lmax + 1) for p in parities])


def readout_irreps(dipole: bool) -> Irreps:
    """What a network of potentials says of each atom: its energy, and with dipoles its contribution to that of the structure.

    Example:
        >>> readout_irreps(False), readout_irreps(True)
        (1x0e, 1x0e+1x1o)
    """
    return Irreps("1x0e + 1x1o" if dipole else "1x0e")


def checked_dipole(dipole: bool, lmax: int | None) -> bool:
    """The field `dipole` of a network's config, of which `lmax` is None if it is wrong.

    Raises:
        ValueError: if there are no vectors to read it from.
    """
    if dipole and lmax == 0:
        raise ValueError("false with lmax: 0, which has no vectors (raise model.lmax)")
    return dipole
