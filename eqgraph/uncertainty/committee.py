"""Several potentials that differ in their random numbers: where they disagree, they know little."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch_geometric.data import Data

from eqgraph.model_file import read_header
from eqgraph.models import Potential, PotentialInputs, Prediction, load_potential
from eqgraph.replacing import replacing

from .calibration import moment_factor
from .trained_range import TrainedRange
from .uncertain_potential import UncertainPotential
from .uncertainty import Uncertainty

FILE = "committee.json"
"""In the directory of a run with several seeds."""


class CommitteeFactors(NamedTuple):
    """By what the standard deviations over members are multiplied, from validation errors of their mean."""

    energy: float = 1.0
    forces: float = 1.0


class Committee(UncertainPotential):
    """The mean of several potentials, and their standard deviation (n - 1), calibrated.

    Args:
        members: two or more with the same species and cutoff.
        factors: see CommitteeFactors; None: not calibrated, both are 1.
        trained_range: of the first member.

    Raises:
        ValueError: if there are fewer than two, or they differ in species or cutoff.

    Example:
        >>> from eqgraph.models import build_potential
        >>> two = [build_potential("nequip", {"num_layers": 2}, [1], 4.0, [-13.6], [1.0], 9.0) for _ in range(2)]
        >>> Committee(two).is_calibrated
        False

    Reference: Imbalzano et al. 2021, doi:10.1063/5.0036522.
    """

    def __init__(
        self,
        members: Sequence[Potential],
        factors: CommitteeFactors | None = None,
        trained_range: TrainedRange | None = None,
    ) -> None:
        super().__init__()
        if len(members) < 2:
            raise ValueError(
                f"Committee: expected two or more models, got {len(members)}. Train several seeds (training.seeds: 4), or name more."
            )
        kinds = [(member.species.tolist(), member.cutoff) for member in members]
        for number, kind in enumerate(kinds):
            if kind != kinds[0]:
                raise ValueError(
                    f"Committee: expected models with the same species and cutoff, got {kinds[0][0]} within {kinds[0][1]:g} Å and, as "
                    f"number {number}, {kind[0]} within {kind[1]:g} Å. Train them alike."
                )
        self.members = torch.nn.ModuleList(members)
        self.is_calibrated = factors is not None
        self.factors, self.trained_range = factors or CommitteeFactors(), trained_range

    @property
    def potential(self) -> Potential:
        """The first member."""
        return self.members[0]

    @property
    def has_uncertainty(self) -> bool:
        return True

    @property
    def has_forces_uncertainty(self) -> bool:
        return True

    @classmethod
    def load(
        cls, paths: str | os.PathLike | Sequence[str | os.PathLike], device: torch.device | str = "cpu"
    ) -> Committee:
        """From model files, or from the directory of a run with several seeds, which says how the committee is calibrated.

        Args:
            paths: one or several; of the directory, or of model files.
            device: where to compute.

        Raises:
            FileNotFoundError: if one is missing.
            ValueError: if they make no committee.
        """
        files = member_files([paths] if isinstance(paths, str | os.PathLike) else paths)
        if len(files) < 2:
            raise ValueError(
                f"Committee: expected two or more different models, got {len(files)} ({', '.join(map(str, files))}). Train several "
                "seeds (training.seeds: 4), or name more."
            )
        # a copy of a member is no other member
        loaded = list(
            {found[1]["sha256"]: found for found in (load_potential(file, device) for file in files)}.values()
        )
        if len(loaded) < 2:
            raise ValueError(
                f"Committee: expected two or more different models, got copies of one ({', '.join(map(str, files))}). Train several "
                "seeds (training.seeds: 4)."
            )
        factors = _factors_in(files[0].absolute().parent.parent, {header["sha256"] for _, header in loaded})
        return cls([potential for potential, _ in loaded], factors, TrainedRange.of_header(loaded[0][1]))

    def predict(
        self, data: Data | PotentialInputs, uncertainty: bool = True, **asked: bool
    ) -> tuple[Prediction, Uncertainty | None]:
        predictions = [member(data, **asked) for member in self.members]
        columns = [
            None if any(c is None for c in column) else torch.stack(column) for column in zip(*predictions, strict=True)
        ]
        stacked = Prediction(*columns)
        mean = Prediction(*[None if column is None else column.mean(0) for column in columns])
        found = Uncertainty(
            self.factors.energy * stacked.energy.std(0),
            self.factors.energy * stacked.atomic_energies.std(0),
            None if stacked.forces is None else self.factors.forces * stacked.forces.std(0),
        )
        return mean, found


def member_files(paths: Sequence[str | os.PathLike]) -> list[Path]:
    """Model files, each once; a directory of a run with several seeds stands for the models in it.

    Raises:
        FileNotFoundError: if there is no model in a directory, or no such file.
    """
    files: dict[Path, Path] = {}
    for path in map(Path, paths):
        found = sorted(path.glob("seed_*/model.eqg"), key=_seed) if path.is_dir() else [path]
        if path.is_dir() and not found and (path / "model.eqg").is_file():
            found = [path / "model.eqg"]
        if not found:
            raise FileNotFoundError(
                f"Expected the directory of a run with models (seed_*/model.eqg), '{path}' has none. Name the directory that is "
                "training.output, or model files."
            )
        files |= {file.resolve(): file for file in found}
    return list(files.values())


def write_factors(
    directory: Path, energies: np.ndarray, energy_labels: np.ndarray, forces: np.ndarray, forces_labels: np.ndarray
) -> CommitteeFactors | None:
    """Calibrate the members in seed_*/model.eqg with their predictions for the same structures, and write committee.json.

    Args:
        directory: of the run.
        energies: (members, structures) [eV].
        energy_labels: (structures,) [eV], NaN where there is none.
        forces: (members, nodes, 3) [eV/Å].
        forces_labels: (nodes, 3) [eV/Å], NaN where there is none.

    Returns:
        The factors; None if there are no energies to calibrate with.
    """
    files = member_files([directory])[: len(energies)]  # a run with fewer seeds than before leaves others there
    found = {
        "energy": _factor(energies, energy_labels),
        "forces": _factor(forces.reshape(len(forces), -1), forces_labels.ravel()),
    }
    if found["energy"] is None:
        return None  # without energies their origin is arbitrary, and another one for each seed
    # energies alone: what the seeds share of their error is about the same for the forces
    factors = CommitteeFactors(
        **{name: found["energy"] if factor is None else factor for name, factor in found.items()}
    )
    content = {
        "members": [
            {"file": str(file.relative_to(directory)), "sha256": read_header(file)["sha256"]} for file in files
        ],
        "factors": factors._asdict(),
        "calibrated_on": {
            "energies": int(np.isfinite(energy_labels).sum()),
            "force_components": int(np.isfinite(forces_labels).sum()),
        },
    }
    with replacing(directory / FILE) as temporary:
        temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    return factors


def _factor(predictions: np.ndarray, labels: np.ndarray) -> float | None:
    variances = predictions.var(0, ddof=1)
    known = np.isfinite(labels) & (variances > 0)
    if not known.any():
        return None
    return moment_factor((predictions.mean(0) - labels)[known], variances[known])


def _factors_in(directory: Path, checksums: set[str]) -> CommitteeFactors | None:
    """Of exactly these models; None if there are none."""
    try:
        content = json.loads((directory / FILE).read_text(encoding="utf-8"))
        if {member["sha256"] for member in content["members"]} != checksums:
            return None
        factors = CommitteeFactors(float(content["factors"]["energy"]), float(content["factors"]["forces"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return factors if all(0 < factor < float("inf") for factor in factors) else None


def _seed(file: Path) -> tuple[int, str]:
    number = file.parent.name.removeprefix("seed_")
    return (int(number) if number.isdecimal() else 1 << 30, number)
