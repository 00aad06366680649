"""Training a classifier of point clouds, or a segmenter of their points."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from rich.console import Console

from eqgraph.models import build_classifier, build_segmenter, load_classifier, save_classifier

from ..complete_card import complete_card
from ..run_page import RunRecord, write_run_page
from ..task import FitResult, Run, Task
from .config import PointsConfig
from .confused_clouds import EvaluatedClouds
from .data import PointsData
from .evaluate import evaluate_points
from .module import PointsModule
from .report import plot_confusion, plot_per_class, plot_points_learning_curve, points_panels
from .run_sections import detail_sections, result_sections, stored_sections
from .scores import ClassScores
from .tables import class_table, score_table, write_scores


class EvaluatedModel(NamedTuple):
    """A classifier or segmenter and what it predicts."""

    model: torch.nn.Module
    header: dict[str, Any]
    sets: list[EvaluatedClouds]


class PointsTask(Task):
    """Classes of clouds or of points; the model of the final epoch is kept unless one says otherwise."""

    config_class = PointsConfig
    number_names = ("set", "quantity")

    def check(self, config: PointsConfig) -> None:
        needs = {
            "schedule.name: plateau": config.schedule.name == "plateau",
            "training.early_stopping": config.training.early_stopping is not None,
            "training.keep: best_valid": config.training.keep == "best_valid",
        }
        if config.data.valid is None and (found := [name for name, is_set in needs.items() if is_set]):
            raise ValueError(
                f"data.valid: expected validation clouds for {', '.join(found)}, came null. Set data.valid: a path, a number or a "
                "fraction of clouds to hold out; or use the cosine schedule and keep the final model."
            )
        if config.training.votes > 1 and (config.task == "segmentation" or config.data.num_points is None):
            raise ValueError(
                f"training.votes: expected 1 unless data.num_points of the points of clouds are drawn to classify them, came "
                f"{config.training.votes} (task {config.task}, data.num_points {config.data.num_points}). Set training.votes: 1."
            )

    def read(self, config: PointsConfig) -> PointsData:
        return PointsData(config)

    def build(self, config: PointsConfig, data: PointsData) -> torch.nn.Module:
        build = build_segmenter if data.per_point else build_classifier
        model = build(config.model.architecture, config.model.network, len(data.classes), data.irreps)
        return model.to(getattr(torch, config.training.dtype))

    def module(
        self,
        config: PointsConfig,
        data: PointsData,
        model: torch.nn.Module,
        max_steps: int,
        time_progress: Callable[[], float],
    ) -> PointsModule:
        weights = None
        if config.loss.class_weights == "balanced":
            counts = data.class_counts()
            weights = (counts.sum() / (len(counts) * counts)).to(getattr(torch, config.training.dtype))
        loss = config.loss.label_smoothing, weights
        return PointsModule(model, *loss, data.new_scores, config.optimizer, config.schedule, max_steps, time_progress)

    def choices(self, config: PointsConfig, data: PointsData, model: torch.nn.Module) -> dict[str, str]:
        num_parameters = sum(parameter.numel() for parameter in model.parameters())
        valid = "no" if data.valid is None else str(len(data.valid))
        tests = "".join(f", {len(clouds)} test ({name})" for name, clouds in data.test.items())
        sizes = data.train.num_points
        low, high = int(sizes.min()), int(sizes.max())
        there = str(low) if low == high else f"{low} to {high}"
        drawn = f"{config.data.num_points} of {there}, drawn in every epoch" if config.data.num_points else there
        changes = {
            "protocol": config.data.protocol,
            "size": config.data.normalize,
            "jitter": config.data.jitter,
            "scale": config.data.scale,
            "dropout": config.data.point_dropout,
        }
        weights = f", {config.loss.class_weights} classes" if config.loss.class_weights else ""
        return {
            "task": config.task,
            "model": f"{config.model.architecture}, {num_parameters} parameters",
            "clouds": f"{len(data.train)} training, {valid} validation{tests}",
            "classes": f"{len(data.classes)}: {', '.join(data.classes)}",
            "points": f"{drawn}, {f'features {data.irreps}' if data.irreps else 'no features'}",
            "changes": ", ".join(f"{name} {value}" for name, value in changes.items() if value) or "none",
            "loss": f"cross entropy, label smoothing {config.loss.label_smoothing:g}{weights}",
            "kept": "the model of the final epoch"
            if config.training.keep == "final"
            else "the best model in validation",
            "dtype": config.training.dtype,
        }

    def metadata(self, config: PointsConfig, data: PointsData) -> dict[str, Any]:
        return {
            "data_hash": data.hash,
            "classes": data.classes,
            "categories": data.train.categories,
            "parts": data.parts,
        }

    def save(self, path: Path, model: torch.nn.Module, metadata: dict[str, Any]) -> None:
        save_classifier(path, model, metadata["classes"], metadata)

    def check_model(self, data: PointsData | None, header: dict[str, Any]) -> None:
        if data is not None and list(data.classes) != list(header["classes"]):
            raise ValueError(
                f"Expected the classes of the model ({', '.join(header['classes'])}), came {', '.join(data.classes)}. Restore the data."
            )

    def evaluate(
        self, config: PointsConfig | None, data: PointsData | None, model: Path, device: torch.device, console: Console
    ) -> EvaluatedModel:
        network, header = load_classifier(model, device)
        if data is None:
            return EvaluatedModel(network, header, [])
        sets = {"valid": data.valid_as_read, **data.test}
        sets = {name: clouds for name, clouds in sets.items() if clouds is not None} or {"train": data.train}
        votes, size = config.training.votes, config.training.valid_batch_size
        found = []
        with console.status("Evaluating the model"):
            for name, clouds in sets.items():
                draws = [data.drawn(clouds, vote) for vote in range(votes)]
                evaluation = evaluate_points(network, draws, data.new_scores(), size)
                found.append(EvaluatedClouds(name, draws[0] if data.per_point else clouds, evaluation))
        return EvaluatedModel(network, header, found)

    def report(self, run: Run) -> FitResult:
        data, output, console = run.data, run.output, run.console
        found = self.evaluate(run.config, data, output.model, run.device, console)
        epoch = found.header["metadata"]["validation"]["epoch"]
        scores = {each.name: each.evaluation.scores for each in found.sets}
        for table in (score_table(scores), class_table(scores, data.classes)):
            console.print(table.rich())
        write_scores(output.scores, scores, data.classes)
        plot_points_learning_curve(output.learning_curve, run.history)
        plot_per_class(output.per_class, scores, data.classes)
        for name, sums in scores.items():
            plot_confusion(output.picture("confusion", name), sums, data.classes, name)
        complete_card(output.model, self.error_rows(scores), run.history)
        self.write_page(output.report, run.record(found.header), found)
        plots = [*(output.picture("confusion", name) for name in scores), output.per_class, output.learning_curve]
        for what, paths in (
            (f"Model (epoch {epoch})", [output.model]),
            ("Tables", [output.history, output.scores]),
            ("Plots", plots),
            ("Report", [output.report]),
        ):
            console.print(f"{what}: {', '.join(map(str, paths))}", soft_wrap=True, highlight=False, markup=False)
        return FitResult(output.path, output.model, scores, run.history)

    def write_page(self, path: Path, record: RunRecord, found: EvaluatedModel | None) -> None:
        if found is not None and found.sets:
            classes = found.header["classes"]
            results, details = result_sections(found.sets, classes), detail_sections(found.sets, classes)
        else:
            results, details = stored_sections(record.path / "scores.csv"), []
        panels = points_panels(record.history) if record.history else []
        write_run_page(path, record, results, panels, None, details)

    def numbers(self, errors: dict[str, ClassScores]) -> dict[tuple[str, ...], float]:
        return {(name, quantity): value for name, sums in errors.items() for quantity, value in sums.rows()}

    def error_rows(self, errors: dict[str, ClassScores]) -> dict[str, list[dict[str, Any]]]:
        return {
            name: [{"quantity": quantity, "value": value, "count": sums.count} for quantity, value in sums.rows()]
            for name, sums in errors.items()
        }
