"""Files of tensors with a JSON header and a checksum: safetensors. Reading one never executes code."""

import os
from collections.abc import Callable, Mapping
from typing import TypeVar

import safetensors.torch
import torch
from pydantic import ValidationError
from torch import Tensor

import eqgraph
from eqgraph.model_file import checksum, header_text, parse_header, read_bytes, upgrade_tensors, upgraded
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
        header: what JSON can hold; the number of parameters, the versions and the checksum are added.
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
    header = header | {
        "num_parameters": sum(parameter.numel() for parameter in model.parameters()),
        "eqgraph_version": eqgraph.__version__,
        "torch_version": torch.__version__,
        "sha256": _checksum(tensors),
    }
    text = header_text(header, who)
    with replacing(path) as temporary:
        temporary.write_bytes(safetensors.torch.save(tensors, metadata={"eqgraph": text}))


def read_attached(path: str | os.PathLike, name: str, who: str = "read_attached") -> dict[str, Tensor]:
    """Tensors that travel with a model under a name, none in files without them; read_model is what checks their sum.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is no eqgraph model, or damaged.
    """
    data = read_bytes(path, who)
    upgraded(parse_header(data, path, who), f"{who}: '{path}'")
    tensors = safetensors.torch.load(data)
    prefix = f"{_ATTACHED}{name}."
    return {key.removeprefix(prefix): tensor for key, tensor in tensors.items() if key.startswith(prefix)}


def holds_state(path: str | os.PathLike, state: Mapping[str, Tensor]) -> bool:
    """Whether a file has exactly these tensors, whatever travels with them; not if there is no such file or it is damaged."""
    try:
        data = read_bytes(path, "holds_state")
        parse_header(data, path, "holds_state")
    except (OSError, ValueError):
        return False
    own = {name: tensor for name, tensor in safetensors.torch.load(data).items() if not name.startswith(_ATTACHED)}
    return own.keys() == state.keys() and all(
        tensor.dtype == own[name].dtype and torch.equal(tensor.cpu(), own[name]) for name, tensor in state.items()
    )


def read_model(path: str | os.PathLike, kind: str, build: Callable[[dict], Built], who: str) -> tuple[Built, dict]:
    """Read a model back, in evaluation mode; files of older formats are read as if they were new.

    Args:
        path: of the file.
        kind: of model: what the header has to say under "format", up to the number.
        build: from a header to a model of the right shapes and dtype.
        who: the calling function, for messages.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is not such a model, is damaged, or comes from a newer format.
    """
    data, place = read_bytes(path, who), f"{who}: '{path}'"
    header = upgraded(parse_header(data, path, who), place)
    if not header["format"].startswith(f"{kind}-"):
        raise ValueError(
            f"{place}: expected a model of the kind {kind}, got one of the format {header['format']}, which does not fit. Give "
            "another file."
        )
    tensors = safetensors.torch.load(data)
    try:
        if header["sha256"] != _checksum(tensors):
            raise ValueError("the weights are not those that were written: the file is damaged")
        model = build(header)
        own = {name: tensor for name, tensor in tensors.items() if not name.startswith(_ATTACHED)}
        model.load_state_dict(upgrade_tensors(own, header, place))
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, RuntimeError, ValidationError) as error:
        raise ValueError(
            f"{who}: expected a model that eqgraph {eqgraph.__version__} can read, but '{path}' does not fit ({error}). Use "
            f"the version that wrote it ({header.get('eqgraph_version')}), or train anew."
        ) from error
    return model.eval(), header


def _checksum(tensors: dict[str, Tensor]) -> str:
    return checksum({name: tensor.flatten().view(torch.uint8).numpy().tobytes() for name, tensor in tensors.items()})
