"""Dropout of an irrep in all nodes of a graph."""

from .dropout import Dropout


class ChannelDropout(Dropout):
    """Set irreps to zero at random, each in all nodes of a graph at once, and scale up those kept, in training.

    y[i, c, m] = x[i, c, m] · k[g(i), c] / (1 - p)   with k = 0 with probability p, else 1

    Neighboring nodes have similar features, so that a feature dropped in one of them can be told from the others; dropped in the whole
    graph, it is gone. Nodes have no grid, so that the Dropout1d, Dropout2d and Dropout3d of images are all this one.

    Args:
        irreps: irreps of the input and output.
        p: probability of a zero.
        inplace: whether the result is written to the input tensor.
        scalars_only: whether only 0e are dropped, and everything else is left alone.

    Raises:
        ValueError: for p outside [0, 1], or an input that does not fit.

    Example:
        >>> import torch
        >>> dropout = ChannelDropout("2x0e + 1x1o", p=0.5)
        >>> y = dropout(torch.ones(4, 5), batch=torch.tensor([0, 0, 1, 1]))
        >>> torch.equal(y[0], y[1]), torch.equal(y[2], y[3])
        (True, True)

    Reference: Tompson et al. 2015, arXiv:1411.4280; the meaning of torch.nn.Dropout1d, 2d and 3d.
    """

    per_graph = True
