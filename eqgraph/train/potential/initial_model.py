"""Fine-tuning: what a training that starts from a trained potential takes from it, and what it may change."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from ase.data import chemical_symbols

from eqgraph.datasets import AtomicEnergies, GraphDataset
from eqgraph.models import MODELS, Potential, extend_species, load_potential, read_header

from .config import Config, ModelConfig
from .evaluate import evaluate

_MAY_DIFFER = {"backend"}
"""Keys of an architecture that say how, not what is computed."""


def model_section_of(path: Path, section: ModelConfig, given: set[str]) -> ModelConfig:
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
        >>> path = Path(tempfile.mkdtemp()) / "model.eqg"
        >>> save_potential(path, build_potential("nequip", {"num_layers": 2}, [1], 4.0, [-13.6], [1.0], 9.0))
        >>> model_section_of(path, ModelConfig(), set()).network.num_layers
        2
    """
    header = read_header(path, "training.init_from")
    if not header["format"].startswith("eqgraph-potential"):
        raise ValueError(
            f"training.init_from: expected a potential, came a file of the kind {header['format']} in '{path}'. Give a model.eqg "
            "of a training of potentials."
        )
    config = MODELS[header["architecture"]][0].model_validate(header["config"]).model_dump(mode="json")
    there = {"architecture": header["architecture"], "cutoff": header["cutoff"]} | config
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
    return ModelConfig.model_validate(there | {key: asked[key] for key in given & _MAY_DIFFER})


class InitialModel:
    """A trained potential that a training starts from.

    Args:
        config: with training.init_from.
        species: atomic numbers of the training structures.

    Attributes:
        potential: knows the elements of the file and of the training structures, in the dtype of the training.
        path: of the file.
        sha256: checksum of its weights.
        energies: atomic number -> E0 [eV] in the file.
        new_species: atomic numbers that the file does not know.
    """

    def __init__(self, config: Config, species: Sequence[int]) -> None:
        self.path = config.training.init_from
        potential, header = load_potential(self.path)
        self.sha256 = header["sha256"]
        self.energies = dict(zip(potential.species.tolist(), potential.shifts.tolist(), strict=True))
        self.new_species = [number for number in species if number not in self.energies]
        if self.new_species:
            potential = extend_species(potential, dict.fromkeys(self.new_species, 0.0))
        potential.network.to(getattr(torch, config.training.dtype))
        self.potential = potential

    def refit(self, dataset: GraphDataset) -> AtomicEnergies:
        """E0s for labels of another level of theory: those of the file, changed as little as makes the model fit the energies best.

        E0 = E0_file + Δ, where Δ has the least norm of those with the least Σ_structures ((E - E_model - Σ_atoms Δ) / num_atoms)².
        Where compositions do not tell the elements apart, Δ is spread over them; energies of these compositions are the same.

        Raises:
            ValueError: if no structure has an energy.
        """
        evaluation = evaluate(self.potential, dataset)
        labelled = np.isfinite(evaluation.energy_labels)
        if not labelled.any():
            raise ValueError(
                f"training.init_from: expected energies to fit the E0s to, came {len(labelled)} training structures without one. Set "
                "data.atomic_energies to {symbol: eV} or 'isolated'."
            )
        numbers = np.array(sorted({*self.energies, *self.new_species}))
        counts = dataset.table.counts(numbers.tolist()).astype(float)
        counts, size = counts[labelled], evaluation.num_atoms[labelled]
        residual = (evaluation.energy_labels - evaluation.energy)[labelled] / size
        changes = np.linalg.lstsq(counts / size[:, None], residual, rcond=1e-9)[0]
        before, after = residual, residual - counts / size[:, None] @ changes
        shifts = {
            number: self.energies.get(number, 0.0) + change
            for number, change in zip(numbers.tolist(), changes.tolist(), strict=True)
        }
        rms = [1e3 * float(np.sqrt(np.square(values).mean())) for values in (before, after)]
        fall = f"the error of the model fell from {rms[0]:.1f} to {rms[1]:.1f} meV/atom"
        return AtomicEnergies(shifts, f"of the initial model, refitted to {labelled.sum()} structures: {fall}")

    def start(self, shifts: dict[int, float]) -> Potential:
        """The potential with other E0s [eV], of all elements that are to change."""
        for index, number in enumerate(self.potential.species.tolist()):
            if number in shifts:
                self.potential.shifts[index] = shifts[number]
        return self.potential

    def __str__(self) -> str:
        added = ", ".join(chemical_symbols[number] for number in self.new_species)
        return f"{self.path}{f', extended by {added}' if added else ''}"


def freeze(network: torch.nn.Module, names: Sequence[str]) -> int:
    """Exclude parameters from training, those whose dotted name is, or begins with, one of the names; returns how many numbers.

    Raises:
        ValueError: if a name fits no parameter, or nothing is left to train.

    Example:
        >>> network = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Linear(3, 1))
        >>> freeze(network, ["0"]), [parameter.requires_grad for parameter in network.parameters()]
        (9, [False, False, True, True])
    """
    parameters = dict(network.named_parameters())
    for name in names:
        if not any(_belongs(parameter, name) for parameter in parameters):
            known = dict.fromkeys(".".join(parameter.split(".")[:2]) for parameter in parameters)
            raise ValueError(
                f"training.freeze: expected names of layers of the model, came '{name}', which fits none. There are: "
                f"{', '.join(known)}."
            )
    frozen = [tensor for key, tensor in parameters.items() if any(_belongs(key, name) for name in names)]
    if len(frozen) == len(parameters):
        raise ValueError(
            "training.freeze: expected something to be left to train, came names of all layers. Remove one of them."
        )
    for parameter in frozen:
        parameter.requires_grad_(False)
    return sum(parameter.numel() for parameter in frozen)


def _belongs(parameter: str, name: str) -> bool:
    return parameter == name or parameter.startswith(f"{name}.")
