"""Writes the Triton kernels of the convolution for one path table: value, gradient and second gradient.

With L(g, x, y, w) = Σ_e Σ_p Σ_{m1, m2, m3, c} C^p[m1, m2, m3] g[dst(e), p, m3, c] x[src(e), m1, c] y[e, m2] w[row(e), p, c],
which is linear in each of its arguments, the value and the gradient are derivatives of L, and the second gradient is that of

    S = L(g, a, y, w) + L(g, x, b, w) + L(g, x, y, d),      a, b, d shaped like x, y, w.

All are written from the same list of terms (x, y, w), by leaving one argument out:

    receivers   by g: a program owns a receiver and some channels, and adds up its edges in registers
    senders     by x: a program owns a sender and some channels
    edges       by y and w, or h: a program owns some edges and loops over all paths and channels
    matrix      by W, if w = h @ W: a program owns some columns of W and a range of edges; the ranges are added up afterwards

A tile is (edges, channels), channels innermost as in memory. The edge matrix M_p[m3, m1] = Σ_m2 C^p[m1, m2, m3] y[m2] is the same for
all channels: (edges, 1). There are no atomics; the order of every sum depends on the graph only.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import accumulate

from ..paths import PathTable
from .source import Kernel, ceil_div, namespace, nest, power_of_two, triton_function

MAX_CHANNELS = 32
"""Channels of a tile: a row of it is then one cache line of 128 bytes, or two in float64."""
NUMBERS_PER_WARP = 128
"""Four in every thread, which is what one instruction loads, and so few that the sums stay in registers."""
MAX_ROWS = {False: 24, True: 12}
"""Sums of receivers (m3 of all paths) that a program of L or of S keeps in registers, each of them a tile."""
MIN_PRODUCT = 16
"""Rows and columns of the tiles of a matrix product, at least."""
HIDDEN_STEP, MAX_HIDDEN = 16, 64
"""Columns of h that are multiplied at once, and columns of gh or rows of gW that are added up at once."""
MAX_MATRIX_PATHS = 2
"""Paths of which a program adds up the gradient of W."""
PRECISION = "ieee"
"""Of float32 matrix products: float32 throughout. "tf32x3" would use tensor cores and be almost as exact."""

_RESULTS = {"receivers": ["gg"], "senders": ["gx"], "edges": ["gy", "gw"], "matrix": ["gW"]}
_SORTED = {"receivers": ["order", "ptr"], "senders": ["order", "ptr"], "edges": ["order"], "matrix": ["order"]}
_INTEGERS = {
    "receivers": ["num_src", "num_dst", "num_edges", "num_phases"],
    "senders": ["num_src", "num_dst", "num_edges", "num_phases"],
    "edges": ["num_src", "num_dst", "num_edges", "first", "last", "add_before"],
    "matrix": ["num_src", "num_dst", "num_edges", "edges_per_split"],
}


@cache
def conv_kernel(key: str, kind: str, second: bool, num_hidden: int | None, matrix_moves: bool) -> Kernel:
    """The kernel of a kind for the table with this key; the arguments are those of ConvSource."""
    source = ConvSource(PathTable.from_key(key), kind, second, num_hidden, matrix_moves)
    return Kernel(
        namespace(f"conv_{kind}", source.text())[kind],
        (*source.tensors, *_INTEGERS[kind]),
        source.num_warps,
        source.tile,
        1 if kind == "edges" else sum(unit.chunks for unit in source.units),
    )


@dataclass(frozen=True)
class Unit:
    """Paths of one block of x, with mul channels, of which a tile has so many."""

    block: int
    paths: tuple[int, ...]
    mul: int
    channels: int

    @property
    def chunks(self) -> int:
        return ceil_div(self.mul, self.channels)

    def mask(self, *others: str) -> str:
        """What holds where there is something to load or to store; "None" if that is everywhere."""
        return " & ".join([*filter(None, others), *(["inside"] if self.mul % self.channels else [])]) or "None"


class ConvSource:
    """The text of one kernel.

    The derivative by an argument is called g and its name: gg, gx, gy, gw, gh, gW. In radial kernels h and W, with their directions ch
    and cW, take the place of w and d.

    Args:
        table: the paths.
        kind: "receivers", "senders", "edges" or "matrix".
        second: whether of S instead of L.
        num_hidden: None if w is read; else w = h @ W and d = ch @ W + h @ cW with so many columns of h.
        matrix_moves: whether there is a cW, which else is zero.
    """

    def __init__(self, table: PathTable, kind: str, second: bool, num_hidden: int | None, matrix_moves: bool) -> None:
        self.table, self.kind, self.second, self.num_hidden = table, kind, second, num_hidden
        self.terms = [("a", "y", "w"), ("x", "b", "w"), ("x", "y", "d")] if second else [("x", "y", "w")]
        self.features, self.harmonics, self.weights = (
            list(dict.fromkeys(names)) for names in zip(*self.terms, strict=True)
        )
        radial = num_hidden is not None
        self.hidden = ["h", "ch"][: len(self.weights)] if radial else []
        self.matrices = ["W", "cW"][: 1 + matrix_moves] if radial else []
        self.tensors = [
            *("gh" if radial and name == "gw" else name for name in _RESULTS[kind]),
            *([] if kind == "receivers" else ["g"]),
            *([] if kind == "senders" else self.features),
            *self.harmonics,
            *(self.hidden + self.matrices if radial else self.weights),
            "index",
            *_SORTED[kind],
        ]
        least = MIN_PRODUCT if radial else 1
        self.units = [
            Unit(index, paths, mul, max(least, min(MAX_CHANNELS, power_of_two(mul))))
            for index, paths in self._groups()
            if (mul := table.blocks[index].mul)
        ]
        widest = max((unit.channels for unit in self.units), default=1)
        self.num_warps = 8 if kind == "edges" else 4 if radial else 1
        self.tile = MIN_PRODUCT if kind == "edges" or radial else min(32, NUMBERS_PER_WARP // widest)
        self._x_starts = list(accumulate((block.size for block in table.blocks), initial=0))
        self._out_starts = list(accumulate((block.size for block in table.out_blocks), initial=0))
        self._hidden_tile = max(MIN_PRODUCT, min(MAX_HIDDEN, power_of_two(num_hidden or 0)))
        self._hidden_starts = list(enumerate(range(0, num_hidden or 0, self._hidden_tile)))

    def text(self) -> str:
        """The kernel, after the functions that it calls."""
        integers = _INTEGERS[self.kind]
        if self.kind == "edges":
            return triton_function(self.kind, self.tensors, integers, self._edges())
        write = {"receivers": self._receivers, "senders": self._senders, "matrix": self._matrix}[self.kind]
        names = [*self.tensors, *integers]
        text, end = "", 0
        body = ["owner = tl.program_id(0).to(tl.int64)", "part = tl.program_id(1)"]
        for number, unit in enumerate(self.units):
            start, end = end, end + unit.chunks
            text += triton_function(f"unit_{number}", ["owner", "chunk", *names], [], [*_channels(unit), *write(unit)])
            call = f"unit_{number}(owner, part - {start}, {', '.join(names)})"
            body += nest(f"{'elif' if number else 'if'} part < {end}:", [call])
        return text + triton_function(self.kind, self.tensors, integers, body)

    # kernels

    def _receivers(self, unit: Unit) -> list[str]:
        """gg_p[m3] = Σ_e (w M(y) a + w M(b) x + d M(y) x)[m3], or Σ_e (w M(y) x)[m3]."""
        sums = [(p, m3) for p in unit.paths for m3 in range(self._out(p).dim)]
        body = self._edge_tile(unit.paths) + self._load_features(unit)
        for p in unit.paths:
            body += self._load_weights(unit, p) + self._edge_matrices(p, self.harmonics)
            for m3 in range(self._out(p).dim):
                body += _add(
                    f"sum_{p}_{m3}", [f"{name}_ * ({row})" for name in self.weights if (row := self._row(p, m3, name))]
                )
        lines = [self._zeros(f"sum_{p}_{m3}", self.tile, unit.channels) for p, m3 in sums]
        lines += self._loop_over_owned("num_dst", body)
        for p, m3 in sums:
            at = f"{self._out_at(p, 'gg', 'owner')} + {m3 * self._out(p).mul}"
            lines.append(f"tl.store({at}, tl.reduce(sum_{p}_{m3}, 0, add, keep_dims=True), {unit.mask()})")
        return lines

    def _senders(self, unit: Unit) -> list[str]:
        """gx[m1] = Σ_e,p,m3 (w M(b) + d M(y))[m3, m1] g_p[m3], or Σ_e,p,m3 w M(y)[m3, m1] g_p[m3]."""
        dim, mul = self.table.blocks[unit.block].dim, unit.mul
        pairs = [(y, weight) for x, y, weight in self.terms if x == "x"]
        body = self._edge_tile(unit.paths)
        for p in unit.paths:
            entries = self.table.paths[p].edge_matrix_entries()
            body += self._load_weights(unit, p) + self._load_given(unit, p) + self._edge_matrices(p, self.harmonics)
            body += [
                f"{weight}g_{m3} = {weight}_ * g_{m3}"
                for _, weight in pairs
                for m3 in sorted({m3 for m3, _ in entries})
            ]
            for m in range(dim):
                body += _add(
                    f"sum_{m}",
                    [f"M{y}_{m3}_{m1} * {weight}g_{m3}" for y, weight in pairs for m3, m1 in entries if m1 == m],
                )
        lines = [self._zeros(f"sum_{m}", self.tile, unit.channels) for m in range(dim)]
        lines += self._loop_over_owned("num_src", body)
        lines.append(f"gx_at = {self._x_at(unit, 'gx', 'owner')}")
        for m in range(dim):
            lines.append(f"tl.store(gx_at + {m * mul}, tl.reduce(sum_{m}, 0, add, keep_dims=True), {unit.mask()})")
        return lines

    def _edges(self) -> list[str]:
        """With s^x_p[m2] = Σ_m1,m3 C^p[m1, m2, m3] g_p[m3] x[m1]:

        gy[m2] = Σ_p,c w s^a_p[m2] + d s^x_p[m2]   and   gw_p = Σ_m2 s^a_p[m2] y[m2] + s^x_p[m2] b[m2],   or w s^x and Σ s^x y.
        """
        lines = [f"start = first + tl.program_id(0) * {self.tile}"]
        lines += self._edge_tile([p for unit in self.units for p in unit.paths])
        lines += [self._zeros(f"gy_{column}", self.tile, 1) for column in range(self.table.dim_sh)]
        if self.hidden:
            lines += [self._zeros(f"gh_{k}", self.tile, self._hidden_tile) for k, _ in self._hidden_starts]
        for unit in self.units:
            columns = self._columns(unit.paths)
            body = _channels(unit) + self._load_features(unit)
            for p in unit.paths:
                body += self._load_weights(unit, p) + self._load_given(unit, p) + self._edge_path(unit, p)
            lines += [self._zeros(f"sum_{column}", self.tile, unit.channels) for column in columns]
            lines += nest(f"for chunk in range({unit.chunks}):", body)
            lines += [f"gy_{column} += tl.reduce(sum_{column}, 1, add, keep_dims=True)" for column in columns]
        dim = self.table.dim_sh
        lines += [f"tl.store(gy + edge * {dim} + {column}, gy_{column}, live)" for column in range(dim)]
        for k, start in self._hidden_starts if self.hidden else []:
            column, mask = self._hidden_range(start, self._hidden_tile, "[None, :]")
            lines += _store_or_add(
                f"gh + row * {self.num_hidden} + {column}", f"gh_{k}", f"live & {mask}" if mask else "live"
            )
        return lines

    def _edge_path(self, unit: Unit, p: int) -> list[str]:
        """What one path adds to gy and to gw or gh."""
        path, lines = self.table.paths[p], []
        pairs = sorted({(m1, m3) for m1, _, m3, _ in path.coefficients})
        contracted = sorted({m2 for _, m2, _, _ in path.coefficients})
        for x in self.features:
            lines += [f"{x}g_{m1}_{m3} = {x}_{m1} * g_{m3}" for m1, m3 in pairs]
            for m in contracted:
                total = " + ".join(f"{value!r} * {x}g_{m1}_{m3}" for m1, m2, m3, value in path.coefficients if m2 == m)
                lines.append(f"s{x}_{m} = {total}")
        by_y = [(x, weight) for x, y, weight in self.terms if y == "y"]
        for m in contracted:
            lines += _add(f"sum_{path.sh_start + m}", [f"{weight}_ * s{x}_{m}" for x, weight in by_y])
        for weight in self.weights[: max(1, len(self.matrices))]:
            products = [f"s{x}_{m} * {y}_{path.sh_start + m}" for x, y in self._without(weight) for m in contracted]
            lines.append(
                f"grad_{weight} = {' + '.join(products)}"
                if products
                else self._zeros(f"grad_{weight}", self.tile, unit.channels)
            )
        if not self.hidden:
            at = f"gw + row * {self.table.num_weights} + {self.table.weight_starts[p]} + channel"
            return lines + _store_or_add(at, "grad_w", unit.mask("live"))
        for k, start in self._hidden_starts:
            lines += self._load_matrices(unit, p, start, self._hidden_tile, f"_{k}")
        for weight, matrix in zip(self.weights, self.matrices, strict=False):  # h is in w = h @ W, and in d if W moves
            lines += [
                f"gh_{k} = {_dot(f'grad_{weight}', f'tl.trans({matrix}_{k})', f'gh_{k}')}"
                for k, _ in self._hidden_starts
            ]
        return lines

    def _matrix(self, unit: Unit) -> list[str]:
        """gW = Σ_e h gw + ch gd: of the columns of the paths of a unit."""
        sums = [(p, k, start) for p in unit.paths for k, start in self._hidden_starts]
        body = self._edge_tile(unit.paths) + self._load_features(unit)
        for p in unit.paths:
            body += self._load_given(unit, p) + self._edge_matrices(p, self.harmonics)
            for weight, h in zip(self.weights, self.hidden, strict=True):
                rows = [f"g_{m3} * ({row})" for m3 in range(self._out(p).dim) if (row := self._row(p, m3, weight))]
                if rows:
                    body.append(f"grad_{weight} = {' + '.join(rows)}")
                    body += [
                        f"sum_{p}_{k} = {_dot(f'tl.trans({h}_{k})', f'grad_{weight}', f'sum_{p}_{k}')}"
                        for k, _ in self._hidden_starts
                    ]
        lines = [self._zeros(f"sum_{p}_{k}", self._hidden_tile, unit.channels) for p, k, _ in sums]
        lines.append("last = tl.minimum((owner + 1) * edges_per_split, num_edges)")
        lines += nest(f"for start in range(owner * edges_per_split, last, {self.tile}):", body)
        size = self.num_hidden * self.table.num_weights
        for p, k, start in sums:
            row, mask = self._hidden_range(start, self._hidden_tile, "[:, None]")
            at = f"gW + owner * {size} + {row} * {self.table.num_weights} + {self.table.weight_starts[p]} + channel"
            lines.append(f"tl.store({at}, sum_{p}_{k}, {unit.mask(mask)})")
        return lines

    # loads and products

    def _loop_over_owned(self, num_nodes: str, body: list[str]) -> list[str]:
        """Tiles of the edges of a node: one range of them in each phase."""
        inner = [
            f"bounds = ptr + phase * ({num_nodes} + 1) + owner",
            "last = tl.load(bounds + 1)",
            *nest(f"for start in range(tl.load(bounds), last, {self.tile}):", body),
        ]
        return nest("for phase in range(num_phases):", inner)

    def _edge_tile(self, paths: Iterable[int]) -> list[str]:
        """Edges from `start` on and before `last`: nodes, row of the weights, harmonics y_0, y_1, ... and radial features h_0, ..."""
        lines = [
            f"position = start + tl.arange(0, {self.tile})[:, None]",
            "live = position < last",
            "edge = tl.load(order + position, live, 0).to(tl.int64)",
            "src = tl.load(index + edge, live, 0).to(tl.int64)",
            "dst = tl.load(index + num_edges + edge, live, 0).to(tl.int64)",
            "row = tl.load(index + 2 * num_edges + edge, live, 0).to(tl.int64)",
        ]
        for name in self.harmonics:
            at = f"{name} + edge * {self.table.dim_sh}"
            lines += [f"{name}_{column} = tl.load({at} + {column}, live, 0.0)" for column in self._columns(paths)]
        if self.kind == "matrix":
            for k, start in self._hidden_starts:
                lines += self._load_hidden(start, self._hidden_tile, f"_{k}")
        return lines

    def _load_features(self, unit: Unit) -> list[str]:
        """x_0, x_1, ...: the senders' features."""
        lines = []
        for name in self.features:
            lines.append(f"{name}_at = {self._x_at(unit, name, 'src')}")
            for m in range(self.table.blocks[unit.block].dim):
                lines.append(f"{name}_{m} = tl.load({name}_at + {m * unit.mul}, {unit.mask('live')}, 0.0)")
        return lines

    def _load_given(self, unit: Unit, p: int) -> list[str]:
        """g_0, g_1, ...: the gradient by what the path puts out."""
        lines = [f"g_at = {self._out_at(p, 'g', 'dst')}"]
        for m in range(self._out(p).dim):
            lines.append(f"g_{m} = tl.load(g_at + {m * self._out(p).mul}, {unit.mask('live')}, 0.0)")
        return lines

    def _load_weights(self, unit: Unit, p: int) -> list[str]:
        """w_ and d_. A loop over the columns of h keeps the tiles that are multiplied small."""
        if not self.hidden:
            at = f"row * {self.table.num_weights} + {self.table.weight_starts[p]} + channel"
            return [f"{name}_ = tl.load({name} + {at}, {unit.mask('live')}, 0.0)" for name in self.weights]
        body = self._load_hidden("k", HIDDEN_STEP, "_part") + self._load_matrices(unit, p, "k", HIDDEN_STEP, "_part")
        for weight in self.weights:
            products = {"w": [("h", "W")], "d": [("ch", "W"), ("h", "cW")]}[weight]
            products = [(h, matrix) for h, matrix in products if matrix in self.matrices]
            body += [f"{weight}_ = {_dot(f'{h}_part', f'{matrix}_part', f'{weight}_')}" for h, matrix in products]
        lines = [self._zeros(f"{weight}_", self.tile, unit.channels) for weight in self.weights]
        return lines + nest(f"for k in range(0, {self.num_hidden}, {HIDDEN_STEP}):", body)

    def _load_hidden(self, start: int | str, number: int, suffix: str) -> list[str]:
        """A number of columns of h and ch."""
        column, mask = self._hidden_range(start, number, "[None, :]")
        mask = f"live & {mask}" if mask else "live"
        return [
            f"{name}{suffix} = tl.load({name} + row * {self.num_hidden} + {column}, {mask}, 0.0)"
            for name in self.hidden
        ]

    def _load_matrices(self, unit: Unit, p: int, start: int | str, number: int, suffix: str) -> list[str]:
        """A number of rows of W and cW, of the columns of a path."""
        row, mask = self._hidden_range(start, number, "[:, None]")
        mask = unit.mask(mask)
        at = f"{row} * {self.table.num_weights} + {self.table.weight_starts[p]} + channel"
        rest = "" if mask == "None" else f", {mask}, 0.0"
        return [f"{name}{suffix} = tl.load({name} + {at}{rest})" for name in self.matrices]

    def _edge_matrices(self, p: int, harmonics: Iterable[str]) -> list[str]:
        """My_m3_m1, of the harmonics y, and Mb_m3_m1."""
        start, lines = self.table.paths[p].sh_start, []
        for name in harmonics:
            for (m3, m1), terms in self.table.paths[p].edge_matrix_entries().items():
                lines.append(
                    f"M{name}_{m3}_{m1} = " + " + ".join(f"{value!r} * {name}_{start + m2}" for m2, value in terms)
                )
        return lines

    def _row(self, p: int, m3: int, weight: str) -> str:
        """Row m3 of M x, the sum of the terms that have this weight; empty if it is zero."""
        columns = [m1 for row, m1 in self.table.paths[p].edge_matrix_entries() if row == m3]
        return " + ".join(f"M{y}_{m3}_{m1} * {x}_{m1}" for x, y in self._without(weight) for m1 in columns)

    # addresses and numbers

    def _groups(self) -> Iterator[tuple[int, tuple[int, ...]]]:
        """(block, paths of it) that one program takes."""
        for index in range(len(self.table.blocks)):
            group: list[int] = []
            for p, path in enumerate(self.table.paths):
                if path.block == index:
                    rows = sum(self._out(member).dim for member in (*group, p))
                    full = {
                        "receivers": rows > MAX_ROWS[self.second],
                        "senders": False,
                        "edges": bool(self.hidden),  # a path fills the registers
                        "matrix": len(group) == MAX_MATRIX_PATHS,
                    }[self.kind]
                    if group and full:
                        yield index, tuple(group)
                        group = []
                    group.append(p)
            if group:
                yield index, tuple(group)

    def _without(self, weight: str) -> list[tuple[str, str]]:
        """(x, y) of the terms that have this weight."""
        return [(x, y) for x, y, other in self.terms if other == weight]

    def _columns(self, paths: Iterable[int]) -> list[int]:
        """Columns of y that paths use."""
        members = [self.table.paths[p] for p in paths]
        return sorted({path.sh_start + m2 for path in members for _, m2, _, _ in path.coefficients})

    def _out(self, p: int):
        return self.table.out_blocks[self.table.paths[p].out_block]

    def _x_at(self, unit: Unit, name: str, node: str) -> str:
        """Where component 0 of the unit's block is."""
        size = self.table.blocks[unit.block].size
        return f"{name} + num_src.to(tl.int64) * {self._x_starts[unit.block]} + {node} * {size} + channel"

    def _out_at(self, p: int, name: str, node: str) -> str:
        """Where component 0 of what the path puts out is."""
        path = self.table.paths[p]
        start = f"num_dst.to(tl.int64) * {self._out_starts[path.out_block]}"
        return f"{name} + {start} + {node} * {self._out(p).size} + {path.channel} + channel"

    def _hidden_range(self, start: int | str, number: int, axis: str) -> tuple[str, str]:
        """Numbers of columns of h or rows of W, and a condition if not all of them exist."""
        numbers = f"({start} + tl.arange(0, {number}){axis})"
        return numbers, f"({numbers} < {self.num_hidden})" if self.num_hidden % number else ""

    def _zeros(self, name: str, rows: int, columns: int) -> str:
        return f"{name} = tl.full([{rows}, {columns}], 0.0, y.dtype.element_ty)"


def _channels(unit: Unit) -> list[str]:
    lines = [f"channel = chunk * {unit.channels} + tl.arange(0, {unit.channels})[None, :]"]
    return lines + ([f"inside = channel < {unit.mul}"] if unit.mul % unit.channels else [])


def _add(name: str, products: list[str]) -> list[str]:
    return [f"{name} += {' + '.join(products)}"] if products else []


def _dot(left: str, right: str, total: str) -> str:
    return f"tl.dot({left}, {right}, {total}, input_precision={PRECISION!r}, out_dtype=y.dtype.element_ty)"


def _store_or_add(at: str, value: str, mask: str) -> list[str]:
    """Add the edges at positions before add_before to what is there, and store the others."""
    return [f"at = {at}", f"tl.store(at, {value} + tl.load(at, {mask} & (position < add_before), 0.0), {mask})"]
