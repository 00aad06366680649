"""What the kernels of neighbors.py compute: distances of a point to 64 others at a time, and a bit for each that is short enough."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from .emit import Emitter, Value

LANES = 64
"""Distances at a time: their comparisons are the bits of an int64."""
_ROUNDS = 64
"""Thresholds that are tried for a query."""


class _Query(NamedTuple):
    """A point: its coordinates in vectors if their number is known, and where they are."""

    address: Value
    stride: Value
    known: list[Value] | None


class _Emitter(Emitter):
    """With comparisons whose results are bits, and the distances of a query to 64 points."""

    def bits(self, how: str, a: Value, b: Value) -> Value:
        """int64 with a bit for each lane where vectors compare so."""
        compared = self._let(f"fcmp {how} {self.vector} {a}, {b}")
        return self._let(f"bitcast <{self.width} x i1> {compared} to i64")

    def choose(self, how: str, a: Value, b: Value, x: Value, y: Value, scalar: bool = False) -> Value:
        """x where a and b compare so, else y."""
        kind = self.scalar if scalar else self.vector
        condition = "i1" if scalar else f"<{self.width} x i1>"
        compared = self._let(f"fcmp {how} {kind} {a}, {b}")
        return self._let(f"select {condition} {compared}, {kind} {x}, {kind} {y}")

    def whole(self, how: str, a: Value, b: Value) -> Value:
        """An operation on the bits of int64: "and", "or", "xor", "shl"."""
        return self._let(f"{how} i64 {a}, {b}")

    def both(self, a: Value, b: Value) -> Value:
        """Whether two conditions hold."""
        return self._let(f"and i1 {a}, {b}")

    def ints_at(self, pointer: Value, offset: Value) -> Value:
        """The address of an int64."""
        return self._int_address(pointer, offset)

    def either(self, condition: Value, a: Value, b: Value, kind: str = "i64") -> Value:
        """a if the condition holds, else b."""
        return self._let(f"select i1 {condition}, {kind} {a}, {kind} {b}")

    def ones(self, word: Value) -> Value:
        """How many bits are set."""
        self._declarations.add("declare i64 @llvm.ctpop.i64(i64)")
        return self._let(f"call i64 @llvm.ctpop.i64(i64 {word})")

    def lowest(self, word: Value) -> Value:
        """The number of the lowest bit that is set; there is one."""
        self._declarations.add("declare i64 @llvm.cttz.i64(i64, i1)")
        return self._let(f"call i64 @llvm.cttz.i64(i64 {word}, i1 true)")

    @property
    def infinity(self) -> Value:
        return self.literal(math.inf)

    def number(self, integer: Value) -> Value:
        """A whole number as a floating-point scalar."""
        return self._let(f"sitofp i64 {integer} to {self.scalar}")

    def minus(self, a: Value, b: Value, scalar: bool = False) -> Value:
        return self._let(f"fsub {self.scalar if scalar else self.vector} {a}, {b}")

    def divided(self, a: Value, b: Value) -> Value:
        return self._let(f"fdiv {self.scalar} {a}, {b}")

    def root(self, a: Value) -> Value:
        self._declarations.add(f"declare {self.scalar} @llvm.sqrt.{self._suffix}({self.scalar})")
        return self._let(f"call {self.scalar} @llvm.sqrt.{self._suffix}({self.scalar} {a})")

    def largest(self, vector: Value) -> Value:
        """The largest lane."""
        name = f"@llvm.vector.reduce.fmax.v{self.width}{self._suffix}"
        self._declarations.add(f"declare {self.scalar} {name}({self.vector})")
        return self._let(f"call {self.scalar} {name}({self.vector} {vector})")

    def query(self, address: Value, stride: Value, dim: int | None) -> "_Query":
        """A point whose coordinates are a stride apart; dim: how many, None if only the argument of that name says so."""
        if dim is None:
            return _Query(address, stride, None)
        return _Query(address, stride, [self.coordinate(address, stride, axis) for axis in range(dim)])

    def coordinate(self, address: Value, stride: Value, axis: Value) -> Value:
        return self.splat(self.load_scalar(self.at(address, self.mul(stride, axis))))

    def squares(self, query: "_Query", points: Value, stride: Value) -> Value:
        """Squared distances to the 64 points that start at an address, whose coordinates are a stride apart."""
        if query.known is not None:
            total = None
            for axis, coordinate in enumerate(query.known):
                step = self.minus(self.load(self.at(points, self.mul(stride, axis))), coordinate)
                total = self.fma(step, step, total)
            return total
        sums = self.variable(self.vector)
        self.set(sums, self.vector, self.zero)
        with self.loop(0, self.arguments["dim"]) as axis:
            coordinate = self.coordinate(query.address, query.stride, axis)
            step = self.minus(self.load(self.at(points, self.mul(stride, axis))), coordinate)
            self.set(sums, self.vector, self.fma(step, step, self.get(sums, self.vector)))
        return self.get(sums, self.vector)

    @contextmanager
    def each_bit(self, word: Value) -> Iterator[Value]:
        """For the number of each bit that is set."""
        left = self.variable("i64")
        self.set(left, "i64", word)
        with self.loop_while(lambda: self.compare("ne", self.get(left, "i64"), 0)):
            now = self.get(left, "i64")
            yield self.lowest(now)
            self.set(left, "i64", self.whole("and", now, self.sub(now, 1)))


def nearest(symbol: str, kind: str, dim: int | None, dtype: str, capacity: int) -> str:
    """The k nearest points of each query, and the squares of the k-th distance and the one after it."""
    # A threshold that between k + 1 and capacity points pass is found by trial; the one of the query before usually is one. The points
    # that pass are few enough to count for each how many are nearer: that is its rank.
    k = _Emitter(
        symbol,
        ["index", "squares", "points", "queries", "owner", "starts", "ptr", "itself", "guess"],
        ["stride", "dim", "k", "first", "last"],
        dtype,
        LANES,
        scratch_ints=2 * capacity,
    )
    a, real = k.arguments, k.scalar
    found_at, sorted_at = a["ints"], k.ints_at(a["ints"], capacity)
    found, ranked = a["floats"], k.at(a["floats"], capacity + LANES)
    row = k.at(ranked, capacity + LANES)
    threshold = k.variable(real)
    k.set(threshold, real, k.load_scalar(a["guess"]))
    bounds = {name: k.variable(real) for name in ("low", "high")}
    counts = {name: k.variable("i64") for name in ("low", "high", "now", "round", "done")}
    with k.loop(a["first"], a["last"]) as i:
        cloud = k.load_int(a["owner"], i)
        start, stop = k.load_int(a["starts"], cloud), k.load_int(a["starts"], k.add(cloud, 1))
        base = k.load_int(a["ptr"], cloud)
        padded, size = k.sub(stop, start), k.sub(k.load_int(a["ptr"], k.add(cloud, 1)), base)
        query = k.query(k.at(a["queries"], k.mul(i, a["dim"])), 1, dim)
        with k.loop(0, padded, LANES) as b:
            k.store(k.squares(query, k.at(a["points"], start, b), a["stride"]), k.at(row, b))
        own = k.load_int(a["itself"], i)
        excluded = k.compare("sge", own, 0)
        with k.when(excluded):
            k.store_scalar(k.infinity, k.at(row, k.sub(own, base)))
        available = k.sub(size, k.either(excluded, 1, 0))
        wanted = k.minimum(k.add(a["k"], 1), available)

        few = k.compare("sle", available, capacity)
        with k.when(few):
            k.set(threshold, real, k.infinity)
        k.set(bounds["low"], real, k.literal(0.0))
        k.set(bounds["high"], real, k.infinity)
        for name in ("low", "round", "done", "now"):
            k.set(counts[name], "i64", 0)
        k.set(counts["high"], "i64", available)

        def searching(available=available):
            going = k.compare(
                "slt", k.get(counts["round"], "i64"), k.either(k.compare("sgt", available, 0), _ROUNDS, 0)
            )
            return k.both(going, k.compare("eq", k.get(counts["done"], "i64"), 0))

        with k.loop_while(searching):
            t = k.get(threshold, real)
            limit = k.splat(t)
            k.set(counts["now"], "i64", 0)
            with k.loop(0, padded, LANES) as b:
                short = k.ones(k.bits("olt", k.load(k.at(row, b)), limit))
                k.set(counts["now"], "i64", k.add(k.get(counts["now"], "i64"), short))
            now = k.get(counts["now"], "i64")
            too_few, too_many = k.compare("slt", now, wanted), k.compare("sgt", now, capacity)
            with k.when(too_few):
                k.set(bounds["low"], real, t)
                k.set(counts["low"], "i64", now)
            with k.when(too_many):
                k.set(bounds["high"], real, t)
                k.set(counts["high"], "i64", now)
            wrong = k.either(too_few, "true", too_many, "i1")
            k.set(counts["done"], "i64", k.either(wrong, 0, 1))
            with k.when(wrong):
                low, high = k.get(bounds["low"], real), k.get(bounds["high"], real)
                low_count, high_count = k.get(counts["low"], "i64"), k.get(counts["high"], "i64")
                # by turns where a straight line between the bounds passes the middle of what is wanted, and half way
                middle = k.divide(k.add(wanted, capacity), 2)
                line = k.divided(k.number(k.sub(middle, low_count)), k.number(k.sub(high_count, low_count)))
                odd = k.compare("eq", k.whole("and", k.get(counts["round"], "i64"), 1), 1)
                part = k.either(odd, k.literal(0.5), line, real)
                inside = k.fma(k.minus(high, low, scalar=True), part, low, scalar=True)
                above = k.plus(k.times(t, k.literal(2.0), scalar=True), k.literal(1e-37), scalar=True)
                k.set(threshold, real, k.choose("oeq", high, k.infinity, above, inside, scalar=True))
            k.set(counts["round"], "i64", k.add(k.get(counts["round"], "i64"), 1))

        usable = k.compare("eq", k.get(counts["done"], "i64"), 1)
        limit = k.splat(k.either(usable, k.get(threshold, real), k.literal(-1.0), real))  # none pass if none is usable
        k.set(counts["now"], "i64", 0)
        with (
            k.loop(0, padded, LANES) as b,
            k.each_bit(k.bits("olt", k.load(k.at(row, b)), limit)) as lane,
        ):
            now = k.get(counts["now"], "i64")
            k.store_int(k.add(b, lane), found_at, now)
            k.store_scalar(k.load_scalar(k.at(row, b, lane)), k.at(found, now))
            k.set(counts["now"], "i64", k.add(now, 1))
        count = k.get(counts["now"], "i64")
        k.store(k.splat(k.infinity), k.at(found, count))
        with k.loop(0, count) as one:
            square = k.load_scalar(k.at(found, one))
            it, rank = k.splat(square), counts["round"]
            k.set(rank, "i64", 0)
            with k.loop(0, count, LANES) as b:
                others = k.load(k.at(found, b))
                before = k.minimum(k.maximum(k.sub(one, b), 0), LANES)
                all_before = k.compare("eq", before, LANES)
                mask = k.sub(k.whole("shl", 1, k.either(all_before, 0, before)), 1)
                mask = k.either(all_before, -1, mask)
                equal = k.whole("and", k.bits("oeq", others, it), mask)
                nearer = k.whole("or", k.bits("olt", others, it), equal)
                k.set(rank, "i64", k.add(k.get(rank, "i64"), k.ones(nearer)))
            k.store_int(k.load_int(found_at, one), sorted_at, k.get(rank, "i64"))
            k.store_scalar(square, k.at(ranked, k.get(rank, "i64")))
        shown = k.minimum(count, a["k"])
        out = k.mul(i, a["k"])
        with k.loop(0, shown) as rank:
            k.store_int(k.add(base, k.load_int(sorted_at, rank)), a["index"], k.add(out, rank))
        with k.loop(shown, a["k"]) as rank:
            k.store_int(-1, a["index"], k.add(out, rank))
        # infinity after the last point; NaN if none passed because too many are equal
        none = k.either(k.compare("eq", available, 0), k.infinity, k.literal(math.nan), real)
        for place in (0, 1):
            rank = k.add(a["k"], place - 1)
            beyond = k.either(k.compare("eq", count, 0), none, k.infinity, real)
            value = k.variable(real)
            k.set(value, real, beyond)
            with k.when(k.compare("slt", rank, count)):
                k.set(value, real, k.load_scalar(k.at(ranked, rank)))
            k.store_scalar(k.get(value, real), k.at(a["squares"], k.add(k.mul(i, 2), place)))
        again = k.both(usable, k.compare("sgt", available, capacity))
        k.set(threshold, real, k.either(again, k.get(threshold, real), k.load_scalar(a["guess"]), real))
    return k.text()


def within(symbol: str, kind: str, dim: int | None, dtype: str, capacity: int) -> str:
    """How many points are nearer to each query than a limit ("count"), or which ("fill")."""
    pointers = ["place", "points", "queries", "owner", "starts", "ptr", "itself", "limits"]
    k = _Emitter(
        symbol,
        [*pointers, *(["rows", "index"] if kind == "fill" else [])],
        ["stride", "dim", "first", "last"],
        dtype,
        LANES,
    )
    a, count = k.arguments, k.variable("i64")
    with k.loop(a["first"], a["last"]) as i:
        cloud = k.load_int(a["owner"], i)
        start, stop = k.load_int(a["starts"], cloud), k.load_int(a["starts"], k.add(cloud, 1))
        base = k.load_int(a["ptr"], cloud)
        query = k.query(k.at(a["queries"], k.mul(i, a["dim"])), 1, dim)
        limit = k.splat(k.load_scalar(k.at(a["limits"], i)))
        own = k.sub(k.load_int(a["itself"], i), base)
        k.set(count, "i64", 0 if kind == "count" else k.load_int(a["place"], i))
        with k.loop(0, k.sub(stop, start), LANES) as b:
            short = k.bits("olt", k.squares(query, k.at(a["points"], start, b), a["stride"]), limit)
            lane = k.sub(own, b)
            here = k.compare("ult", lane, LANES)
            itself = k.either(here, k.whole("shl", 1, k.either(here, lane, 0)), 0)
            short = k.whole("and", short, k.whole("xor", itself, -1))
            if kind == "count":
                k.set(count, "i64", k.add(k.get(count, "i64"), k.ones(short)))
            else:
                with k.each_bit(short) as lane:
                    now = k.get(count, "i64")
                    k.store_int(i, a["rows"], now)
                    k.store_int(k.add(base, b, lane), a["index"], now)
                    k.set(count, "i64", k.add(now, 1))
        if kind == "count":
            k.store_int(k.get(count, "i64"), a["place"], i)
    return k.text()


def farthest(symbol: str, kind: str, dim: int | None, dtype: str, capacity: int) -> str:
    """Points of each cloud, each the farthest from those before it."""
    k = _Emitter(
        symbol,
        ["picked", "place", "points", "starts", "ptr", "chosen", "tolerance"],
        ["stride", "dim", "first", "last"],
        dtype,
        LANES,
    )
    a, zero = k.arguments, k.literal(0.0)
    minus_one, infinity = k.constant(-1.0), k.constant(math.inf)
    nearest = a["floats"]  # to the nearest of those picked; -1 for these, and where there is no point
    current, far_count, best = k.variable("i64"), k.variable("i64"), k.variable(k.vector)
    with k.loop(a["first"], a["last"]) as cloud:
        start, stop = k.load_int(a["starts"], cloud), k.load_int(a["starts"], k.add(cloud, 1))
        base, padded = k.load_int(a["ptr"], cloud), k.sub(stop, start)
        points = k.at(a["points"], start)
        prefer = k.at(points, k.mul(a["dim"], a["stride"]))
        tolerance = k.load_scalar(k.at(a["tolerance"], cloud))
        k.set(current, "i64", k.sub(k.load_int(a["chosen"], cloud), base))
        with k.loop(0, padded, LANES) as b:
            k.store(k.choose("oeq", k.load(k.at(points, b)), infinity, minus_one, infinity), k.at(nearest, b))
        with k.loop(k.load_int(a["place"], cloud), k.load_int(a["place"], k.add(cloud, 1))) as place:
            point = k.get(current, "i64")
            k.store_int(k.add(base, point), a["picked"], place)
            k.store_scalar(k.literal(-1.0), k.at(nearest, point))
            query = k.query(k.at(points, point), a["stride"], dim)
            k.set(best, k.vector, minus_one)
            with k.loop(0, padded, LANES) as b:
                squares = k.squares(query, k.at(points, b), a["stride"])
                before = k.load(k.at(nearest, b))
                now = k.choose("olt", squares, before, squares, before)
                k.store(now, k.at(nearest, b))
                most = k.get(best, k.vector)
                k.set(best, k.vector, k.choose("olt", most, now, now, most))
            most = k.largest(k.get(best, k.vector))
            most = k.choose("olt", most, zero, zero, most, scalar=True)
            edge = k.minus(k.root(most), tolerance, scalar=True)
            edge = k.choose("olt", edge, zero, zero, edge, scalar=True)
            edge = k.times(edge, edge, scalar=True)
            edge = k.splat(k.choose("olt", most, edge, most, edge, scalar=True))
            k.set(far_count, "i64", 0)
            with k.loop(0, padded, LANES) as b:
                far = k.bits("oge", k.load(k.at(nearest, b)), edge)
                with k.when(k.compare("ne", far, 0)):
                    k.set(far_count, "i64", k.add(k.get(far_count, "i64"), k.ones(far)))
                    k.set(current, "i64", k.add(b, k.lowest(far)))
            with k.when(k.compare("sgt", k.get(far_count, "i64"), 1)):
                lowest = k.constant(-math.inf)
                k.set(best, k.vector, lowest)
                with k.loop(0, padded, LANES) as b:
                    value = k.choose("oge", k.load(k.at(nearest, b)), edge, k.load(k.at(prefer, b)), lowest)
                    most = k.get(best, k.vector)
                    k.set(best, k.vector, k.choose("olt", most, value, value, most))
                least = k.splat(k.minus(k.largest(k.get(best, k.vector)), tolerance, scalar=True))
                k.set(current, "i64", -1)
                with k.loop(0, padded, LANES) as b:
                    far = k.bits("oge", k.load(k.at(nearest, b)), edge)
                    far = k.whole("and", far, k.bits("oge", k.load(k.at(prefer, b)), least))
                    undecided = k.compare("slt", k.get(current, "i64"), 0)
                    with k.when(k.either(undecided, k.compare("ne", far, 0), "false", "i1")):
                        k.set(current, "i64", k.add(b, k.lowest(far)))
    return k.text()
