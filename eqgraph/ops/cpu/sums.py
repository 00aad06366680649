"""Sums that a kernel takes over vectors."""

from .emit import Emitter, Value


class Sum:
    """A sum of products over vectors, from zero wherever it is made."""

    def __init__(self, k: Emitter) -> None:
        self._k, self._variable = k, k.variable(k.vector)
        k.set(self._variable, k.vector, k.zero)

    def add(self, a: Value, b: Value) -> None:
        self._k.set(self._variable, self._k.vector, self._k.fma(a, b, self.lanes()))

    def lanes(self) -> Value:
        """The sum in each lane of its own."""
        return self._k.get(self._variable, self._k.vector)

    def everywhere(self) -> Value:
        """The sum over all lanes, in each lane."""
        return self._k.splat(self._k.sum_lanes(self.lanes()))
