"""Training a classifier of point clouds, or a segmenter of their points."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from eqgraph.models import build_classifier, build_segmenter, load_classifier, save_classifier

from ..html_report import write_report
from ..task import FitResult, Run, Task
from .config import PointsConfig
from .data import PointsData
from .evaluate import PointsEvaluation, evaluate_points
from .module import PointsModule
from .report import plot_confusion, plot_per_class, plot_points_learning_curve
from .scores import ClassScores
from .tables import class_table, confusion_table, score_table, write_scores


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

    def report(self, run: Run) -> FitResult:
        config, data, output, console = run.config, run.data, run.output, run.console
        model, header = load_classifier(output.model, run.device)
        epoch = header["metadata"]["validation"]["epoch"]
        sets = {"valid": data.valid_as_read, **data.test}
        sets = {name: clouds for name, clouds in sets.items() if clouds is not None} or {"train": data.train}
        evaluations: dict[str, PointsEvaluation] = {}
        with console.status("Evaluating the model"):
            for name, clouds in sets.items():
                draws = (data.drawn(clouds, vote) for vote in range(config.training.votes))
                evaluations[name] = evaluate_points(model, draws, data.new_scores(), config.training.valid_batch_size)
        scores = {name: evaluation.scores for name, evaluation in evaluations.items()}
        tables = [score_table(scores), class_table(scores, data.classes)]
        for table in tables:
            console.print(table.rich())
        write_scores(output.scores, scores, data.classes)
        plot_points_learning_curve(output.learning_curve, run.history)
        plot_per_class(output.per_class, scores, data.classes)
        for name, sums in scores.items():
            plot_confusion(output.picture("confusion", name), sums, data.classes, name)
        figures = [
            *((f"Confusion of {name}", output.picture("confusion", name)) for name in scores),
            ("Classes", output.per_class),
            ("Learning curve", output.learning_curve),
        ]
        write_report(
            output.report,
            f"{config.task.capitalize()}: {output.path.name}",
            run.choices | {"kept": f"{run.choices['kept']} (epoch {epoch})"},
            [*tables, *(confusion_table(sums, data.classes, name) for name, sums in scores.items())],
            figures,
            output.config.read_text(encoding="utf-8"),
        )
        for what, paths in (
            (f"Model (epoch {epoch})", [output.model]),
            ("Tables", [output.history, output.scores]),
            ("Plots", [path for _, path in figures]),
            ("Report", [output.report]),
        ):
            console.print(f"{what}: {', '.join(map(str, paths))}", soft_wrap=True, highlight=False, markup=False)
        return FitResult(output.path, output.model, scores, run.history)

    def numbers(self, errors: dict[str, ClassScores]) -> dict[tuple[str, ...], float]:
        return {(name, quantity): value for name, sums in errors.items() for quantity, value in sums.rows()}

    def error_rows(self, errors: dict[str, ClassScores]) -> dict[str, list[dict[str, Any]]]:
        return {
            name: [{"quantity": quantity, "value": value, "count": sums.count} for quantity, value in sums.rows()]
            for name, sums in errors.items()
        }
