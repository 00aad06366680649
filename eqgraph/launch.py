"""Which of several processes this is, as torchrun and Slurm say before any of them has met the others."""

import os
from typing import NamedTuple


class Launch(NamedTuple):
    """How this process was started."""

    rank: int
    """0 ... world - 1; the process 0 prints and writes."""
    world: int
    """How many processes there are, on all machines."""
    per_machine: int
    """How many there are on each machine."""

    @property
    def is_first(self) -> bool:
        """Whether it is the one that prints and writes."""
        return self.rank == 0

    @property
    def num_machines(self) -> int:
        """On how many machines they run."""
        return self.world // self.per_machine


def launched() -> Launch:
    """What the environment says; one process if it says nothing.

    torchrun sets RANK, WORLD_SIZE and LOCAL_WORLD_SIZE. Within `srun`, Slurm sets SLURM_PROCID, SLURM_NTASKS and SLURM_NNODES; in a
    shell of a job, outside of it, SLURM_PROCID alone does not tell, so that a step has to be there.

    Raises:
        ValueError: if machines have different numbers of processes.

    Example:
        >>> launched()
        Launch(rank=0, world=1, per_machine=1)
    """
    get = os.environ.get
    if "RANK" in os.environ and "LOCAL_WORLD_SIZE" in os.environ:
        rank, world, per_machine = int(get("RANK", 0)), int(get("WORLD_SIZE", 1)), int(get("LOCAL_WORLD_SIZE", 1))
    elif (
        "SLURM_PROCID" in os.environ and get("SLURM_STEP_ID", "").isdecimal() and get("SLURM_JOB_NAME") != "interactive"
    ):
        rank, world = int(get("SLURM_PROCID", 0)), int(get("SLURM_STEP_NUM_TASKS", get("SLURM_NTASKS", 1)))
        machines = int(get("SLURM_STEP_NUM_NODES", get("SLURM_NNODES", 1)))
        if world % machines:
            raise ValueError(
                f"Expected as many processes on each machine, came {world} on {machines} from Slurm. Set --ntasks-per-node."
            )
        per_machine = world // machines
    else:
        rank, world, per_machine = 0, 1, 1
    return Launch(rank, world, per_machine)
