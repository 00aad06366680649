"""Training a potential."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch

from eqgraph.datasets import LABELS, LazyDataset
from eqgraph.models import Potential, build_potential, load_potential, save_potential

from ..task import FitResult, Run, Task
from .check_data import check_data, describe_check
from .compiled_loss import why_not
from .config import Config
from .data import PotentialData
from .evaluate import Evaluation, evaluate
from .freeze import freeze
from .loss_config import LossConfig
from .metrics import PotentialErrors
from .module import PotentialModule
from .report import plot_learning_curve, plot_parity
from .tables import error_table, write_errors

_COMPILING_PAYS = 900.0
"""Seconds: one to three minutes of compiling against a quarter to a third of the time of the steps."""
_EVALUATED = 10_000
"""Training structures that are evaluated at the end, of those that are not in memory."""
UNITS = {"energy": "eV", "length": "Å", "forces": "eV/Å", "stress": "eV/Å³", "virial": "eV", "dipole": "e·Å"}


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

    def report(self, run: Run) -> FitResult:
        output, console = run.output, run.console
        potential, header = load_potential(output.model, run.device)
        potential.requires_grad_(False)
        evaluations: dict[str, Evaluation] = {}
        train = run.data.train
        if isinstance(train, LazyDataset) and len(train) > _EVALUATED:
            console.print(f"Errors of train are those of {_EVALUATED} of its {len(train)} structures, drawn at random.")
            train = train.sample(_EVALUATED)
        with console.status("Evaluating the model"):
            for name, dataset in {"train": train, "valid": run.data.valid, **run.data.test}.items():
                evaluations[name] = evaluate(potential, dataset, run.config.training.valid_batch_size)
        errors = {name: evaluation.errors for name, evaluation in evaluations.items()}
        console.print(error_table(errors))
        write_errors(output.errors, errors)
        plot_learning_curve(output.learning_curve, run.history)
        for name, evaluation in evaluations.items():
            plot_parity(output.picture("parity", name), evaluation, name)
        epoch = header["metadata"]["validation"]["epoch"]
        kept = "Best" if run.config.training.keep == "best_valid" else "Final"
        plots = [output.learning_curve, *(output.picture("parity", name) for name in evaluations)]
        for what, paths in (
            (f"{kept} model (epoch {epoch})", [output.model]),
            ("Tables", [output.history, output.errors]),
            ("Plots", plots),
        ):
            console.print(f"{what}: {', '.join(map(str, paths))}", soft_wrap=True, highlight=False, markup=False)
        return FitResult(output.path, output.model, errors, run.history)

    number_names = ("structures", "quantity", "element", "unit")

    def numbers(self, errors: dict[str, PotentialErrors]) -> dict[tuple[str, ...], float]:
        """Root mean squared errors."""
        return {
            (name, f"{row.quantity} RMSE", row.element, row.unit): row.rmse
            for name, sums in errors.items()
            for row in sums.rows()
        }


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
    num_frozen = sum(parameter.numel() for parameter in model.parameters() if not parameter.requires_grad)
    frozen = f"; {num_frozen} parameters frozen ({', '.join(config.training.freeze)})" if num_frozen else ""
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
