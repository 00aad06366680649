"""Functions of scalars and their derivatives, of vectors inside of kernels."""

from .emit import Emitter, Value


def function(k: Emitter, name: str, z: Value) -> Value:
    """silu(z) = z σ(z) or tanh(z) = 2 σ(2 z) - 1, with σ(z) = 1 / (1 + exp(-z))."""
    return k.times(z, sigmoid(k, z)) if name == "silu" else _tanh(k, z)


def derivatives(k: Emitter, name: str, z: Value) -> tuple[Value, Value, Value]:
    """The function and its first two derivatives.

    silu:  σ (1 + z (1 - σ)),  σ (1 - σ) (2 + z (1 - 2 σ));   tanh:  1 - tanh²,  -2 tanh (1 - tanh²).
    """
    one, two = k.constant(1.0), k.constant(2.0)
    if name == "tanh":
        value = _tanh(k, z)
        first = k.fma(k.times(value, k.constant(-1.0)), value, one)
        return value, first, k.times(k.times(value, k.constant(-2.0)), first)
    value = sigmoid(k, z)
    rest = k.fma(value, k.constant(-1.0), one)
    first = k.times(value, k.fma(z, rest, one))
    second = k.times(k.times(value, rest), k.fma(z, k.fma(value, k.constant(-2.0), one), two))
    return k.times(z, value), first, second


def _tanh(k: Emitter, z: Value) -> Value:
    return k.fma(sigmoid(k, k.times(z, k.constant(2.0))), k.constant(2.0), k.constant(-1.0))


def sigmoid(k: Emitter, z: Value) -> Value:
    """1 / (1 + exp(-z))."""
    return k.over(k.constant(1.0), k.plus(k.constant(1.0), k.exp(k.times(z, k.constant(-1.0)))))
