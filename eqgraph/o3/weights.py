"""The weights of all paths of a map in one flat vector: who owns it, and views of its parts."""

import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor


class PathWeights(torch.nn.Module):
    """A module with `instructions` whose weights lie one after another, each row by row, in `weight`.

    Args:
        internal_weights: whether the module owns the weights; by default yes, if there are any and they are shared.
        shared_weights: whether all samples have the same weights; by default yes.
        path_shapes: shape of the weights of each instruction, None for one without weights.

    Attributes:
        weight_numel: number of weights.
    """

    def __init__(
        self,
        internal_weights: bool | None,
        shared_weights: bool | None,
        path_shapes: Sequence[tuple[int, ...] | None],
    ):
        super().__init__()
        self._path_shapes = list(path_shapes)
        self.path_sizes = [0 if shape is None else math.prod(shape) for shape in path_shapes]
        self.weight_numel = sum(self.path_sizes)
        if internal_weights and shared_weights is False:
            raise ValueError(
                f"{self._get_name()}: expected shared weights, because a module owns one set of them, got "
                "internal_weights=True with shared_weights=False. Drop one of the two."
            )
        self.shared_weights = shared_weights is not False
        self.internal_weights = self.shared_weights and self.weight_numel > 0
        if internal_weights is not None:
            self.internal_weights = internal_weights

    def reset_parameters(self) -> None:
        """Draw the weights that the module owns anew from N(0, 1); biases become zero."""
        for name, parameter in self.named_parameters(recurse=False):
            if name == "bias":
                torch.nn.init.zeros_(parameter)
            else:
                torch.nn.init.normal_(parameter)

    def weight_view_for_instruction(self, instruction: int, weight: Tensor | None = None) -> Tensor:
        """The weights of one instruction, (..., *path_shape), as a view.

        Args:
            instruction: its place in `instructions`.
            weight: (..., weight_numel), in place of the module's own.

        Raises:
            ValueError: if the instruction has no weights, or the module has none and none are given.
        """
        shape = self._path_shapes[instruction]
        if shape is None:
            raise ValueError(
                f"{self._get_name()}: expected an instruction with weights, got number {instruction}, "
                f"{self.instructions[instruction]}. Choose another one."
            )
        return self._split_weight(weight)[instruction].unflatten(-1, shape)

    def weight_views(self, weight: Tensor | None = None, yield_instruction: bool = False) -> Iterator:
        """The weights of each instruction that has any, as views.

        Args:
            weight: (..., weight_numel), in place of the module's own.
            yield_instruction: whether to yield (number, instruction, view) in place of the view.

        Raises:
            ValueError: if the module has no weights and none are given.
        """
        for i, (part, shape) in enumerate(zip(self._split_weight(weight), self._path_shapes, strict=True)):
            if shape is not None:
                view = part.unflatten(-1, shape)
                yield (i, self.instructions[i], view) if yield_instruction else view

    def _split_weight(self, weight: Tensor | None) -> tuple[Tensor, ...]:
        return self._own_or_given("weight", weight, self.weight_numel).split(self.path_sizes, dim=-1)

    def _register(self, name: str, initial: Tensor) -> None:
        """A parameter if the module owns its weights and has any, else an empty buffer, as in e3nn's checkpoints."""
        if self.internal_weights and initial.numel() > 0:
            self.register_parameter(name, torch.nn.Parameter(initial))
        else:
            self.register_buffer(name, torch.empty(0))

    def _own_or_given(self, name: str, given: Tensor | None, numel: int) -> Tensor:
        """The tensor that was passed to forward, else the module's own, with `numel` entries in its last axis."""
        if given is None and not self.internal_weights and numel > 0:
            raise ValueError(
                f"{self._get_name()}: expected a {name} of shape (..., {numel}) since internal_weights=False, "
                f"got none. Pass {name}= to forward."
            )
        own = getattr(self, name)
        tensor = own if given is None else given
        if tensor.shape[-1] != numel:
            raise ValueError(
                f"{self._get_name()}: expected a {name} of shape (..., {numel}), got {tuple(tensor.shape)}. "
                "Check weight_numel."
            )
        return tensor
