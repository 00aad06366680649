"""Checkpoints that a full disk cannot destroy and that cannot run code."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.plugins import TorchCheckpointIO

from eqgraph.replacing import replacing


class CheckpointFile(TorchCheckpointIO):
    """Writes beside the old checkpoint and replaces it when all is written; reads tensors and plain numbers only."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        buffer = io.BytesIO()
        torch.save(checkpoint, buffer)  # to a path, PyTorch would report a full disk as RuntimeError
        with replacing(path) as temporary:
            temporary.write_bytes(buffer.getbuffer())

    def load_checkpoint(
        self, path: str | Path, map_location: Any = None, weights_only: bool | None = True
    ) -> dict[str, Any]:
        return read_checkpoint(path)


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """The content of a checkpoint, its tensors on the CPU: Lightning moves them to where they belong.

    Raises:
        ValueError: if it is damaged, or not a checkpoint of a training.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        missing = {"state_dict", "optimizer_states", "callbacks", "loops"} - content.keys()
    except OSError:
        raise
    except Exception as error:  # whatever unpickling runs into
        missing = type(error).__name__
    if missing:
        raise ValueError(
            f"Expected a checkpoint of `eqgraph train` in '{path}', came a damaged or foreign file ({missing}). Restore it, or set "
            "training.resume=false and training.overwrite=true to start again."
        )
    return content
