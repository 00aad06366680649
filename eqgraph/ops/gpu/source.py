"""Makes Triton kernels of text, when they are first needed, and launches them."""

import hashlib
import linecache
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

HEADER = "import triton\nimport triton.language as tl\nfrom triton.language.standard import _sum_combine as add\n\n\n"
"""How every text begins. tl.reduce(..., add) is tl.sum, which the interpreter only knows if it was on when triton was imported."""


@dataclass(frozen=True)
class Kernel:
    """A Triton function and how to launch it.

    Args:
        function: what triton.jit returned.
        arguments: the names of its arguments, in order.
        num_warps: of a program.
        tile: edges that a program takes at once.
        parts: size of the second axis of the grid.
    """

    function: Any
    arguments: tuple[str, ...]
    num_warps: int
    tile: int = 1
    parts: int = 1

    def __call__(self, programs: int, **values: Tensor | int) -> None:
        """Launch it on the device of its first tensor, with the values of its arguments by name; others are ignored."""
        arguments = [values[name] for name in self.arguments]
        device = next(value for value in arguments if isinstance(value, Tensor)).device
        if programs and self.parts:
            with torch.cuda.device(device) if device.type == "cuda" else nullcontext():
                self.function[(programs, self.parts)](*arguments, num_warps=self.num_warps, enable_fp_fusion=True)


def triton_function(name: str, tensors: list[str], integers: list[str], body: list[str]) -> str:
    """The text of a kernel or of a function that kernels call.

    Whole numbers are not compiled in: every graph has others, and each would cost a compilation.
    """
    decorator = f"@triton.jit(do_not_specialize={integers})" if integers else "@triton.jit"
    return "\n".join([decorator, *nest(f"def {name}({', '.join([*tensors, *integers])}):", body), "", "", ""])


def nest(head: str, body: list[str]) -> list[str]:
    """A compound statement."""
    return [head, *(f"    {line}" for line in body)]


def namespace(name: str, text: str) -> dict[str, Any]:
    """Run the text of a module. Triton reads the text of its functions, so it is left where Python looks for sources."""
    text = HEADER + text
    filename = f"<eqgraph {name} {hashlib.sha256(text.encode()).hexdigest()[:16]}>"
    linecache.cache[filename] = (len(text), None, text.splitlines(keepends=True), filename)
    result: dict[str, Any] = {"__name__": f"{__name__}.{name}"}
    exec(compile(text, filename, "exec"), result)
    return result


def ceil_div(number: int, size: int) -> int:
    """How many pieces of a size make up a number."""
    return -(-number // size)


def power_of_two(number: int) -> int:
    """The smallest power of two that is not smaller; the shape of a tile must be one."""
    return 1 << (max(number, 1) - 1).bit_length()
