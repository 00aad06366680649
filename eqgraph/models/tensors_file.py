"""Files of tensors with a JSON header and a checksum: safetensors. Reading one never executes code."""

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import safetensors
import safetensors.torch
import torch
from pydantic import ValidationError
from torch import Tensor

import eqgraph
from eqgraph.replacing import replacing

Built = TypeVar("Built", bound=torch.nn.Module)
Attachments = Mapping[str, Mapping[str, Tensor]]
"""Name -> tensors that travel with a model and are no part of it, such as those of its uncertainty."""
_ATTACHED = "attached."
"""How their names begin in the file; those of a model's own tensors do not."""


def write_model(
    path: str | os.PathLike, model: torch.nn.Module, header: dict, who: str, attached: Attachments | None = None
) -> None:
    """Write the state of a model; the file appears whole or not at all.

    Args:
        path: destination.
        model: whose state_dict to write.
        header: what JSON can hold; the version and the checksum are added.
        who: the calling function, for messages.
        attached: tensors that travel with the model, see read_attached.

    Raises:
        ValueError: if the header cannot be written as JSON.
        OSError: if the disk is full or the folder cannot be written; an older file at path is then left intact.
    """
    tensors = model.state_dict() | {
        f"{_ATTACHED}{kind}.{name}": tensor for kind, them in (attached or {}).items() for name, tensor in them.items()
    }
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    header = header | {"eqgraph_version": eqgraph.__version__, "sha256": _checksum(tensors)}
    try:
        text = json.dumps(header, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{who}: expected metadata that JSON can hold, got {error}. Use strings, finite numbers, lists and dicts."
        ) from error
    with replacing(path) as temporary:
        temporary.write_bytes(safetensors.torch.save(tensors, metadata={"eqgraph": text}))


def read_header(path: str | os.PathLike, who: str = "read_header") -> dict:
    """The header of a model file: its key "format" tells what the model is.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is no eqgraph model, or damaged.
    """
    return _read(path, who, tensors_too=False)[1]


def read_attached(path: str | os.PathLike, name: str, who: str = "read_attached") -> dict[str, Tensor]:
    """Tensors that travel with a model under a name; none in files that have no such tensors.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is no eqgraph model, or damaged.
    """
    tensors, _ = _read(path, who)
    prefix = f"{_ATTACHED}{name}."
    return {key.removeprefix(prefix): tensor for key, tensor in tensors.items() if key.startswith(prefix)}


def training_section(header: dict, name: str) -> dict:
    """A section of the config that a model was trained with; empty where the file has none.

    Example:
        >>> training_section({"metadata": {"training": {"data": {"energy_key": "E"}}}}, "data")
        {'energy_key': 'E'}
    """
    training = header.get("metadata", {}).get("training")
    section = training.get(name) if isinstance(training, dict) else None
    return section if isinstance(section, dict) else {}


def read_model(
    path: str | os.PathLike, expected_format: str, build: Callable[[dict], Built], who: str
) -> tuple[Built, dict]:
    """Read a model back, in evaluation mode.

    Args:
        path: of the file.
        expected_format: what the header has to say under "format".
        build: from a header to a model of the right shapes and dtype.
        who: the calling function, for messages.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is not such a model, is damaged, or comes from a newer format.
    """
    tensors, header = _read(path, who)
    try:
        if header["format"] != expected_format:
            raise ValueError(f"format is {header['format']!r}, this version reads {expected_format!r}")
        if header["sha256"] != _checksum(tensors):
            raise ValueError("the weights are not those that were written: the file is damaged")
        model = build(header)
        model.load_state_dict({name: tensor for name, tensor in tensors.items() if not name.startswith(_ATTACHED)})
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, RuntimeError, ValidationError) as error:
        raise ValueError(
            f"{who}: expected a model that eqgraph {eqgraph.__version__} can read, but '{path}' does not fit ({error}). Use "
            "the version that wrote it, or train anew."
        ) from error
    return model.eval(), header


def _read(path: str | os.PathLike, who: str, tensors_too: bool = True) -> tuple[dict[str, Tensor], dict]:
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{who}: expected a model file, found none at '{path}'. Check the path.")
    try:
        with safetensors.safe_open(path, framework="pt", device="cpu") as file:
            text = (file.metadata() or {}).get("eqgraph")
            names = file.keys() if tensors_too else ()
            tensors = {name: file.get_tensor(name) for name in names}
    except safetensors.SafetensorError as error:
        raise ValueError(
            f"{who}: expected an eqgraph model, but '{path}' is damaged or of another kind ({error}). Copy it again, or "
            "train anew."
        ) from error
    if text is None:
        raise ValueError(
            f"{who}: expected an eqgraph model, but '{path}' is a safetensors file without an eqgraph header. Give a file "
            "that `eqgraph train` wrote."
        )
    return tensors, _header(text, path, who)


def _header(text: str, path: Path, who: str) -> dict:
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


def _checksum(tensors: dict[str, Tensor]) -> str:
    """SHA-256 of the names and the bytes of all tensors."""
    checksum = hashlib.sha256()
    for name in sorted(tensors):
        checksum.update(name.encode())
        checksum.update(tensors[name].flatten().view(torch.uint8).numpy().tobytes())
    return checksum.hexdigest()
