"""The section `model` of a training that starts from a model file."""

from __future__ import annotations

from pathlib import Path

from eqgraph.model_file import read_header
from eqgraph.models import MODELS

from ..config import ModelSection

_MAY_DIFFER = {"backend"}
"""Keys of an architecture that say how, not what is computed."""


def model_of_file(path: Path, section: ModelSection, given: set[str]) -> ModelSection:
    """The section `model` of a training that starts from a model file: the file's own, which the config must not contradict.

    Args:
        path: of the model file.
        section: what the config says.
        given: the keys of it that somebody wrote.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is no potential, or the config asks for another architecture, cutoff or size: that would have no effect.

    Example:
        >>> import tempfile
        >>> from eqgraph.models import build_potential, save_potential
        >>> from eqgraph.train.potential.config import ModelConfig
        >>> path = Path(tempfile.mkdtemp()) / "model.eqg"
        >>> save_potential(path, build_potential("nequip", {"num_layers": 2}, [1], 4.0, [-13.6], [1.0], 9.0))
        >>> model_of_file(path, ModelConfig(), set()).network.num_layers
        2
    """
    header = read_header(path, "training.init_from")
    if not header["format"].startswith("eqgraph-potential"):
        raise ValueError(
            f"training.init_from: expected a potential, came a file of the kind {header['format']} in '{path}'. Give a model.eqg "
            "of a training of potentials."
        )
    config = MODELS[header["architecture"]][0].model_validate(header["config"]).model_dump(mode="json")
    there = {
        "architecture": header["architecture"],
        "cutoff": header["cutoff"],
        "zbl": header.get("zbl", False),
    } | config
    asked = section.model_dump(mode="json")
    if wrong := [
        f"model.{key} = {asked[key]!r} ({there.get(key)!r} in the file)"
        for key in sorted(given - _MAY_DIFFER)
        if asked[key] != there.get(key)
    ]:
        raise ValueError(
            f"training.init_from: expected the model of '{path}' as it is, came {', '.join(wrong)}, which would have no effect. "
            "Remove these keys: the architecture comes from the file."
        )
    return type(section).model_validate(there | {key: asked[key] for key in given & _MAY_DIFFER})
