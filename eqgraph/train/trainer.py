"""Lightning's trainer with what a run needs around it."""

from __future__ import annotations

import functools
import inspect
import signal
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import LightningDataModule, Trainer
from lightning.pytorch.callbacks import Callback, Timer
from lightning.pytorch.strategies import DDPStrategy
from rich.console import Console

from eqgraph.launch import launched

from .changes import fitted
from .checkpoint import CheckpointFile
from .config import TrainingConfig
from .earlier_run import EarlierRun
from .early_stop import EarlyStop
from .ema import EMA
from .epoch_seed import EpochSeed
from .history import History
from .module import TrainingModule
from .output import RunDirectory, as_written
from .progress import TrainingProgress
from .save_checkpoint import SaveCheckpoint
from .save_model import SaveBest, SaveLast
from .stop_signals import StopRequestedError, StopSignals
from .task import Task


def train(
    config: Any,
    task: Task,
    data: LightningDataModule,
    model: torch.nn.Module,
    output: RunDirectory,
    device: torch.device,
    console: Console,
    stop: StopSignals,
    earlier: EarlierRun | None,
) -> list[dict[str, float]]:
    """Train the model to its end; returns the rows of metrics.csv.

    Args:
        config, task, data, model: what is trained.
        output: where the model, the checkpoints and metrics.csv go.
        device: on what.
        console: where to print.
        stop: signals that end it, after a checkpoint.
        earlier: the run that goes on, or None.
    """
    training: TrainingConfig = config.training
    timer = Timer(timedelta(seconds=training.max_time) if training.max_time else None, verbose=False)
    max_steps = training.max_epochs * len(data.train_dataloader())

    def time_progress() -> float:
        return timer.time_elapsed("train") / training.max_time if training.max_time else 0.0

    module = task.module(config, data, model, max_steps, time_progress)
    written, metadata = as_written(config), task.metadata(config, data)
    run = {"config": written, "data_hash": metadata["data_hash"]}
    metadata = {**metadata, "training": written}
    ema, history = EMA(training.ema_decay), History(output.history, timer)
    keep: Callback
    if training.keep == "best_valid":
        keep = SaveBest(output.model, task.save, metadata)
    else:
        keep = SaveLast(output.model, task.save, metadata, ema)
    callbacks: list[Callback] = [
        timer,
        EpochSeed(training.seed),
        keep,
        ema,
        history,
        TrainingProgress(console, lambda: max(trainer.global_step / max_steps, time_progress())),
        SaveCheckpoint(output.checkpoint, training.checkpoint_every, run, stop),
    ]
    if training.early_stopping:
        callbacks.append(EarlyStop(training.early_stopping))
    checkpoint, files = None, CheckpointFile()
    if earlier:
        data.order.start_at(earlier.epoch, earlier.batch)
        files = CheckpointFile(functools.partial(fitted, module=module, found=earlier.changes))
        checkpoint = output.checkpoint if earlier.checkpoint else None
    trainer = Trainer(
        accelerator="gpu" if device.type == "cuda" else "cpu",
        **_processes(device),
        max_epochs=training.max_epochs,
        gradient_clip_val=config.optimizer.clip_gradient,
        inference_mode=False,  # validation of potentials needs derivatives
        limit_val_batches=1.0 if data.valid else 0.0,
        callbacks=callbacks,
        plugins=[files],
        default_root_dir=output.path,  # where Lightning looks for checkpoints of its own
        logger=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )
    _fit_until_interrupted(trainer, module, data, checkpoint, stop)
    return history.rows


def _processes(device: torch.device) -> dict[str, Any]:
    """What the trainer needs to know of the processes that train together."""
    launch = launched()
    if launch.world == 1:
        return {"devices": [device.index or 0] if device.type == "cuda" else 1}
    # buffers are the same in all processes; sent around in a validation, they would wait for those with fewer batches
    known = inspect.signature(torch.nn.parallel.DistributedDataParallel).parameters
    buffers = "forward_sync_buffers" if "forward_sync_buffers" in known else "broadcast_buffers"  # PyTorch renames it
    strategy = DDPStrategy(process_group_backend="nccl" if device.type == "cuda" else "gloo", **{buffers: False})
    return {
        "devices": launch.per_machine,
        "num_nodes": launch.num_machines,
        "strategy": strategy,
        "use_distributed_sampler": False,
    }


def _fit_until_interrupted(
    trainer: Trainer, module: TrainingModule, data: LightningDataModule, checkpoint: Path | None, stop: StopSignals
) -> None:
    """Lightning turns Ctrl-C into SystemExit and then ignores further ones: make it KeyboardInterrupt again."""
    handler = signal.getsignal(signal.SIGINT)
    try:
        trainer.fit(module, data, ckpt_path=checkpoint)
    except SystemExit:
        if stop.signum:
            raise StopRequestedError(stop.signum) from None
        raise KeyboardInterrupt from None
    finally:
        signal.signal(signal.SIGINT, handler)
