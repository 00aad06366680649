"""Draws normalization_axes.png: which numbers of a batch share a statistic, or a random number.

    python docs/figures/draw_normalization_axes.py

Each panel is one batch of three graphs: a row per node, a column per component of "4x0e + 2x1o + 2x2e". Two sets of numbers that are
normalized together are outlined, if possible one of 0e and one of 1o; all other sets follow from these by symmetry.
"""

from pathlib import Path

import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgb

GRAPH = np.repeat([0, 1, 2], [4, 3, 2])  # of each node
NODE_TYPE = np.array([0, 1, 1, 0, 1, 0, 0, 1, 0])
BLOCKS = (
    ("4×0e", 4, 1, "#D55E00"),
    ("2×1o", 2, 3, "#0072B2"),
    ("2×2e", 2, 5, "#009E73"),
)  # name, copies, components, color
TYPE = np.concatenate([np.full(mul * dim, index) for index, (_, mul, dim, _) in enumerate(BLOCKS)])  # of each column
COPY = np.concatenate([np.repeat(np.arange(mul), dim) for _, mul, dim, _ in BLOCKS])  # within its type
NODES, COLUMNS = len(GRAPH), len(TYPE)
NODE, IN_GRAPH = 1, GRAPH == 0  # what is singled out


def cells(rows: np.ndarray | int, columns: np.ndarray) -> np.ndarray:
    """(NODES, COLUMNS) bool: the rows (a mask, or one) times the columns (a mask)."""
    mask = np.zeros(NODES, dtype=bool)
    mask[rows] = True
    return mask[:, None] & columns[None, :]


def irrep(type_: int, *copies: int) -> np.ndarray:
    """(COLUMNS,) bool: some copies of a type."""
    return np.equal(TYPE, type_) & np.isin(COPY, copies)


EVERY_NODE, EVERY_COLUMN = np.ones(NODES, dtype=bool), np.ones(COLUMNS, dtype=bool)
SCALAR, VECTOR = irrep(0, 1), irrep(1, 0)
PANELS = (
    ("BatchNorm, SyncBatchNorm", "an irrep, all nodes of the batch", EVERY_NODE, (SCALAR, VECTOR)),
    ("HeteroBatchNorm", "an irrep, all nodes of a type (●, ○)", NODE_TYPE == 1, (SCALAR, VECTOR)),
    ("InstanceNorm, GraphNorm", "an irrep, the nodes of a graph", IN_GRAPH, (SCALAR, VECTOR)),
    ("PairNorm", "all of a graph (its mean: of each column)", IN_GRAPH, (EVERY_COLUMN,)),
    ("LayerNorm, HeteroLayerNorm", 'irreps of a type, one node (scope="irrep")', NODE, (TYPE == 0, TYPE == 1)),
    ("LayerNorm(scope='separable')", "0e alone, all others together, one node", NODE, (TYPE == 0, TYPE > 0)),
    ("RMSNorm, LayerNorm(scope='merged')", "a node (also MessageNorm)", NODE, (EVERY_COLUMN,)),
    ("LayerNorm(mode='graph')", "irreps of a type, the nodes of a graph", IN_GRAPH, (TYPE == 0, TYPE == 1)),
    ("GroupNorm, EvoNormS0", "a group of irreps, the nodes of a graph", IN_GRAPH, (irrep(0, 0, 1), irrep(1, 0))),
    ("GroupNorm(mode='node')", "a group of irreps, one node", NODE, (irrep(0, 0, 1), irrep(1, 0))),
    ("LocalResponseNorm(size=3)", "an irrep and its neighbors in the list", NODE, (irrep(0, 1, 2, 3), irrep(2, 0, 1))),
    ("EvoNormB0", "the larger of both: batch, graph (and itself)", None, (SCALAR, VECTOR)),
    ("Dropout, AlphaDropout", "one random number: an irrep of a node", NODE, (SCALAR, VECTOR)),
    ("ChannelDropout, FeatureAlphaDropout", "one random number: an irrep of a graph", IN_GRAPH, (SCALAR, VECTOR)),
    ("DropPath", "one random number: a node", NODE, (EVERY_COLUMN,)),
    ("GraphDropPath", "one random number: a graph", IN_GRAPH, (EVERY_COLUMN,)),
)
"""(title, what shares a number, rows, sets of columns)."""


def blended(color: str, strength: float) -> np.ndarray:
    """A color mixed with white."""
    return 1 - strength * (1 - np.array(to_rgb(color)))


def outline(axis: Axes, chosen: np.ndarray) -> None:
    """A line around a set of cells."""
    padded = np.pad(chosen, 1)
    rows, columns = np.nonzero(padded[1:, 1:-1] != padded[:-1, 1:-1])
    lines = [((column, row), (column + 1, row)) for row, column in zip(rows, columns, strict=True)]
    rows, columns = np.nonzero(padded[1:-1, 1:] != padded[1:-1, :-1])
    lines += [((column, row), (column, row + 1)) for row, column in zip(rows, columns, strict=True)]
    axis.add_collection(
        LineCollection(lines, colors="black", linewidths=2, capstyle="projecting", zorder=4, clip_on=False)
    )


def draw(axis: Axes, title: str, what: str, rows: np.ndarray | int | None, columns: tuple[np.ndarray, ...]) -> None:
    """One panel."""
    if rows is None:  # two statistics: the batch outlined and pale, the graph inside of it full
        outlined = [cells(EVERY_NODE, each) for each in columns] + [cells(IN_GRAPH, each) for each in columns]
        full, half = np.any(outlined[len(columns) :], 0), np.any(outlined[: len(columns)], 0)
    else:
        outlined = [cells(rows, each) for each in columns]
        full, half = np.any(outlined, 0), np.zeros((NODES, COLUMNS), dtype=bool)
    image = np.empty((NODES, COLUMNS, 3))
    for column, type_ in enumerate(TYPE):
        for row, graph in enumerate(GRAPH):
            strength = 0.95 if full[row, column] else 0.5 if half[row, column] else (0.13, 0.24)[graph % 2]
            image[row, column] = blended(BLOCKS[type_][3], strength)
    axis.imshow(image, extent=(0, COLUMNS, NODES, 0), aspect="auto", interpolation="nearest", zorder=1)
    for column in range(1, COLUMNS):
        new_copy = TYPE[column] != TYPE[column - 1] or COPY[column] != COPY[column - 1]
        axis.axvline(column, color="white", lw=2.0 if new_copy else 0.4, zorder=2)
    for row in range(1, NODES):
        axis.axhline(row, color="white", lw=3.5 if GRAPH[row] != GRAPH[row - 1] else 0.6, zorder=2)
    for chosen in outlined:
        outline(axis, chosen)
    start = 0
    for name, mul, dim, color in BLOCKS:
        axis.text(start + mul * dim / 2, -0.2, name, ha="center", va="bottom", color=color, fontsize=8)
        start += mul * dim
    for graph in range(GRAPH.max() + 1):
        middle = np.flatnonzero(np.equal(GRAPH, graph)).mean() + 0.5
        axis.text(
            -1.4, middle, f"graph {graph + 1}", ha="center", va="center", rotation=90, fontsize=7, color="#444444"
        )
    if "HeteroBatchNorm" in title:
        for row, type_ in enumerate(NODE_TYPE):
            axis.plot(-0.45, row + 0.5, "o", ms=3.5, mec="black", mfc="black" if type_ else "white", clip_on=False)
    axis.text(0, -1.9, title, va="bottom", fontsize=9, fontweight="bold")
    axis.text(0, -1.1, what, va="bottom", fontsize=8.5)
    axis.set_xlim(0, COLUMNS)
    axis.set_ylim(NODES, 0)
    axis.axis("off")


def main() -> None:
    figure, axes = plt.subplots(4, 4, figsize=(13, 10))
    for axis, panel in zip(axes.flat, PANELS, strict=True):
        draw(axis, *panel)
    figure.subplots_adjust(left=0.03, right=0.99, top=0.94, bottom=0.015, wspace=0.16, hspace=0.42)
    path = Path(__file__).with_name("normalization_axes.png")
    figure.savefig(path, dpi=90, pil_kwargs={"optimize": True})
    print(path)


if __name__ == "__main__":
    main()
