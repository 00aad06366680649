"""What the kernels of the convolution are made of, before anything is written: vectors, edge matrices, scratch memory."""

from ..paths import PathTable
from .emit import scratch_offset
from .jit import vector_bytes


class ConvPlan:
    """What a kernel for one table is made of: its vectors, its edge matrices, its scratch memory.

    Args:
        table: the paths.
        kind: "forward", "backward" or "double_backward".
        dtype: "float32" or "float64".
        num_hidden: None if the weights are read; else they are h @ matrix with so many columns of h.
        learns: whether the gradient of the matrix is wanted.
        moves: whether the gradient of the harmonics is wanted.

    Attributes:
        width: lanes of a vector of channels.
        matrix_width: lanes of a vector of edges, in which edge matrices are computed.
        run: edges in a run, see traverse.
        registers: how many vectors the processor holds.
        entries: of the edge matrix of each path.
        matrix_starts: where the entries of each path start among those of all.
        x_starts, out_starts: where each block of the features starts, for a single node.
        places: where things lie among the numbers of the scratch memory.
        scratch_ints: how many int64 come before them.
        scratch_bytes: size of both.
    """

    def __init__(
        self,
        table: PathTable,
        kind: str,
        dtype: str,
        num_hidden: int | None = None,
        learns: bool = True,
        moves: bool = True,
    ) -> None:
        self.table, self.kind, self.dtype, self.num_hidden = table, kind, dtype, num_hidden
        self.learns, self.moves = learns, moves
        lanes = vector_bytes() // (4 if dtype == "float32" else 8)
        widest = max((table.mul(path) for path in table.paths), default=1)
        self.width = min(lanes, 1 << (max(widest, 1) - 1).bit_length())
        self.matrix_width = lanes
        # radial features pay for longer runs, in which the weight matrix is read once; high degrees fill the cache
        self.run = max(lanes, 32 if len(table.paths) < 40 else 16)
        self.registers = 32 if vector_bytes() == 64 else 16
        self.entries = [path.edge_matrix_entries() for path in table.paths]
        self.matrix_starts = [0]
        for entries in self.entries:
            self.matrix_starts.append(self.matrix_starts[-1] + len(entries))
        self.x_starts = _starts([block.size for block in table.blocks])
        self.out_starts = _starts([block.size for block in table.out_blocks])
        self._layout()

    def _layout(self) -> None:
        """Where things lie in the scratch memory."""
        run, dim_sh, num_weights = self.run, self.table.dim_sh, self.table.num_weights
        hidden = self.num_hidden
        sizes = {"y": dim_sh * run, "matrix": self.matrix_starts[-1] * run}
        if self.kind == "double_backward":
            sizes |= {"b": sizes["y"], "matrix_b": sizes["matrix"]}
        if self.kind != "forward" and self.moves:
            sizes["sums"] = run * dim_sh * self.width
        if hidden is not None:
            blocks = {
                "forward": ["w"],
                "backward": ["w", "gw"],
                "double_backward": ["w", "d", "gw", "dw"],
            }[self.kind]
            sizes |= {"h": run * hidden} | {f"{name}_block": run * num_weights for name in blocks}
            sizes |= {"ch": run * hidden} if self.kind == "double_backward" else {}
            sizes |= {"gh": run * hidden} if self.kind != "forward" else {}
        self.places, start = {}, 0
        for name, size in sizes.items():
            self.places[name] = start
            start += -(-size // 16) * 16
        self.scratch_ints = 3 * run
        self.scratch_bytes = scratch_offset(self.scratch_ints) + start * (4 if self.dtype == "float32" else 8)

    def units(self, rows: int) -> list[tuple[int, list[int]]]:
        """(block, paths): the paths of each block, cut so that their outputs have at most so many rows if possible."""
        units: list[tuple[int, list[int]]] = []
        for block in range(len(self.table.blocks)):
            count = None
            for index, path in enumerate(self.table.paths):
                if path.block != block or not self.table.mul(path):
                    continue
                dim = self.table.out_blocks[path.out_block].dim
                if count is None or count + dim > rows:
                    units.append((block, []))
                    count = 0
                units[-1][1].append(index)
                count += dim
        return units


def _starts(sizes: list[int]) -> list[int]:
    starts = [0]
    for size in sizes:
        starts.append(starts[-1] + size)
    return starts[:-1]
