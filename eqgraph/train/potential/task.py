"""Training a potential."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from rich.console import Console

from eqgraph.datasets import LABELS, GraphDataset, LazyDataset
from eqgraph.models import Potential, build_potential, load_potential, save_potential
from eqgraph.uncertainty import (
    LastLayerPotential,
    TrainedRange,
    fit_last_layer,
    last_layer_of,
    save_with_last_layer,
    write_factors,
)

from ..complete_card import complete_card
from ..output import RunDirectory
from ..run_page import RunRecord, write_run_page
from ..task import FitResult, Run, Task
from .check_data import check_data, describe_check
from .compiled_loss import why_not
from .config import Config
from .data import PotentialData
from .evaluate import Evaluation, evaluate
from .frame_errors import EvaluatedSet
from .freeze import belongs, freeze
from .loss_config import LossConfig
from .metrics import PotentialErrors
from .module import PotentialModule
from .report import best_epoch, learning_panels, plot_learning_curve, plot_parity
from .run_sections import detail_sections, dimer_sections, result_sections, stored_sections
from .tables import calibration_table, error_table, write_errors

_COMPILING_PAYS = 900.0
"""Seconds: one to three minutes of compiling against a quarter to a third of the time of the steps."""
_EVALUATED = 10_000
"""Training structures that are looked at at the end, of those that are not in memory."""
UNITS = {"energy": "eV", "length": "Å", "forces": "eV/Å", "stress": "eV/Å³", "virial": "eV", "dipole": "e·Å"}


class EvaluatedPotential(NamedTuple):
    """A potential and what it predicts."""

    model: Potential
    header: dict[str, Any]
    sets: list[EvaluatedSet]

    def evaluation(self, name: str) -> Evaluation:
        """That of a set."""
        return next(each.evaluation for each in self.sets if each.name == name)


class PotentialTask(Task):
    """Energies, forces, stress and dipole moments of structures; the best model in validation is kept unless one says otherwise."""

    config_class = Config
    runs_in_several_processes = True

    def check(self, config: Config) -> None:
        if config.training.compile and (reason := why_not()):
            raise ValueError(
                f"Expected to compile the training step (training.compile), came: {reason}. Set it to false."
            )

        if "dipole" in config.loss.used and not config.model.network.dipole:
            raise ValueError(
                "loss.dipole: expected a network that predicts dipole moments, came model.dipole: false. Set model.dipole: true, or "
                "loss.dipole: 0."
            )

    def read(self, config: Config) -> PotentialData:
        data = PotentialData(config)
        data.check = check_data(config, data) if config.training.check else None
        return data

    def build(self, config: Config, data: PotentialData) -> Potential:
        if data.initial:
            potential = data.initial.start(data.atomic_energies)
            freeze(potential.network, config.training.freeze)
            return potential
        potential = build_potential(
            config.model.architecture,
            config.model.network,
            species=data.species,
            cutoff=config.model.cutoff,
            shifts=torch.tensor([data.atomic_energies[number] for number in data.species], dtype=torch.float64),
            scales=torch.full((len(data.species),), data.scale, dtype=torch.float64),
            avg_num_neighbors=data.avg_num_neighbors,
            zbl=config.model.zbl,
        )
        potential.network.to(getattr(torch, config.training.dtype))
        return potential

    def module(
        self,
        config: Config,
        data: PotentialData,
        model: Potential,
        max_steps: int,
        time_progress: Callable[[], float],
    ) -> PotentialModule:
        return PotentialModule(
            model, config.loss, config.optimizer, config.schedule, max_steps, time_progress, config.training.compile
        )

    def choices(self, config: Config, data: PotentialData, model: Potential) -> dict[str, str]:
        energies = ", ".join(f"{symbol} {energy:.4f}" for symbol, energy in data.named_atomic_energies.items())
        tests = "".join(f", {len(dataset)} test ({name})" for name, dataset in data.test.items())
        num_parameters = sum(parameter.numel() for parameter in model.parameters())
        isolated = data.num_isolated_atoms
        atoms = f", {isolated} isolated atom{'s' if isolated > 1 else ''} recognized" if isolated else ""
        return {
            "model": f"{config.model.architecture}, {num_parameters} parameters, cutoff {config.model.cutoff:g} Å"
            f"{', ZBL repulsion' if config.model.zbl else ''}",
            **_initial(config, data, model),
            "structures": f"{len(data.train)} training, {len(data.valid)} validation{tests}{atoms}",
            "labels": _labels(data),
            "check": describe_check(data.check),
            "E0s (eV)": f"{energies} ({data.atomic_energies_source})",
            "scale": f"{data.scale:.4g} eV ({data.scale_source})",
            "neighbors": f"{data.avg_num_neighbors:.1f} on average",
            "batches": _batches(config, data),
            "loss": _loss(config.loss),
            "dtype": f"{config.training.dtype} network, float64 energies",
            "compiled": _compiled(config.training.compile, config.training.max_time),
        }

    def metadata(self, config: Config, data: PotentialData) -> dict[str, Any]:
        start = (
            {"initial_model": {"file": data.initial.path.name, "sha256": data.initial.sha256}} if data.initial else {}
        )
        return {"units": UNITS, "data_hash": data.hash, "E0s": data.named_atomic_energies} | start

    def save(self, path: Path, model: Potential, metadata: dict[str, Any]) -> None:
        save_potential(path, model, metadata)

    def evaluate(
        self, config: Config | None, data: PotentialData | None, model: Path, device: torch.device, console: Console
    ) -> EvaluatedPotential:
        potential, header = load_potential(model, device)
        potential.requires_grad_(False)
        if data is None:
            return EvaluatedPotential(potential, header, [])
        uncertain = LastLayerPotential(potential, last_layer_of(model), TrainedRange.of_header(header))
        size = config.training.valid_batch_size
        with console.status("Evaluating the model"):
            sets = [
                EvaluatedSet(name, dataset, evaluate(uncertain, dataset, size))
                for name, dataset in {"train": _some(data.train), "valid": data.valid, **data.test}.items()
            ]
        return EvaluatedPotential(potential, header, sets)

    def report(self, run: Run) -> FitResult:
        output, console = run.output, run.console
        if (number := len(run.data.train)) > len(_some(run.data.train)):
            console.print(f"Errors of train are those of {_EVALUATED} of its {number} structures, drawn at random.")
        with console.status("Fitting the uncertainty"):
            _add_uncertainty(run)
        found = self.evaluate(run.config, run.data, output.model, run.device, console)
        errors = {each.name: each.evaluation.errors for each in found.sets}
        console.print(error_table(errors))
        if any(each.evaluation.energy_uncertainty is not None for each in found.sets):
            console.print(calibration_table({each.name: each.evaluation.calibrations for each in found.sets}))
        else:
            console.print("No uncertainty: there is no energy in validation that the model has an error in.")
        write_errors(output.errors, errors)
        plot_learning_curve(output.learning_curve, run.history)
        for each in found.sets:
            plot_parity(output.picture("parity", each.name), each.evaluation, each.name)
        complete_card(output.model, self.error_rows(errors), run.history)
        self.write_page(output.report, run.record(found.header), found)
        epoch = found.header["metadata"]["validation"]["epoch"]
        kept = "Best" if run.config.training.keep == "best_valid" else "Final"
        plots = [output.learning_curve, *(output.picture("parity", name) for name in errors)]
        for what, paths in (
            (f"{kept} model (epoch {epoch})", [output.model]),
            ("Tables", [output.history, output.errors]),
            ("Plots", plots),
            ("Report", [output.report]),
        ):
            console.print(f"{what}: {', '.join(map(str, paths))}", soft_wrap=True, highlight=False, markup=False)
        return FitResult(output.path, output.model, errors, run.history, valid=found.evaluation("valid"))

    def join_seeds(self, output: RunDirectory, results: list[FitResult], console: Console) -> None:
        """Calibrate the committee of all seeds."""
        found = [result.valid for result in results]
        first = found[0]
        factors = write_factors(
            output.path,
            np.stack([each.energy for each in found]),
            first.energy_labels,
            np.stack([each.forces for each in found]),
            first.forces_labels,
        )
        if factors:
            said = f"factors {factors.energy:.3g} (energy) and {factors.forces:.3g} (forces) of the standard deviation"
            console.print(f"Committee: {output.committee}, {said}", soft_wrap=True, highlight=False, markup=False)

    def write_page(self, path: Path, record: RunRecord, found: EvaluatedPotential | None) -> None:
        if found is not None and found.sets:
            results, details = result_sections(found.sets), detail_sections(found.sets)
        else:
            results, details = stored_sections(record.path / "errors.csv"), []
        if found is not None:
            details += dimer_sections(found.model, found.header, found.sets)
        panels = learning_panels(record.history) if record.history else []
        best = best_epoch(record.history) if record.history else None
        write_run_page(path, record, results, panels, best, details)

    number_names = ("structures", "quantity", "element", "unit")

    def numbers(self, errors: dict[str, PotentialErrors]) -> dict[tuple[str, ...], float]:
        """Root mean squared errors."""
        return {
            (name, f"{row.quantity} RMSE", row.element, row.unit): row.rmse
            for name, sums in errors.items()
            for row in sums.rows()
        }

    def error_rows(self, errors: dict[str, PotentialErrors]) -> dict[str, list[dict[str, Any]]]:
        return {name: [row._asdict() for row in sums.rows()] for name, sums in errors.items()}


def _some(train: GraphDataset) -> GraphDataset:
    """What is looked at after the training: all structures in memory, some of those that are not."""
    if isinstance(train, LazyDataset) and len(train) > _EVALUATED:
        return train.sample(_EVALUATED)
    return train


def _add_uncertainty(run: Run) -> None:
    """Write into the model file what it says of its uncertainty, and what it was trained on."""
    train, valid, path = _some(run.data.train), run.data.valid, run.output.model
    potential, header = load_potential(path, run.device)
    potential.requires_grad_(False)
    size = run.config.training.valid_batch_size
    evaluation = evaluate(potential, valid, size)
    errors = evaluation.energy - evaluation.energy_labels
    everything = run.data.train  # not a sample: a rare pair is one that was trained on
    trained = TrainedRange.of((everything[index] for index in range(len(everything))), everything.cutoff)
    metadata = header["metadata"] | {"trained_range": trained.as_metadata()}
    save_with_last_layer(path, potential, metadata, fit_last_layer(potential, train, valid, errors, size))


def _compiled(wanted: bool, max_time: float | None) -> str:
    """Whether the training step is, and if not paying, why."""
    if not wanted:
        return "no"
    if max_time is not None and max_time < _COMPILING_PAYS:
        return f"yes, which takes minutes and does not pay in {timedelta(seconds=max_time)}: set training.compile=false"
    return "yes, the first step takes minutes"


def _loss(config: LossConfig) -> str:
    """Its terms and stages."""
    parts = []
    for name, term in config.terms.items():
        if name in config.used:
            details = [] if term.function == "mse" else [term.function]
            details += [] if term.delta is None else [f"delta {term.delta:g}"]
            details += [f"{symbol} times {weight:g}" for symbol, weight in getattr(term, "elements", {}).items()]
            parts.append(f"{name} {term.weight:g}" + (f" ({', '.join(details)})" if details else ""))
    types = [f"{name} structures times {weight:g}" for name, weight in config.config_types.items()]
    stages = [
        f"from {'epoch ' if isinstance(stage.start, int) else ''}{stage.start:g} on "
        + ", ".join(f"{name} {weight:g}" for name, weight in stage.weights.items())
        for stage in config.stages
    ]
    return "; ".join([", ".join(parts), *types, *stages])


def _initial(config: Config, data: PotentialData, model: Potential) -> dict[str, str]:
    """What a training that starts from a model takes from it."""
    if not data.initial:
        return {}
    names = config.training.freeze  # a model that is only evaluated has no gradients at all
    frozen_ones = [
        tensor for key, tensor in model.network.named_parameters() if any(belongs(key, name) for name in names)
    ]
    num_frozen = sum(tensor.numel() for tensor in frozen_ones)
    frozen = f"; {num_frozen} parameters frozen ({', '.join(names)})" if num_frozen else ""
    replay = f"; {len(data.replay)} of the training structures replayed" if data.replay else ""
    return {"initial model": f"{data.initial}{frozen}{replay}"}


def _batches(config: Config, data: PotentialData) -> str:
    training = config.training
    if training.batch_edges is None:
        return f"{training.batch_size} structures"
    return f"at most {training.batch_edges} edges, {data.edges_per_step:.0f} on average"


def _labels(data: PotentialData) -> str:
    """How many of the training structures have which label: a part of them without forces should not go unnoticed."""
    counts = {name: data.train.table.num_labels(name) for name in LABELS}
    return (
        ", ".join(f"{name} {count} of {len(data.train)}" for name, count in counts.items() if count)
        + " training structures"
    )
