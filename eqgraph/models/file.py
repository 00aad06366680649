"""Model files: safetensors with a JSON header. Reading one never executes code."""

import hashlib
import json
import os
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from pydantic import ValidationError
from torch import Tensor

import eqgraph
from eqgraph.replacing import replacing

from .build import MODELS, build_potential
from .potential import Potential

FORMAT = "eqgraph-potential-1"


def save_potential(path: str | os.PathLike, potential: Potential, metadata: dict | None = None) -> None:
    """Write a potential with all that is needed to use it again.

    The file appears whole or not at all.

    Args:
        path: destination, usually *.eqg.
        potential: what to save; its network must be one of MODELS.
        metadata: anything that JSON can hold (units, hash of the data, training configuration ...), kept with the model.

    Raises:
        ValueError: if the network is none of MODELS, or metadata cannot be written as JSON.
        OSError: if the disk is full or the folder cannot be written; an older file at path is then left intact.
    """
    network = potential.network
    names = [name for name, (_, module_class) in MODELS.items() if type(network) is module_class]
    if not names:
        raise ValueError(
            f"save_potential: expected a network among {sorted(MODELS)}, got {type(network).__name__}. Save its state_dict instead."
        )
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in potential.state_dict().items()}
    header = {
        "format": FORMAT,
        "eqgraph_version": eqgraph.__version__,
        "architecture": names[0],
        "config": network.config.model_dump(mode="json"),
        "species": potential.species.tolist(),
        "cutoff": potential.cutoff,
        "dtype": str(potential.dtype).removeprefix("torch."),
        "metadata": metadata or {},
        "sha256": _checksum(tensors),
    }
    try:
        text = json.dumps(header, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"save_potential: expected metadata that JSON can hold, got {error}. Use strings, finite numbers, lists and dicts."
        ) from error
    with replacing(path) as temporary:
        temporary.write_bytes(safetensors.torch.save(tensors, metadata={"eqgraph": text}))


def load_potential(path: str | os.PathLike, device: torch.device | str = "cpu") -> tuple[Potential, dict]:
    """Read a potential back, in evaluation mode, together with the metadata it was saved with.

    Returns:
        The potential and its header: keys format, eqgraph_version, architecture, config, species, cutoff, dtype, metadata, sha256.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is not an eqgraph model, is damaged, or comes from a newer format.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"load_potential: expected a model file, found none at '{path}'. Check the path.")
    try:
        with safetensors.safe_open(path, framework="pt", device="cpu") as file:
            text = (file.metadata() or {}).get("eqgraph")
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except safetensors.SafetensorError as error:
        raise ValueError(
            f"load_potential: expected an eqgraph model, but '{path}' is damaged or of another kind ({error}). Copy it again, or "
            "train anew."
        ) from error
    if text is None:
        raise ValueError(
            f"load_potential: expected an eqgraph model, but '{path}' is a safetensors file without an eqgraph header. Give a file "
            "that `eqgraph train` wrote."
        )
    try:
        header = json.loads(text)
        if header["format"] != FORMAT:
            raise ValueError(f"format is {header['format']!r}, this version reads {FORMAT!r}")
        if header["sha256"] != _checksum(tensors):
            raise ValueError("the weights are not those that were written: the file is damaged")
        num_species = len(header["species"])
        potential = build_potential(
            header["architecture"],
            header["config"],
            header["species"],
            header["cutoff"],
            torch.zeros(num_species),
            torch.ones(num_species),
            avg_num_neighbors=1.0,  # a buffer: the true value comes with the tensors
        )
        potential.network.to(getattr(torch, header["dtype"]))
        potential.load_state_dict(tensors)
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError, ValidationError) as error:
        raise ValueError(
            f"load_potential: expected a model that eqgraph {eqgraph.__version__} can read, but '{path}' does not fit ({error}). Use "
            "the version that wrote it, or train anew."
        ) from error
    return potential.to(device).eval(), header


def _checksum(tensors: dict[str, Tensor]) -> str:
    """SHA-256 of the names and the bytes of all tensors."""
    checksum = hashlib.sha256()
    for name in sorted(tensors):
        checksum.update(name.encode())
        checksum.update(tensors[name].flatten().view(torch.uint8).numpy().tobytes())
    return checksum.hexdigest()
