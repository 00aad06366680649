"""What there is to know of a model before it is used."""

from __future__ import annotations

import math
import os
import struct
from dataclasses import dataclass
from typing import Any

import safetensors
from ase.data import chemical_symbols

from .formats import upgraded
from .header import checksum, parse_header, read_bytes, training_section

_BUFFERS = {
    *("species", "shifts", "scales", "avg_num_neighbors", "output_mask"),
    *("running_mean", "running_var", "num_batches_tracked"),
}
"""Last names of tensors that are no parameters, in files whose header does not count these (eqgraph 0.1.0)."""
_FLOATS = {"F64": "d", "F32": "f"}


@dataclass(frozen=True)
class ModelCard:
    """What there is to know of a model before it is used; None or empty: the file does not say."""

    kind: str
    """potential, classification (of clouds) or segmentation (of points)."""
    description: str | None
    author: str | None
    licence: str | None
    architecture: str
    options: dict[str, Any]
    """Of the architecture."""
    dtype: str
    """Of the network."""
    num_parameters: int
    species: list[str]
    """Elements that a potential knows."""
    cutoff: float | None
    """Distance [Å] up to which atoms are neighbors."""
    receptive_field: float | None
    """Distance [Å] up to which atoms change the energy of an atom: the cutoff, layer after layer."""
    units: dict[str, str]
    E0s: dict[str, float]
    """Energy [eV] of the isolated atom of each element."""
    classes: list[str]
    irreps_x: str | None
    """Features of points beside their coordinates."""
    data_hash: str | None
    """Of what it was trained on."""
    training: dict[str, Any]
    """seed, epochs and steps (done), kept_epoch, max_epochs and max_time [s] (asked for), initial_model."""
    errors: dict[str, list[dict[str, Any]]]
    """Name of a set of structures or clouds -> rows of the table of errors or scores."""
    format: str
    eqgraph_version: str | None
    torch_version: str | None
    file: str
    size: int
    """Bytes."""
    sha256: str
    """Of the weights; they are those that were written."""


def model_card(path: str | os.PathLike, who: str = "model_card") -> ModelCard:
    """The card of a model file: of a potential, or of a classifier or segmenter of point clouds.

    Args:
        path: of the file.
        who: the calling function, for messages.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is no eqgraph model, is damaged, or comes from a newer format.

    Example:
        >>> import tempfile
        >>> from eqgraph.models import build_potential, save_potential
        >>> path = tempfile.mkdtemp() + "/model.eqg"
        >>> save_potential(path, build_potential("nequip", {"num_layers": 2}, [1, 8], 4.0, [-13.6, -2041.8], [1.0, 1.0], 9.0))
        >>> card = model_card(path)
        >>> card.architecture, card.species, card.receptive_field, card.E0s
        ('nequip', ['H', 'O'], 8.0, {'H': -13.6, 'O': -2041.8})
    """
    data = read_bytes(path, who)
    header = upgraded(parse_header(data, path, who), f"{who}: '{path}'")
    tensors = dict(safetensors.deserialize(data))
    try:
        if header["sha256"] != checksum({name: bytes(tensor["data"]) for name, tensor in tensors.items()}):
            raise ValueError("the weights are not those that were written: the file is damaged")
        return _card(str(path), len(data), header, tensors)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        what = f"no {error}" if isinstance(error, KeyError) else str(error)
        raise ValueError(
            f"{who}: expected a complete header and the weights that belong to it, but '{path}' does not fit ({what}). Copy it again, "
            "or train anew."
        ) from error


def _card(path: str, size: int, header: dict[str, Any], tensors: dict[str, dict[str, Any]]) -> ModelCard:
    is_potential = header["format"].startswith("eqgraph-potential")
    options, metadata = dict(header["config"]), header.get("metadata", {})
    options |= {"zbl": True} if header.get("zbl") else {}
    said = training_section(header, "card") | _dict(metadata.get("card"))
    species = [chemical_symbols[number] for number in header["species"]] if is_potential else []
    cutoff = float(header["cutoff"]) if is_potential else None
    return ModelCard(
        kind="potential" if is_potential else header["task"],
        **{key: _text(said.get(key)) for key in ("description", "author", "licence")},
        architecture=header["architecture"],
        options=options,
        dtype=header["dtype"],
        num_parameters=int(header["num_parameters"]) if "num_parameters" in header else _count_parameters(tensors),
        species=species,
        cutoff=cutoff,
        receptive_field=None if cutoff is None else cutoff * options["num_layers"],
        units={name: unit for name, unit in _dict(metadata.get("units")).items() if _text(unit)},
        E0s=dict(zip(species, _numbers(tensors["shifts"]), strict=True)) if is_potential else {},
        classes=[] if is_potential else list(header["classes"]),
        irreps_x=None if is_potential else header["irreps_x"],
        data_hash=_text(metadata.get("data_hash")),
        training=_training(header),
        errors=_errors(metadata),
        format=header["format"],
        eqgraph_version=_text(header.get("eqgraph_version")),
        torch_version=_text(header.get("torch_version")),
        file=path,
        size=size,
        sha256=header["sha256"],
    )


def _training(header: dict[str, Any]) -> dict[str, Any]:
    metadata, asked = header.get("metadata", {}), training_section(header, "training")
    known = {key: asked.get(key) for key in ("seed", "max_epochs", "max_time")}
    known |= {key: _dict(metadata.get("length")).get(key) for key in ("epochs", "steps")}
    known |= {
        "kept_epoch": _dict(metadata.get("validation")).get("epoch"),
        "initial_model": metadata.get("initial_model"),
    }
    return {key: value for key, value in known.items() if value is not None}


def _errors(metadata: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Of the evaluation at the end; before it, and in older files, those of the last validation."""
    found = _dict(metadata.get("errors")) or {"valid": _dict(metadata.get("validation")).get("errors")}
    rows = {
        name: [row for row in rows if isinstance(row, dict)] for name, rows in found.items() if isinstance(rows, list)
    }
    return {name: kept for name, kept in rows.items() if kept}


def _dict(value: Any) -> dict[str, Any]:
    """Metadata may be anything."""
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _count_parameters(tensors: dict[str, dict[str, Any]]) -> int:
    shapes = (tensor["shape"] for name, tensor in tensors.items() if name.rpartition(".")[2] not in _BUFFERS)
    return sum(math.prod(shape) for shape in shapes)


def _numbers(tensor: dict[str, Any]) -> list[float]:
    (number,) = tensor["shape"]
    return list(struct.unpack(f"<{number}{_FLOATS[tensor['dtype']]}", tensor["data"]))
