"""Checkpoints that a full disk cannot destroy, that show when they are damaged, and that cannot run code."""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import pickletools
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.plugins import TorchCheckpointIO

from eqgraph.replacing import replacing

_MARK = b"eqgraph checkpoint sha256 "
"""At the end of the file, before the checksum (64 letters) of all that stands above."""
_PARTS = {"state_dict", "optimizer_states", "callbacks", "loops", "run"}


class DamagedCheckpointError(ValueError):
    """A file is not what `eqgraph train` wrote: `why` says in which way."""

    def __init__(self, path: str | Path, why: str) -> None:
        super().__init__(f"Expected a checkpoint of `eqgraph train` in '{path}', came a file that {why}.")
        self.why = why


class CheckpointFile(TorchCheckpointIO):
    """Writes beside the old checkpoint, keeps that one as the previous, and reads tensors and plain numbers only.

    Args:
        fitted: turns what was read into what Lightning restores.
    """

    def __init__(self, fitted: Callable[[dict[str, Any]], dict[str, Any]] = lambda content: content) -> None:
        self.fitted = fitted

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        buffer = io.BytesIO()
        torch.save(checkpoint, buffer)  # to a path, PyTorch would report a full disk as RuntimeError
        content = buffer.getbuffer()
        with replacing(path) as temporary:
            with temporary.open("wb") as file:
                file.write(content)
                file.write(_MARK + hashlib.sha256(content).hexdigest().encode())
                file.flush()
                os.fsync(file.fileno())  # before the name of the old one changes
            if Path(path).exists():
                _keep_as_previous(Path(path))

    def load_checkpoint(
        self, path: str | Path, map_location: Any = None, weights_only: bool | None = True
    ) -> dict[str, Any]:
        return self.fitted(read_checkpoint(path))


def _keep_as_previous(path: Path) -> None:
    """By a second name, so that there is no moment without the first."""
    before = previous(path)
    temporary = before.with_name(f".{before.stem}.{os.getpid()}{before.suffix}")
    try:
        os.link(path, temporary)
        os.replace(temporary, before)
    except OSError:  # a file system without links
        os.replace(path, before)
    finally:
        temporary.unlink(missing_ok=True)  # replacing a name of the same file does nothing


def previous(path: str | Path) -> Path:
    """Where the checkpoint before the last one is kept.

    Example:
        >>> previous("run/last.ckpt").name
        'previous.ckpt'
    """
    return Path(path).with_stem("previous")


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """The content of a checkpoint, its tensors on the CPU: Lightning moves them to where they belong. Never runs code in the file.

    Raises:
        DamagedCheckpointError: if it is damaged, was not written by `eqgraph train`, or asks to run code.
        OSError: if it cannot be read.
    """
    content = Path(path).read_bytes()
    size = len(content) - len(_MARK) - 64
    mark, checksum = content[max(size, 0) : max(size, 0) + len(_MARK)], content[-64:]
    signed = size > 0 and mark == _MARK
    if signed and hashlib.sha256(memoryview(content)[:size]).hexdigest().encode() != checksum:
        raise DamagedCheckpointError(path, "is damaged: its checksum is another")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of pickles of another kind: they are refused with our own words
            loaded = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:  # whatever unpickling runs into
        if asked := _code_in(content, error):
            raise DamagedCheckpointError(
                path, f"asks to run code when it is read ({asked}), which was refused: it may be an attack"
            ) from None
        if signed:
            raise DamagedCheckpointError(
                path, f"this version of PyTorch does not read ({type(error).__name__})"
            ) from None
    if not signed:
        raise DamagedCheckpointError(path, "has no checksum: it is cut off, or was not written by this program")
    if missing := _PARTS - loaded.keys():
        raise DamagedCheckpointError(path, f"lacks {', '.join(sorted(missing))}")
    return loaded


def good_checkpoint(path: Path) -> tuple[Path | None, dict[str, Any] | None, str]:
    """The last checkpoint, or the one before where the last is damaged or missing.

    Returns:
        Its path and content (None, None: there is neither), and a sentence to print where it is not the last one.

    Raises:
        DamagedCheckpointError: if none of those that are there is good.
    """
    before = previous(path)
    if not path.exists() and not before.exists():
        return None, None, ""
    try:
        return path, read_checkpoint(path), ""
    except FileNotFoundError:
        why = "is missing"
    except DamagedCheckpointError as error:
        if not before.exists():
            raise
        why = error.why
    try:
        return (
            before,
            read_checkpoint(before),
            f"{path.name} {why}: going on from {before.name}, the checkpoint before it.",
        )
    except DamagedCheckpointError as error:
        raise DamagedCheckpointError(path, f"{why}, and {before.name} beside it {error.why}") from None


def _code_in(content: bytes, error: Exception) -> str:
    """What a refused file would have called; looks at it without following it."""
    if isinstance(error, pickle.UnpicklingError) and (asked := re.search(r"GLOBAL\s+([\w.]+)", str(error))):
        return asked[1]
    names: list[str] = []
    try:
        for opcode, argument, _ in pickletools.genops(content):
            if opcode.name in ("GLOBAL", "INST"):
                return str(argument).replace(" ", ".")
            if opcode.name == "STACK_GLOBAL":
                return ".".join(names[-2:])
            if isinstance(argument, str):
                names.append(argument)
    except ValueError:  # not a pickle
        pass
    return ""
