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
        return torch.load(path, map_location=map_location, weights_only=True)
