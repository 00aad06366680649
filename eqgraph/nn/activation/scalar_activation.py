"""The usual functions of scalars as layers."""

from collections.abc import Callable

import torch
from torch import Tensor

from eqgraph.o3 import Irreps

from .activation import Activation


class ScalarActivation(Activation):
    """Apply one function to all scalars; subclasses say which.

    Any function of a 0e is invariant. A 0o changes sign under inversion, so that only odd functions (0o stays 0o) and even ones (0o
    becomes 0e) commute with it. Functions of single components of irreps with l > 0 commute with no rotation.

    The function is that of torch, number by number, since these layers carry torch's names; Activation and Gate, which carry e3nn's,
    scale it to keep the second moment, and so does `normalize=True` here. SELU is the one function that keeps it anyway.

    Args:
        irreps_in: irreps of the input, scalars only.
        normalize: whether to scale the function such that E[φ(z)²] = 1 for z ~ N(0, 1).

    Raises:
        ValueError: if irreps_in has l > 0, or 0o and the function is neither even nor odd.
    """

    function: Callable[[Tensor], Tensor]

    def __init__(self, irreps_in: Irreps | str, normalize: bool = False) -> None:
        irreps_in = Irreps(irreps_in)
        if irreps_in.num_irreps and irreps_in.lmax > 0:
            raise ValueError(
                f"{type(self).__name__}: expected scalars (l = 0), got irreps_in='{irreps_in}': a function of single components of "
                "l > 0 does not commute with rotations. Use nn.Gate, or nn.NormActivation."
            )
        super().__init__(irreps_in, [self.function] * len(irreps_in), normalize)


class Sigmoid(ScalarActivation):
    """σ(x) = 1 / (1 + exp(-x)), of 0e only: see ScalarActivation for arguments and errors.

    Example:
        >>> Sigmoid("2x0e")(torch.tensor([0.0, 1.0]))
        tensor([0.5000, 0.7311])
    """

    function = staticmethod(torch.sigmoid)


class Tanh(ScalarActivation):
    """tanh(x), which is odd, so that 0o is welcome: see ScalarActivation for arguments and errors.

    Example:
        >>> Tanh("1x0e + 1x0o").irreps_out
        1x0e+1x0o
    """

    function = staticmethod(torch.tanh)


class ReLU(ScalarActivation):
    """max(0, x), of 0e only: see ScalarActivation for arguments and errors. Forces jump at its kink; potentials take silu.

    Example:
        >>> ReLU("2x0e")(torch.tensor([-1.0, 1.0]))
        tensor([0., 1.])
    """

    function = staticmethod(torch.relu)


class SELU(ScalarActivation):
    """scale · (max(0, x) + min(0, α (exp(x) - 1))), of 0e only: see ScalarActivation for arguments and errors.

    scale = 1.0507... and α = 1.6733... are such that mean 0 and variance 1 of the inputs are a fixed point.

    Example:
        >>> SELU("2x0e")(torch.tensor([-torch.inf, 1.0]))
        tensor([-1.7581,  1.0507])

    Reference: Klambauer et al. 2017, arXiv:1706.02515.
    """

    function = staticmethod(torch.nn.functional.selu)
