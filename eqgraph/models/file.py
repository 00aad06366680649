"""Files of potentials."""

import os

import torch

from eqgraph.model_file import format_name

from .build import MODELS, build_potential
from .potential import Potential
from .tensors_file import Attachments, read_model, write_model

KIND = "eqgraph-potential"


def save_potential(
    path: str | os.PathLike, potential: Potential, metadata: dict | None = None, attached: Attachments | None = None
) -> None:
    """Write a potential with all that is needed to use it again.

    The file appears whole or not at all.

    Args:
        path: destination, usually *.eqg.
        potential: what to save; its network must be one of MODELS.
        metadata: anything that JSON can hold (units, hash of the data, training configuration ...), kept with the model.
        attached: name -> tensors that travel with the potential and are no part of it, see read_attached.

    Raises:
        ValueError: if the network is none of MODELS, or metadata cannot be written as JSON.
        OSError: if the disk is full or the folder cannot be written; an older file at path is then left intact.
    """
    config = getattr(potential.network, "config", None)
    names = [name for name, (config_class, _) in MODELS.items() if type(config) is config_class]
    if not names:
        raise ValueError(
            f"save_potential: expected a network among {sorted(MODELS)}, got {type(potential.network).__name__}. Save its state_dict "
            "instead."
        )
    header = {
        "format": format_name(KIND),
        "architecture": names[0],
        "config": config.model_dump(mode="json"),
        "species": potential.species.tolist(),
        "cutoff": potential.cutoff,
        "zbl": potential.zbl is not None,
        "dtype": str(potential.dtype).removeprefix("torch."),
        "metadata": metadata or {},
    }
    write_model(path, potential, header, "save_potential", attached)


def load_potential(path: str | os.PathLike, device: torch.device | str = "cpu") -> tuple[Potential, dict]:
    """Read a potential back, in evaluation mode, together with the metadata it was saved with.

    Returns:
        The potential and its header: keys format, eqgraph_version, torch_version, architecture, config, num_parameters, species,
        cutoff, zbl, dtype, metadata, sha256.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is not a potential, is damaged, or comes from a newer format.
    """
    potential, header = read_model(path, KIND, _built, "load_potential")
    return potential.to(device), header


def _built(header: dict) -> Potential:
    num_species = len(header["species"])
    potential = build_potential(
        header["architecture"],
        header["config"],
        header["species"],
        header["cutoff"],
        torch.zeros(num_species),
        torch.ones(num_species),
        avg_num_neighbors=1.0,  # a buffer: the true value comes with the tensors
        zbl=header.get("zbl", False),  # files of eqgraph 0.1.0 have no such key
    )
    potential.network.to(getattr(torch, header["dtype"]))
    return potential
