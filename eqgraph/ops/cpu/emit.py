"""Writes the text of one LLVM function: scalars, vectors of channels, loops. What a kernel computes is said elsewhere.

A kernel is called as `void name(i64 *arguments, char *scratch)`: see jobs.py.


Values are names of LLVM registers ("%7"), or Python ints for whole numbers known now. Nothing here is specific to a processor: LLVM
lowers vectors to what the machine has.
"""

import math
import struct
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from fractions import Fraction

Value = str | int

# NaN and infinity keep their meaning: a training that diverges must show it
_FAST = "contract reassoc nsz arcp"
_LN_2 = Fraction("0.693147180559945309417232121458176568")
_TYPES = {"float32": ("float", "f32"), "float64": ("double", "f64")}


def scratch_offset(num_ints: int) -> int:
    """Bytes of scratch memory that num_ints int64 take, up to the next cache line."""
    return -(-num_ints * 8 // 64) * 64


class Emitter:
    """One kernel over one floating-point type and one vector width.

    Args:
        name: of the function.
        pointers: names of the arguments that are addresses, which must not overlap where one of them is written.
        integers: names of the arguments that are whole numbers; they come after the pointers.
        scratch_ints: how many int64 the scratch memory starts with ("ints"); numbers ("floats") follow.
        dtype: "float32" or "float64".
        width: lanes of a vector.
    """

    def __init__(
        self, name: str, pointers: list[str], integers: list[str], dtype: str, width: int, scratch_ints: int = 0
    ) -> None:
        self.name, self.width = name, width
        self.arguments = {name: f"%{name}" for name in (*pointers, *integers, "ints", "floats")}
        self.scalar, self._suffix = _TYPES[dtype]
        self.vector = f"<{width} x {self.scalar}>"
        self._pointers, self._integers, self._scratch_ints = pointers, integers, scratch_ints
        self._entry: list[str] = []  # variables, which LLVM turns into registers if they are declared at the entry
        self._body: list[str] = []
        self._count = 0
        self._declarations: set[str] = set()

    def text(self) -> str:
        """The finished module."""
        pointers, integers = [*self._pointers, "ints", "floats"], self._integers
        attributes = 'nounwind "prefer-vector-width"="512" "min-legal-vector-width"="512"'
        unpacked = []
        for index, name in enumerate((*self._pointers, *integers)):
            kind = "ptr" if name in self._pointers else "i64"
            unpacked.append(f"%{name}.at = getelementptr i64, ptr %arguments, i64 {index}")
            unpacked.append(f"%{name} = load {kind}, ptr %{name}.at, align 8")
        passed = ", ".join([f"ptr %{name}" for name in pointers] + [f"i64 %{name}" for name in integers])
        received = ", ".join([f"ptr noalias %{name}" for name in pointers] + [f"i64 %{name}" for name in integers])
        return "\n".join(
            [
                *sorted(self._declarations),
                f"define void @{self.name}(ptr %arguments, ptr %ints) #0 {{",
                *unpacked,
                f"%floats = getelementptr i8, ptr %ints, i64 {scratch_offset(self._scratch_ints)}",
                f"call void @{self.name}.body({passed})",
                "ret void",
                "}",
                f"define internal void @{self.name}.body({received}) #1 {{",  # of its own, because only arguments can be noalias
                "entry:",
                *self._entry,
                "br label %.body",
                ".body:",
                *self._body,
                "ret void",
                "}",
                f"attributes #0 = {{ {attributes} }}",
                f"attributes #1 = {{ noinline {attributes} }}",
            ]
        )

    # whole numbers

    def add(self, *terms: Value) -> Value:
        """Sum of whole numbers."""
        known = sum(term for term in terms if isinstance(term, int))
        names = [term for term in terms if not isinstance(term, int)]
        if known or not names:
            names.append(known)
        total = names[0]
        for name in names[1:]:
            total = self._let(f"add nsw i64 {total}, {name}")
        return total

    def sub(self, a: Value, b: Value) -> Value:
        return a - b if isinstance(a, int) and isinstance(b, int) else self._let(f"sub nsw i64 {a}, {b}")

    def mul(self, a: Value, b: Value) -> Value:
        """Product of whole numbers."""
        if isinstance(a, int) and isinstance(b, int):
            return a * b
        for one, other in ((a, b), (b, a)):
            if one in (0, 1) and isinstance(one, int):
                return other if one else 0
        return self._let(f"mul nsw i64 {a}, {b}")

    def minimum(self, a: Value, b: Value) -> Value:
        return self._let(f"select i1 {self.compare('slt', a, b)}, i64 {a}, i64 {b}")

    def maximum(self, a: Value, b: Value) -> Value:
        return self._let(f"select i1 {self.compare('sgt', a, b)}, i64 {a}, i64 {b}")

    def divide(self, a: Value, b: int) -> Value:
        """a // b of numbers that are not negative."""
        return a // b if isinstance(a, int) else self._let(f"udiv i64 {a}, {b}")

    def pointer(self, number: Value) -> Value:
        """The address that a whole number is."""
        return self._let(f"inttoptr i64 {number} to ptr")

    def compare(self, how: str, a: Value, b: Value) -> Value:
        """A condition: how is "eq", "slt", ..."""
        return self._let(f"icmp {how} i64 {a}, {b}")

    def load_index(self, pointer: Value, offset: Value) -> Value:
        """int32 at pointer[offset], as i64."""
        address = self._let(f"getelementptr inbounds i32, ptr {pointer}, i64 {offset}")
        number = self._let(f"load i32, ptr {address}, align 4")
        return self._let(f"sext i32 {number} to i64")

    def load_int(self, pointer: Value, offset: Value) -> Value:
        """int64 at pointer[offset]."""
        return self._let(f"load i64, ptr {self._int_address(pointer, offset)}, align 8")

    def store_int(self, value: Value, pointer: Value, offset: Value) -> None:
        self._do(f"store i64 {value}, ptr {self._int_address(pointer, offset)}, align 8")

    def _int_address(self, pointer: Value, offset: Value) -> Value:
        return self._let(f"getelementptr inbounds i64, ptr {pointer}, i64 {offset}")

    # floating-point numbers and vectors of them

    def at(self, pointer: Value, *offsets: Value) -> Value:
        """The address of the number at pointer[sum of offsets]."""
        offset = self.add(*offsets)
        return (
            pointer if offset == 0 else self._let(f"getelementptr inbounds {self.scalar}, ptr {pointer}, i64 {offset}")
        )

    def load_scalar(self, address: Value) -> Value:
        return self._let(f"load {self.scalar}, ptr {address}, align {self.size}")

    def store_scalar(self, value: Value, address: Value) -> None:
        self._do(f"store {self.scalar} {value}, ptr {address}, align {self.size}")

    def load(self, address: Value, lanes: int | None = None, condition: Value | None = None) -> Value:
        """A vector; lanes beyond the given number are zero, and all are if the condition does not hold."""
        if lanes in (None, self.width) and condition is None:
            return self._let(f"load {self.vector}, ptr {address}, align {self.size}")
        if condition is None and _is_power_of_two(lanes):  # what was stored under a mask is slow to load again
            short = f"<{lanes} x {self.scalar}>"
            loaded = self._let(f"load {short}, ptr {address}, align {self.size}")
            return self._shuffle(short, loaded, "zeroinitializer", [min(lane, lanes) for lane in range(self.width)])
        mask = self._mask(lanes, condition)
        name = f"@llvm.masked.load.v{self.width}{self._suffix}.p0"
        self._declarations.add(f"declare {self.vector} {name}(ptr, i32, <{self.width} x i1>, {self.vector})")
        return self._let(
            f"call {self.vector} {name}(ptr {address}, i32 {self.size}, {mask}, {self.vector} zeroinitializer)"
        )

    def store(self, value: Value, address: Value, lanes: int | None = None) -> None:
        if lanes in (None, self.width):
            self._do(f"store {self.vector} {value}, ptr {address}, align {self.size}")
            return
        if _is_power_of_two(lanes):
            short = self._shuffle(self.vector, value, "poison", range(lanes))
            self._do(f"store <{lanes} x {self.scalar}> {short}, ptr {address}, align {self.size}")
            return
        name = f"@llvm.masked.store.v{self.width}{self._suffix}.p0"
        self._declarations.add(f"declare void {name}({self.vector}, ptr, i32, <{self.width} x i1>)")
        self._do(f"call void {name}({self.vector} {value}, ptr {address}, i32 {self.size}, {self._mask(lanes, None)})")

    def load_components(self, address: Value, dim: int, lanes: int) -> list[Value]:
        """Of `lanes` neighboring irreps with `dim` components each: for each component a vector over the irreps, zero beyond them."""
        if dim == 1:
            return [self.load(address, lanes)]
        wide, mask = f"<{self.width * dim} x {self.scalar}>", self._first(lanes * dim, self.width * dim)
        if lanes == self.width:
            loaded = self._let(f"load {wide}, ptr {address}, align {self.size}")
        else:
            name = f"@llvm.masked.load.v{self.width * dim}{self._suffix}.p0"
            self._declarations.add(f"declare {wide} {name}(ptr, i32, <{self.width * dim} x i1>, {wide})")
            loaded = self._let(f"call {wide} {name}(ptr {address}, i32 {self.size}, {mask}, {wide} zeroinitializer)")
        return [
            self._shuffle(wide, loaded, "poison", [lane * dim + m for lane in range(self.width)]) for m in range(dim)
        ]

    def store_components(self, components: list[Value], address: Value, lanes: int) -> None:
        """The inverse of load_components."""
        dim = len(components)
        if dim == 1:
            self.store(components[0], address, lanes)
            return
        parts, size = components, self.width
        while len(parts) > 1:  # joined two by two
            parts = [*parts, "poison"] if len(parts) % 2 else parts
            kind = f"<{size} x {self.scalar}>"
            size *= 2
            parts = [self._shuffle(kind, a, b, range(size)) for a, b in zip(parts[::2], parts[1::2], strict=True)]
        order = [m * self.width + lane for lane in range(self.width) for m in range(dim)]
        value = self._shuffle(f"<{size} x {self.scalar}>", parts[0], "poison", order)
        wide, mask = f"<{self.width * dim} x {self.scalar}>", self._first(lanes * dim, self.width * dim)
        if lanes == self.width:
            self._do(f"store {wide} {value}, ptr {address}, align {self.size}")
        else:
            name = f"@llvm.masked.store.v{self.width * dim}{self._suffix}.p0"
            self._declarations.add(f"declare void {name}({wide}, ptr, i32, <{self.width * dim} x i1>)")
            self._do(f"call void {name}({wide} {value}, ptr {address}, i32 {self.size}, {mask})")

    def _shuffle(self, kind: str, a: Value, b: Value, lanes: Iterable[int]) -> Value:
        """Lanes of two vectors, counted on from the first to the second."""
        chosen = ", ".join(f"i32 {lane}" for lane in lanes)
        return self._let(f"shufflevector {kind} {a}, {kind} {b}, <{chosen.count('i32')} x i32> <{chosen}>")

    def _first(self, lanes: int, width: int) -> str:
        """The mask of the first lanes."""
        return f"<{width} x i1> <{', '.join(f'i1 {int(lane < lanes)}' for lane in range(width))}>"

    def _mask(self, lanes: int | None, condition: Value | None) -> str:
        kind = f"<{self.width} x i1>"
        bits = ", ".join(f"i1 {int(lanes is None or lane < lanes)}" for lane in range(self.width))
        if condition is None:
            return f"{kind} <{bits}>"
        return f"{kind} " + self._let(f"select i1 {condition}, {kind} <{bits}>, {kind} zeroinitializer")

    @property
    def zero(self) -> str:
        """The vector of zeros."""
        return "zeroinitializer"

    def constant(self, value: float) -> str:
        """A vector with one number in all lanes."""
        return "<" + ", ".join([f"{self.scalar} {self.literal(value)}"] * self.width) + ">"

    def literal(self, value: float) -> str:
        """A number as LLVM writes it: the bits of a double, rounded to the type."""
        if self.scalar == "float":
            value = struct.unpack("f", struct.pack("f", value))[0]
        return "0x" + struct.pack(">d", value).hex().upper()

    def splat(self, scalar: Value) -> Value:
        """A vector with a scalar in all lanes."""
        one = self._let(f"insertelement {self.vector} poison, {self.scalar} {scalar}, i32 0")
        mask = f"<{self.width} x i32> zeroinitializer"
        return self._let(f"shufflevector {self.vector} {one}, {self.vector} poison, {mask}")

    def times(self, a: Value, b: Value, scalar: bool = False) -> Value:
        return self._let(f"fmul {_FAST} {self.scalar if scalar else self.vector} {a}, {b}")

    def plus(self, a: Value, b: Value, scalar: bool = False) -> Value:
        return self._let(f"fadd {_FAST} {self.scalar if scalar else self.vector} {a}, {b}")

    def fma(self, a: Value, b: Value, c: Value | None, scalar: bool = False) -> Value:
        """a b + c; a b if c is None."""
        if c is None:
            return self.times(a, b, scalar)
        kind, suffix = (self.scalar, self._suffix) if scalar else (self.vector, f"v{self.width}{self._suffix}")
        name = f"@llvm.fmuladd.{suffix}"
        self._declarations.add(f"declare {kind} {name}({kind}, {kind}, {kind})")
        return self._let(f"call {_FAST} {kind} {name}({kind} {a}, {kind} {b}, {kind} {c})")

    def over(self, a: Value, b: Value) -> Value:
        """a / b."""
        return self._let(f"fdiv {_FAST} {self.vector} {a}, {b}")

    def keep(self, vector: Value, lanes: int) -> Value:
        """The vector, with zeros beyond the given number of lanes."""
        if lanes == self.width:
            return vector
        return self._let(f"select {self._mask(lanes, None)}, {self.vector} {vector}, {self.vector} zeroinitializer")

    def sqrt(self, x: Value) -> Value:
        """sqrt(x)."""
        return self._call("sqrt", x)

    def larger(self, a: Value, b: Value) -> Value:
        """The maximum; NaN if one of them is."""
        return self._call("maximum", a, b)

    def is_equal(self, a: Value, b: Value) -> Value:
        """One where a = b, else zero."""
        equal = self._let(f"fcmp oeq {self.vector} {a}, {b}")
        return self._let(
            f"select <{self.width} x i1> {equal}, {self.vector} {self.constant(1.0)}, {self.vector} zeroinitializer"
        )

    def rsqrt(self, x: Value) -> Value:
        """1 / sqrt(x)."""
        return self.over(self.constant(1.0), self.sqrt(x))

    def exp(self, x: Value) -> Value:
        """e^x to the last digits: infinity and the smallest normal number where it is out of range, NaN for NaN."""
        # x = n ln 2 + r: the Taylor series of e^r, |r| <= ln(2) / 2, times 2^n. ln 2 has two parts, the first so short that n times it
        # is exact. The order of these operations matters: none of them is marked as free to be rearranged.
        low, top, degree, bits, short = (-87.0, 88.8, 7, 23, 12) if self.size == 4 else (-708.0, 709.9, 13, 52, 32)
        high = Fraction(math.floor(_LN_2 * 2**short), 2**short)
        for how, bound in (("olt", self.constant(low)), ("ogt", self.constant(top))):
            outside = self._let(f"fcmp {how} {self.vector} {x}, {bound}")
            x = self._let(f"select <{self.width} x i1> {outside}, {self.vector} {bound}, {self.vector} {x}")
        # so large a number that its last bit counts ones: adding it rounds, and leaves n in the low bits
        large = self.constant(1.5 * 2**bits)
        sum_ = self._call("fma", x, self.constant(1 / math.log(2)), large)
        n = self._let(f"fsub {self.vector} {sum_}, {large}")
        r = self._call("fma", n, self.constant(-float(high)), x)
        r = self._call("fma", n, self.constant(-float(_LN_2 - high)), r)
        series = self.constant(1 / math.factorial(degree))
        for power in reversed(range(degree)):
            series = self.fma(series, r, self.constant(1 / math.factorial(power)))
        whole = f"<{self.width} x i{8 * self.size}>"
        shift = f"<{', '.join([f'i{8 * self.size} {bits}'] * self.width)}>"
        exponent = self._let(f"shl {whole} {self._let(f'bitcast {self.vector} {sum_} to {whole}')}, {shift}")
        one = self._let(f"bitcast {self.vector} {self.constant(1.0)} to {whole}")
        power = self._let(f"add {whole} {exponent}, {one}")
        return self.times(series, self._let(f"bitcast {whole} {power} to {self.vector}"))

    def _call(self, intrinsic: str, *vectors: Value) -> Value:
        """An intrinsic function of vectors, rounded as it is written."""
        name = f"@llvm.{intrinsic}.v{self.width}{self._suffix}"
        self._declarations.add(f"declare {self.vector} {name}({', '.join([self.vector] * len(vectors))})")
        return self._let(f"call {self.vector} {name}({', '.join(f'{self.vector} {v}' for v in vectors)})")

    def sum_lanes(self, vector: Value) -> Value:
        """The sum of a vector's lanes, a scalar."""
        name = f"@llvm.vector.reduce.fadd.v{self.width}{self._suffix}"
        self._declarations.add(f"declare {self.scalar} {name}({self.scalar}, {self.vector})")
        return self._let(
            f"call {_FAST} {self.scalar} {name}({self.scalar} {self.literal(-0.0)}, {self.vector} {vector})"
        )

    def prefetch(self, address: Value) -> None:
        """Ask for a cache line that will be read soon."""
        self._declarations.add("declare void @llvm.prefetch.p0(ptr, i32, i32, i32)")
        self._do(f"call void @llvm.prefetch.p0(ptr {address}, i32 0, i32 2, i32 1)")

    def clear(self, address: Value, numel: Value) -> None:
        """Zeros to numel numbers."""
        self._declarations.add("declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)")
        size = self.mul(numel, self.size)
        self._do(f"call void @llvm.memset.p0.i64(ptr {address}, i8 0, i64 {size}, i1 false)")

    # variables and control flow

    def variable(self, kind: str) -> str:
        """Room for a value of a type ("i64", self.vector) that changes: see get and set."""
        self._count += 1
        self._entry.append(f"%v{self._count} = alloca {kind}, align 64")
        return f"%v{self._count}"

    def get(self, variable: str, kind: str) -> Value:
        return self._let(f"load {kind}, ptr {variable}, align 8")

    def set(self, variable: str, kind: str, value: Value) -> None:
        self._do(f"store {kind} {value}, ptr {variable}, align 8")

    @contextmanager
    def loop(self, start: Value, stop: Value, step: int = 1) -> Iterator[Value]:
        """for i in range(start, stop, step)."""
        i = self.variable("i64")
        self.set(i, "i64", start)
        with self.loop_while(lambda: self.compare("slt", self.get(i, "i64"), stop)):
            yield (value := self.get(i, "i64"))
            self.set(i, "i64", self.add(value, step))

    @contextmanager
    def loop_while(self, condition) -> Iterator[None]:
        """While the condition holds, which the given function emits."""
        head, body, end = self._labels("head", "body", "end")
        self._do(f"br label %{head}")
        self._do(f"{head}:")
        self._do(f"br i1 {condition()}, label %{body}, label %{end}")
        self._do(f"{body}:")
        yield
        self._do(f"br label %{head}")
        self._do(f"{end}:")

    @contextmanager
    def when(self, condition: Value) -> Iterator[None]:
        """If the condition holds."""
        body, end = self._labels("then", "end")
        self._do(f"br i1 {condition}, label %{body}, label %{end}")
        self._do(f"{body}:")
        yield
        self._do(f"br label %{end}")
        self._do(f"{end}:")

    def channels(self, mul: int) -> Iterator[tuple[Value, int]]:
        """Cut mul channels into vectors: yields (first channel, lanes) for code that is to be emitted once for each."""
        full, rest = mul // self.width * self.width, mul % self.width
        if full:
            with self.loop(0, full, self.width) as channel:
                yield channel, self.width
        if rest:
            yield full, rest

    @property
    def size(self) -> int:
        """Bytes of a number."""
        return 4 if self.scalar == "float" else 8

    def _labels(self, *names: str) -> list[str]:
        self._count += 1
        return [f"{name}{self._count}" for name in names]

    def _let(self, instruction: str) -> str:
        self._count += 1
        self._body.append(f"%t{self._count} = {instruction}")
        return f"%t{self._count}"

    def _do(self, line: str) -> None:
        self._body.append(line)


def _is_power_of_two(number: int) -> bool:
    return number & (number - 1) == 0
