"""Statistics over the nodes of all processes that train together."""

import torch
import torch.distributed as dist
from torch import Tensor


class Synchronized(torch.nn.Module):
    """Mixed into a normalization whose batch statistics are made of `sum_over_processes`: sums run over all processes, too.

    They do so in training and with more than one process; otherwise nothing changes. All processes must call the layer equally often
    and in the same order; one that has no nodes takes part like the others, forward and backward. Gradients are exact to any order:
    those that reach a process's input are those of the sum of the losses of all processes.

    Attributes:
        process_group: the processes, by default all.
    """

    process_group: "dist.ProcessGroup | None" = None

    def forward(self, x: Tensor, *arguments: Tensor | int | None, mask: Tensor | None = None, **named) -> Tensor:
        """See the class that this is mixed into."""
        if x.numel() or not self.synchronizes():
            return super().forward(x, *arguments, mask=mask, **named)
        # no nodes here, but others wait for this process: one row of padding counts for nothing and enters every sum
        padded = torch.cat([x.reshape(0, x.shape[-1]), x.new_zeros(1, x.shape[-1])])
        arguments = tuple(_padding(argument) for argument in arguments)
        named = {name: _padding(argument) for name, argument in named.items()}
        mask = torch.zeros(1, dtype=torch.bool, device=x.device)
        return super().forward(padded, *arguments, mask=mask, **named)[:0].reshape(x.shape)

    def synchronizes(self) -> bool:
        """Whether statistics are those of several processes, as things are."""
        return (
            self.training
            and dist.is_available()
            and dist.is_initialized()
            and dist.get_world_size(self.process_group) > 1
        )

    def sum_over_processes(self, sums: Tensor) -> Tensor:
        """Sums over the nodes of this process -> sums over those of all, bitwise the same everywhere."""
        if not self.synchronizes():
            return sums
        # few numbers: in float64, counts are exact and the order of processes costs no digits
        return _SumOverProcesses.apply(sums.double(), self.process_group).to(sums.dtype)


class _SumOverProcesses(torch.autograd.Function):
    """Σ_r x_r; each x_r enters the results of all processes, so its gradient is the sum of theirs: the same function again."""

    @staticmethod
    def forward(ctx, x: Tensor, group: "dist.ProcessGroup | None") -> Tensor:
        ctx.group = group
        total = x.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total, group=group)
        return total

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None]:
        return _SumOverProcesses.apply(gradient, ctx.group), None


def _padding(argument: Tensor | int | None) -> Tensor | int | None:
    """What belongs to no nodes (batch, types of nodes) -> what belongs to a row of padding."""
    return argument.new_zeros(1) if isinstance(argument, Tensor) else argument
