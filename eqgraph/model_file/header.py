"""The header of a model file: JSON inside of the JSON header of a safetensors file. Reading one never executes code."""

from __future__ import annotations

import hashlib
import json
import os
import struct
from pathlib import Path
from typing import Any

import safetensors

from eqgraph.replacing import replacing

from .formats import upgraded

_KEY = "eqgraph"


def read_header(path: str | os.PathLike, who: str = "read_header") -> dict[str, Any]:
    """The header of a model file, as this version writes it: its key "format" tells what the model is.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is no eqgraph model, is damaged, or comes from a newer format.
    """
    return upgraded(parse_header(read_bytes(path, who), path, who), f"{who}: '{path}'")


def training_section(header: dict[str, Any], name: str) -> dict[str, Any]:
    """A section of the config that a model was trained with; empty where the file has none.

    Example:
        >>> training_section({"metadata": {"training": {"data": {"energy_key": "E"}}}}, "data")
        {'energy_key': 'E'}
    """
    training = header.get("metadata", {}).get("training")
    section = training.get(name) if isinstance(training, dict) else None
    return section if isinstance(section, dict) else {}


def read_bytes(path: str | os.PathLike, who: str) -> bytes:
    """All of a file.

    Raises:
        FileNotFoundError: if there is none.
    """
    path = Path(path)
    if not path.is_file():
        inside = path / "model.eqg"
        advice = f"Give '{inside}'" if inside.is_file() else "Check the path"
        found = "a folder" if path.is_dir() else "none"
        raise FileNotFoundError(f"{who}: expected a model file, found {found} at '{path}'. {advice}.")
    return path.read_bytes()


def parse_header(data: bytes, path: str | os.PathLike, who: str) -> dict[str, Any]:
    """The header of a model file as it is in the file.

    Args:
        data: all of the file.
        path, who: of the file, and the calling function, for messages.

    Raises:
        ValueError: if these are no tensors of eqgraph, or not all of them.
    """
    try:
        safetensors.deserialize(data)
    except safetensors.SafetensorError as error:
        raise ValueError(
            f"{who}: expected an eqgraph model, but '{path}' is damaged or of another kind ({error}). Copy it again, or "
            "train anew."
        ) from error
    text = _safetensors_header(data)[0].get("__metadata__", {}).get(_KEY)
    if text is None:
        raise ValueError(
            f"{who}: expected an eqgraph model, but '{path}' is a safetensors file without an eqgraph header. Give a file "
            "that `eqgraph train` wrote."
        )
    try:
        header = json.loads(text)
    except (ValueError, RecursionError) as error:
        header, what = None, str(error)
    else:
        what = "another"
    if not (
        isinstance(header, dict)
        and isinstance(header.get("format"), str)
        and isinstance(header.get("metadata", {}), dict)
    ):
        raise ValueError(
            f"{who}: expected an eqgraph model with a header in JSON, but that of '{path}' is {what}. Copy it again, or train anew."
        )
    return header


def add_metadata(path: str | os.PathLike, metadata: dict[str, Any], who: str = "add_metadata") -> None:
    """Write a model file anew with more metadata; its tensors stay as they are, byte for byte.

    Args:
        path: of the file, which is replaced whole or not at all.
        metadata: replaces what the file has under the same keys.
        who: the calling function, for messages.

    Raises:
        FileNotFoundError, ValueError: as read_header, or if metadata cannot be written as JSON.
        OSError: if the disk is full or the folder cannot be written; the file is then left as it was.
    """
    data = read_bytes(path, who)
    header = parse_header(data, path, who)
    header["metadata"] = header.get("metadata", {}) | metadata
    whole, tensors = _safetensors_header(data)
    whole["__metadata__"][_KEY] = header_text(header, who)
    text = json.dumps(whole, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # tensors begin at multiples of 8
    with replacing(path) as temporary:
        temporary.write_bytes(struct.pack("<Q", len(text)) + text + tensors)


def header_text(header: dict[str, Any], who: str) -> str:
    """A header as JSON.

    Raises:
        ValueError: if JSON cannot hold it.
    """
    try:
        return json.dumps(header, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{who}: expected metadata that JSON can hold, got {error}. Use strings, finite numbers, lists and dicts."
        ) from error


def checksum(tensors: dict[str, bytes]) -> str:
    """SHA-256 of the names and the bytes of all tensors.

    Example:
        >>> checksum({"b": b"2", "a": b"1"})[:8] == hashlib.sha256(b"a1b2").hexdigest()[:8]
        True
    """
    total = hashlib.sha256()
    for name in sorted(tensors):
        total.update(name.encode())
        total.update(tensors[name])
    return total.hexdigest()


def _safetensors_header(data: bytes) -> tuple[dict[str, Any], bytes]:
    """Its own header, and what follows; of data that safetensors has found in order."""
    (length,) = struct.unpack("<Q", data[:8])
    return json.loads(data[8 : 8 + length]), data[8 + length :]
