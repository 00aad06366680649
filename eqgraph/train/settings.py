"""Process-wide settings of PyTorch and Lightning during a training, put back afterwards."""

from __future__ import annotations

import logging
import os
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from eqgraph.launch import launched

from .config import DEVICE_PATTERN, TrainingConfig
from .random_state import random_state, seed_all, set_random_state

# Lightning's remarks that our own table replaces (devices, tips, why fit stopped)
_CHATTY_LOGGERS = (
    "lightning.pytorch.utilities.rank_zero",
    "lightning.pytorch.accelerators.cuda",
    "lightning.fabric.utilities.distributed",
)
_EDGES_PER_THREAD = 2000
# (start of the message, module): nothing that the user could or should change
_WARNINGS = (
    # graphs are in memory: worker processes would only copy them
    (r"The '\w+' does not have many workers", "lightning.pytorch.trainer.connectors.data_connector"),
    # Lightning's own calls to torch
    (r"`isinstance\(treespec, LeafSpec\)` is deprecated", "lightning.pytorch.utilities._pytree"),
    # early_stopping and keep may change when a run goes on
    (r"Be aware that when using `ckpt_path`, callbacks used", "lightning.pytorch.callbacks"),
    # the order of the data goes on where it stopped, see EpochShuffle.start_at
    (r"You're resuming from a checkpoint that ended before the epoch ended", "lightning.pytorch.loops"),
    # a fine choice for those who have a GPU and want the CPU
    (r"GPU available but not used", "lightning.pytorch.trainer.setup"),
)


def choose_device(name: str) -> torch.device:
    """The device that a config's name means; "auto" is the first GPU where there is one.

    Raises:
        ValueError: if it means none, or there is no such device.

    Example:
        >>> choose_device("cpu")
        device(type='cpu')
    """
    if name == "auto":
        return torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
    if not re.fullmatch(DEVICE_PATTERN, name):
        raise ValueError(f"Expected auto, cpu, cuda or cuda:1 as device, came '{name}'. Choose one of these.")
    device = torch.device(name)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ValueError(
            f"Expected one of {torch.cuda.device_count()} GPUs that PyTorch {torch.__version__} sees, came '{name}'. "
            "Use cpu or auto, or install PyTorch for your GPU."
        )
    return device


def choose_threads(threads: int | None, edges_per_step: float) -> int:
    """As many CPU threads as asked for; by default one per 2,000 edges of a step, at most 4 and at most those of the process.

    Processes of one training share those of their machine. Threads that wait for each other cost more than they bring where a step
    takes a few hundredths of a second.

    Example:
        >>> choose_threads(None, edges_per_step=900), choose_threads(3, edges_per_step=900)
        (1, 3)
    """
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    available //= launched().per_machine
    return threads or max(1, min(4, available, int(edges_per_step // _EDGES_PER_THREAD)))


@contextmanager
def settings(config: TrainingConfig) -> Iterator[None]:
    """Seed, deterministic algorithms and a quiet Lightning inside the block; outside of it these and the threads are as before."""
    threads, random_numbers = torch.get_num_threads(), random_state()
    deterministic = torch.are_deterministic_algorithms_enabled()
    fill = torch.utils.deterministic.fill_uninitialized_memory
    loggers = {logging.getLogger(name): logging.getLogger(name).level for name in _CHATTY_LOGGERS}
    if config.deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read by cuBLAS when it starts
    try:
        for logger in loggers:
            logger.setLevel(logging.WARNING)
        torch.use_deterministic_algorithms(config.deterministic)
        # a debugging aid that costs time: writes NaN to all memory that torch.empty gives
        torch.utils.deterministic.fill_uninitialized_memory = False
        with warnings.catch_warnings():
            for message, module in _WARNINGS:
                warnings.filterwarnings("ignore", message=message, module=module.replace(".", r"\."))
            seed_all(config.seed)
            yield
    finally:
        set_random_state(random_numbers)
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(deterministic)
        torch.utils.deterministic.fill_uninitialized_memory = fill
        for logger, level in loggers.items():
            logger.setLevel(level)
