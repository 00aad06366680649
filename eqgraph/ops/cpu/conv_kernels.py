"""Writes the kernels of the convolution: value, gradient, second gradient, with weights read or made of radial features.

For every edge and channel, with the edge matrix M_p[m3, m1] = Σ_m2 C^p[m1, m2, m3] y[m2], which channels share,

    value:            out_p[m3] += w_p Σ_m1 M_p[m3, m1] x[m1]
    gradient:         s_p[m2] = Σ_{m1, m3} C^p[m1, m2, m3] g_p[m3] x[m1]
                      gw_p = Σ_m2 s_p[m2] y[m2],   gy[m2] += w_p s_p[m2],   gx[m1] += Σ_p,m3 M_p[m3, m1] w_p g_p[m3]
                      where gy is not wanted, without s: gw_p = Σ_m3 g_p[m3] Σ_m1 M_p[m3, m1] x[m1]
    second gradient:  that of  L(g, a, y, w) + L(g, x, b, w) + L(g, x, y, d),   with L(g, x, y, w) = Σ g · out(x, y, w).

A kernel owns a range of receivers, and so every number that it writes, except the gradient of the senders' features, for which it has
memory of its own.
"""

from collections.abc import Callable

from ..paths import Path
from .conv_plan import ConvPlan
from .emit import Emitter, Value
from .gemm import gemm
from .traverse import traverse

INTEGERS = ["first_row", "last_row", "num_src", "num_dst", "first_src", "num_local", "accumulate"]
_SORTED = ["sender", "weight_row", "order", "ptr"]
_POINTERS = {
    "forward": ["out", "x", "y"],
    "backward": ["gx", "gy", "g", "x", "y"],
    "double_backward": ["dg", "dx", "dy", "a", "b", "g", "x", "y"],
}
_WEIGHTS = {"forward": ["w"], "backward": ["gw", "w"], "double_backward": ["dw", "d", "w"]}
_RADIAL_WEIGHTS = {
    "forward": ["h", "matrix"],
    "backward": ["gh", "gmatrix", "h", "matrix", "transposed"],
    "double_backward": ["dh", "dmatrix", "ch", "h", "matrix", "transposed"],
}


def pointers(kind: str, radial: bool) -> list[str]:
    """Names of the pointer arguments of a kernel, in order."""
    return [*_POINTERS[kind], *(_RADIAL_WEIGHTS if radial else _WEIGHTS)[kind], *_SORTED]


def source(plan: ConvPlan, name: str) -> str:
    """The LLVM text of the kernel of a plan, as a function of this name."""
    names = pointers(plan.kind, plan.num_hidden is not None)
    k = Emitter(name, names, INTEGERS, plan.dtype, plan.width, plan.scratch_ints)
    _Writer(plan, k).write()
    return k.text()


class _Writer:
    """The state while one kernel is written."""

    def __init__(self, plan: ConvPlan, k: Emitter) -> None:
        self.plan, self.k, self.table = plan, k, plan.table
        self.values = values = k.arguments
        self.radial = plan.num_hidden is not None
        self.scratch = {name: k.at(values["floats"], start) for name, start in plan.places.items()}
        self.blocks = {
            name: [k.at(values[name], k.mul(values["num_src"], start)) for start in plan.x_starts]
            for name in ("x", "a")
            if name in values
        }
        for name in ("gx", "dx"):
            if name in values:
                self.blocks[name] = [k.at(values[name], k.mul(values["num_local"], s)) for s in plan.x_starts]
        for name in ("out", "g", "dg"):
            if name in values:
                self.blocks[name] = [k.at(values[name], k.mul(values["num_dst"], s)) for s in plan.out_starts]
        self.accumulate = k.compare("ne", values["accumulate"], 0)

    def write(self) -> None:
        values = self.values
        segment: Callable[[Value, Value, Value], None] = {
            "forward": self._forward,
            "backward": self._backward,
            "double_backward": self._double_backward,
        }[self.plan.kind]
        with self.k.when(self.k.compare("eq", values["accumulate"], 0)):
            self._clear()
        traverse(
            self.k,
            self.plan.run,
            values["ptr"],
            values["first_row"],
            values["last_row"],
            self._fill,
            self._start_row,
            segment,
            self._drain,
        )

    def _clear(self) -> None:
        """Zeros to what is this chunk's own copy."""
        for name, numel in (
            *((name, self.k.mul(self.values["num_local"], self.table.dim_in)) for name in ("gx", "dx")),
            *((name, (self.plan.num_hidden or 0) * self.table.num_weights) for name in ("gmatrix", "dmatrix")),
        ):
            if name in self.values:
                self.k.clear(self.values[name], numel)

    # per run of edges

    def _fill(self, first: Value, number: Value) -> None:
        k, table, run = self.k, self.table, self.plan.run
        with k.loop(0, number) as slot:
            edge = k.load_index(self.values["order"], k.add(first, slot))
            row = k.load_index(self.values["weight_row"], edge)
            k.store_int(k.load_index(self.values["sender"], edge), self.values["ints"], slot)
            k.store_int(edge, self.values["ints"], k.add(slot, run))
            weights = k.mul(slot, table.num_weights) if self.radial else k.mul(row, table.num_weights)
            k.store_int(weights, self.values["ints"], k.add(slot, 2 * run))
            for name in ("y", "b"):
                if name in self.scratch:
                    for m in range(table.dim_sh):
                        number_ = k.load_scalar(k.at(self.values[name], k.mul(edge, table.dim_sh), m))
                        k.store_scalar(number_, k.at(self.scratch[name], m * run, slot))
            if "sums" in self.scratch:
                with k.loop(0, table.dim_sh * k.width, k.width) as at:
                    k.store(k.zero, k.at(self.scratch["sums"], k.mul(slot, table.dim_sh * k.width), at))
            if self.radial:
                self._copy_hidden(row, slot)
            self._prefetch_weights(k.add(first, slot, run))
        self._edge_matrices("y", "matrix")
        if "b" in self.scratch:
            self._edge_matrices("b", "matrix_b")
        if self.radial:
            self._make_weights()

    def _edge_matrices(self, source: str, target: str) -> None:
        """M for all edges of the run, edges as lanes."""
        k, run, width = self.k, self.plan.run, self.plan.matrix_width
        channels, k.width = k.width, width
        vector, k.vector = k.vector, f"<{width} x {k.scalar}>"
        with k.loop(0, run, width) as slot:
            y = [k.load(k.at(self.scratch[source], m * run, slot)) for m in range(self.table.dim_sh)]
            for path, entries, start in zip(self.table.paths, self.plan.entries, self.plan.matrix_starts, strict=False):
                for index, terms in enumerate(entries.values()):
                    total = None
                    for m2, value in terms:
                        total = k.fma(k.constant(value), y[path.sh_start + m2], total)
                    k.store(total, k.at(self.scratch[target], (start + index) * run, slot))
        k.width, k.vector = channels, vector

    def _prefetch_weights(self, position: Value) -> None:
        """Weights of the next run: they are read channel by channel, in strides that the processor does not foresee, or all at once
        after much arithmetic on other things."""
        k = self.k
        row_size = self.plan.num_hidden if self.radial else self.table.num_weights
        end = k.load_index(self.values["ptr"], self.values["last_row"])
        with k.when(k.compare("slt", position, end)):
            row = k.load_index(self.values["weight_row"], k.load_index(self.values["order"], position))
            for name in ("h", "ch") if self.radial else ("w", "d"):
                if name in self.values:
                    start = k.at(self.values[name], k.mul(row, row_size))
                    with k.loop(0, row_size, 64 // k.size) as column:
                        k.prefetch(k.at(start, column))

    def _copy_hidden(self, row: Value, slot: Value) -> None:
        k, hidden = self.k, self.plan.num_hidden
        for name in ("h", "ch"):
            if name in self.scratch:
                source, target = k.mul(row, hidden), k.mul(slot, hidden)
                for at, lanes in k.channels(hidden):
                    vector = k.load(k.at(self.values[name], source, at), lanes)
                    k.store(vector, k.at(self.scratch[name], target, at), lanes)

    def _make_weights(self) -> None:
        for hidden, block in (("h", "w_block"), ("ch", "d_block")):
            if hidden in self.scratch:
                self._gemm(self.scratch[block], self.scratch[hidden], self.values["matrix"])

    def _gemm(self, block: Value, hidden: Value, matrix: Value) -> None:
        """block = hidden @ matrix for the edges of the run."""
        num_weights, num_hidden = self.table.num_weights, self.plan.num_hidden
        gemm(
            self.k, block, num_weights, hidden, num_hidden, 1, matrix, num_weights,
            self.plan.run, num_hidden, num_weights, accumulate=False,
        )  # fmt: skip

    def _drain(self, first: Value, number: Value) -> None:
        k, table, run = self.k, self.table, self.plan.run
        if "sums" in self.scratch:
            target = self.values["gy" if self.plan.kind == "backward" else "dy"]
            with k.loop(0, number) as slot:
                edge = k.load_int(self.values["ints"], k.add(slot, run))
                for m in range(table.dim_sh):
                    vector = k.load(k.at(self.scratch["sums"], k.mul(slot, table.dim_sh * k.width), m * k.width))
                    k.store_scalar(k.sum_lanes(vector), k.at(target, k.mul(edge, table.dim_sh), m))
        if self.radial and self.plan.kind != "forward":
            self._drain_hidden(first, number)

    def _drain_hidden(self, first: Value, number: Value) -> None:
        """Gradients of h and of the matrix from those of the weights of the run."""
        k, hidden, num_weights = self.k, self.plan.num_hidden, self.table.num_weights
        double = self.plan.kind == "double_backward"
        rows, matrix = ("dh", "dmatrix") if double else ("gh", "gmatrix")
        gradient = self.scratch["dw_block" if double else "gw_block"]
        gemm(
            k, self.scratch["gh"], hidden, gradient, num_weights, 1, self.values["transposed"], hidden,
            self.plan.run, num_weights, hidden, accumulate=False,
        )  # fmt: skip
        with k.loop(0, number) as slot:
            edge = k.load_index(self.values["order"], k.add(first, slot))
            row = k.mul(k.load_index(self.values["weight_row"], edge), hidden)
            for at, lanes in k.channels(hidden):
                address = k.at(self.values[rows], row, at)
                vector = k.load(k.at(self.scratch["gh"], k.mul(slot, hidden), at), lanes)
                k.store(k.plus(vector, k.load(address, lanes, self.accumulate)), address, lanes)
        if not self.plan.learns:
            return
        products = [("h", gradient)] + ([("ch", self.scratch["gw_block"])] if double else [])
        for name, block in products:
            gemm(
                k, self.values[matrix], num_weights, self.scratch[name], 1, hidden, block, num_weights,
                hidden, number, num_weights, accumulate=True,
            )  # fmt: skip

    # per receiver

    def _start_row(self, row: Value) -> None:
        """Zeros where sums start."""
        name = {"forward": "out", "double_backward": "dg"}.get(self.plan.kind)
        if name is None:
            return
        k = self.k
        with k.when(k.compare("eq", self.values["accumulate"], 0)):
            for block, address in zip(self.table.out_blocks, self.blocks[name], strict=True):
                for at, lanes in k.channels(block.size):
                    k.store(k.zero, k.at(address, k.mul(row, block.size), at), lanes)

    def _rows(self, name: str, row: Value, path: Path, channel: Value) -> list[Value]:
        """Addresses of a path's rows in features of the receivers."""
        block = self.table.out_blocks[path.out_block]
        start = self.k.at(self.blocks[name][path.out_block], self.k.mul(row, block.size), path.channel, channel)
        return [self.k.at(start, m * block.mul) for m in range(block.dim)]

    def _sender_rows(self, name: str, block: int, slot: Value, channel: Value) -> list[Value]:
        """Addresses of the rows of a block in features of the senders."""
        k, (l, mul) = self.k, self.table.blocks[block]
        sender = k.load_int(self.values["ints"], slot)
        if name in ("gx", "dx"):
            sender = k.sub(sender, self.values["first_src"])
        start = k.at(self.blocks[name][block], k.mul(sender, (2 * l + 1) * mul), channel)
        return [k.at(start, m * mul) for m in range(2 * l + 1)]

    def _weight(self, name: str, slot: Value, index: int, channel: Value) -> Value:
        """Address of the weights of a path."""
        base = self.scratch[f"{name}_block"] if self.radial else self.values[name]
        start = self.k.load_int(self.values["ints"], self.k.add(slot, 2 * self.plan.run))
        return self.k.at(base, start, self.table.weight_starts[index], channel)

    def _store_weight(self, value: Value, name: str, slot: Value, index: int, channel: Value, lanes: int) -> None:
        address = self._weight(name, slot, index, channel)
        if not self.radial:
            value = self.k.plus(value, self.k.load(address, lanes, self.accumulate))
        self.k.store(value, address, lanes)

    def _element(self, name: str, index: int, slot: Value) -> list[tuple[int, int, Value]]:
        """(m3, m1, splat of M[m3, m1]) of a path."""
        k = self.k
        start = self.plan.matrix_starts[index]
        return [
            (m3, m1, k.splat(k.load_scalar(k.at(self.scratch[name], (start + i) * self.plan.run, slot))))
            for i, (m3, m1) in enumerate(self.plan.entries[index])
        ]

    def _product(
        self, matrix: list[tuple[int, int, Value]], x: list[Value], into: dict[int, Value]
    ) -> dict[int, Value]:
        """into[m3] + Σ_m1 M[m3, m1] x[m1]."""
        for m3, m1, element in matrix:
            into[m3] = self.k.fma(element, x[m1], into.get(m3))
        return into

    def _transposed(
        self, matrix: list[tuple[int, int, Value]], u: list[Value], into: dict[int, Value]
    ) -> dict[int, Value]:
        """into[m1] + Σ_m3 M[m3, m1] u[m3]."""
        for m3, m1, element in matrix:
            into[m1] = self.k.fma(element, u[m3], into.get(m1))
        return into

    def _contract(self, path: Path, pairs: dict[tuple[int, int], Value]) -> dict[int, Value]:
        """s[m2] = Σ_{m1, m3} C[m1, m2, m3] pairs[m1, m3]."""
        sums: dict[int, Value] = {}
        for m1, m2, m3, value in path.coefficients:
            sums[m2] = self.k.fma(self.k.constant(value), pairs[m1, m3], sums.get(m2))
        return sums

    def _add_to_sums(self, path: Path, slot: Value, terms: dict[int, Value]) -> None:
        k = self.k
        start = k.at(self.scratch["sums"], k.mul(slot, self.table.dim_sh * k.width), path.sh_start * k.width)
        for m2, value in terms.items():
            address = k.at(start, m2 * k.width)
            k.store(k.plus(k.load(address), value), address)

    # per segment

    def _forward(self, row: Value, first: Value, last: Value) -> None:
        k, table = self.k, self.table
        for block, members in self.plan.units(self.plan.registers * 2 // 3):
            for channel, lanes in k.channels(table.blocks[block].mul):
                addresses = {i: self._rows("out", row, table.paths[i], channel) for i in members}
                sums = {i: [k.variable(k.vector) for _ in rows] for i, rows in addresses.items()}
                for i in members:
                    for variable, address in zip(sums[i], addresses[i], strict=True):
                        k.set(variable, k.vector, k.load(address, lanes))
                with k.loop(first, last) as slot:
                    x = [k.load(address, lanes) for address in self._sender_rows("x", block, slot, channel)]
                    for i in members:
                        weight = k.load(self._weight("w", slot, i, channel), lanes)
                        for m3, value in self._product(self._element("matrix", i, slot), x, {}).items():
                            variable = sums[i][m3]
                            k.set(variable, k.vector, k.fma(weight, value, k.get(variable, k.vector)))
                for i in members:
                    for variable, address in zip(sums[i], addresses[i], strict=True):
                        k.store(k.get(variable, k.vector), address, lanes)

    def _backward(self, row: Value, first: Value, last: Value) -> None:
        k, table, run = self.k, self.table, self.plan.run
        for block, members in self.plan.units(self.plan.registers // 3):
            for channel, lanes in k.channels(table.blocks[block].mul):
                g = {i: [k.load(at, lanes) for at in self._rows("g", row, table.paths[i], channel)] for i in members}
                with k.loop(first, last) as slot:
                    x = [k.load(address, lanes) for address in self._sender_rows("x", block, slot, channel)]
                    gx: dict[int, Value] = {}
                    for i in members:
                        path = table.paths[i]
                        weight = k.load(self._weight("w", slot, i, channel), lanes)
                        matrix = self._element("matrix", i, slot)
                        gw = None
                        if self.plan.moves:
                            pairs = {(m1, m3): k.times(x[m1], g[i][m3]) for m3, m1 in self.plan.entries[i]}
                            sums = self._contract(path, pairs)
                            for m2, value in sums.items():
                                y = k.splat(k.load_scalar(k.at(self.scratch["y"], (path.sh_start + m2) * run, slot)))
                                gw = k.fma(y, value, gw)
                            self._add_to_sums(path, slot, {m2: k.times(weight, value) for m2, value in sums.items()})
                        else:
                            for m3, value in self._product(matrix, x, {}).items():
                                gw = k.fma(g[i][m3], value, gw)
                        self._store_weight(gw, "gw", slot, i, channel, lanes)
                        weighted = [k.times(weight, value) for value in g[i]]
                        gx = self._transposed(matrix, weighted, gx)
                    for m1, address in enumerate(self._sender_rows("gx", block, slot, channel)):
                        if m1 in gx:
                            k.store(k.plus(k.load(address, lanes), gx[m1]), address, lanes)

    def _double_backward(self, row: Value, first: Value, last: Value) -> None:
        k, table = self.k, self.table
        for block, members in self.plan.units(1):
            (index,) = members
            path = table.paths[index]
            for channel, lanes in k.channels(table.blocks[block].mul):
                g = [k.load(address, lanes) for address in self._rows("g", row, path, channel)]
                addresses = self._rows("dg", row, path, channel)
                dg = [k.variable(k.vector) for _ in addresses]
                for variable, address in zip(dg, addresses, strict=True):
                    k.set(variable, k.vector, k.load(address, lanes))
                with k.loop(first, last) as slot:
                    x, a = (
                        [k.load(address, lanes) for address in self._sender_rows(name, block, slot, channel)]
                        for name in ("x", "a")
                    )
                    w, d = (k.load(self._weight(name, slot, index, channel), lanes) for name in ("w", "d"))
                    matrix, matrix_b = (self._element(name, index, slot) for name in ("matrix", "matrix_b"))
                    product = self._product(matrix, x, {})
                    changed = self._product(matrix_b, x, self._product(matrix, a, {}))
                    dw = gw = None
                    for m3, variable in enumerate(dg):
                        if m3 not in product:
                            continue
                        total = k.fma(d, product[m3], k.get(variable, k.vector))
                        k.set(variable, k.vector, k.fma(w, changed[m3], total))
                        dw = k.fma(g[m3], changed[m3], dw)
                        gw = k.fma(g[m3], product[m3], gw) if self.radial else None
                    self._store_weight(dw, "dw", slot, index, channel, lanes)
                    if self.radial:
                        self._store_weight(gw, "gw", slot, index, channel, lanes)
                    u, v = ([k.times(weight, value) for value in g] for weight in (w, d))
                    pairs = {
                        (m1, m3): k.fma(v[m3], x[m1], k.times(u[m3], a[m1])) for m3, m1 in self.plan.entries[index]
                    }
                    self._add_to_sums(path, slot, self._contract(path, pairs))
                    dx = self._transposed(matrix, v, self._transposed(matrix_b, u, {}))
                    for m1, address in enumerate(self._sender_rows("dx", block, slot, channel)):
                        if m1 in dx:
                            k.store(k.plus(k.load(address, lanes), dx[m1]), address, lanes)
                for variable, address in zip(dg, addresses, strict=True):
                    k.store(k.get(variable, k.vector), address, lanes)
