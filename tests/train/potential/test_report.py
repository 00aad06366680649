"""Pictures that show what they should, whatever labels there are."""

import dataclasses

import numpy as np
import pytest
import torch

from eqgraph.datasets import AtomsDataset, read_frames
from eqgraph.models import build_potential
from eqgraph.train import PotentialErrors, evaluate
from eqgraph.train.history import COLUMNS as SHARED
from eqgraph.train.potential.report import plot_learning_curve, plot_parity
from eqgraph.train.potential.tables import error_table, write_errors

COLUMNS = (
    *SHARED,
    "valid_energy_rmse_meV_per_atom",
    "valid_forces_rmse_meV_per_A",
    "valid_stress_rmse_meV_per_A3",
)


def test_a_quantity_without_a_finite_prediction_is_said(evaluation, tmp_path):
    evaluation = dataclasses.replace(evaluation, forces=np.full_like(evaluation.forces, np.nan))
    plot_parity(tmp_path / "parity.png", evaluation, "broken")
    assert (tmp_path / "parity.png").stat().st_size > 1000


@pytest.fixture
def evaluation(folder):
    config = {"num_layers": 1, "num_features": 4, "lmax": 1, "num_radial": 4, "radial_hidden": [8]}
    potential = build_potential("nequip", config, [1, 8], 4.0, [-13.0, -2040.0], [1.0, 1.0], 3.0)
    return evaluate(potential, AtomsDataset(read_frames(folder / "test.xyz"), 4.0))


def assert_picture(path):
    content = path.read_bytes()
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    assert len(content) > 10_000


def test_parity(evaluation, tmp_path):
    plot_parity(tmp_path / "parity.png", evaluation, "test")
    assert_picture(tmp_path / "parity.png")


def test_parity_of_energies_alone(evaluation, tmp_path):
    evaluation = dataclasses.replace(evaluation, forces_labels=np.full_like(evaluation.forces_labels, np.nan))
    plot_parity(tmp_path / "parity.png", evaluation, "test")
    assert_picture(tmp_path / "parity.png")


def panel_titles(monkeypatch, draw) -> list[str]:
    """Titles and labels of the axes of the figure that a function draws."""
    figures = []
    monkeypatch.setattr("eqgraph.train.potential.report.save_figure", lambda figure, path: figures.append(figure))
    draw()
    return [axis.get_title() or axis.get_ylabel() for axis in figures[0].axes]


def test_parity_of_stress_where_there_is_one(evaluation, monkeypatch):
    assert panel_titles(monkeypatch, lambda: plot_parity("", evaluation, "test"))[:2] == [
        "energy less isolated atoms",
        "force component",
    ]
    labels = np.full((5, 3, 3), np.nan)
    labels[1] = np.eye(3)
    errors = PotentialErrors()
    errors.stress.update(torch.zeros(5, 3, 3), torch.from_numpy(labels))
    stressed = dataclasses.replace(
        evaluation,
        stress=np.zeros((5, 3, 3)),
        stress_labels=labels,
        energy_labels=np.full(5, np.nan),
        forces_labels=np.full_like(evaluation.forces_labels, np.nan),
        errors=errors,
    )
    assert panel_titles(monkeypatch, lambda: plot_parity("", stressed, "test"))[:1] == ["stress component"]
    polar = dataclasses.replace(stressed, stress=None, dipole=np.zeros((5, 3)), dipole_labels=labels[:, 0])
    assert panel_titles(monkeypatch, lambda: plot_parity("", polar, "test"))[:1] == ["dipole component"]


def test_the_best_epoch_is_one_of_the_last_stage(monkeypatch):
    """Losses of earlier stages are other numbers."""
    marked = []
    draw = "eqgraph.train.potential.report.draw_learning_curve"
    monkeypatch.setattr(draw, lambda rows, panels, best: marked.append(best))
    monkeypatch.setattr("eqgraph.train.potential.report.save_figure", lambda *arguments: None)
    losses = [(1.0, 0), (0.5, 0), (9.0, 1), (8.0, 1), (8.5, 1)]
    rows = [dict.fromkeys(COLUMNS, 1.0) | {"epoch": i, "valid_loss": loss} for i, (loss, _) in enumerate(losses, 1)]
    plot_learning_curve("", rows)
    plot_learning_curve("", [row | {"loss_stage": stage} for row, (_, stage) in zip(rows, losses, strict=True)])
    assert marked == [2, 4]


def test_learning_curve_of_stress(monkeypatch):
    rows = [dict.fromkeys(COLUMNS, 1.0) | {"epoch": epoch} for epoch in (1, 2)]
    assert "stress RMSE (meV/Å³)" in panel_titles(monkeypatch, lambda: plot_learning_curve("", rows))
    rows = [row | {"valid_stress_rmse_meV_per_A3": np.nan} for row in rows]
    assert not any("stress" in title for title in panel_titles(monkeypatch, lambda: plot_learning_curve("", rows)))


def test_parity_of_nothing(evaluation, tmp_path):
    evaluation = dataclasses.replace(
        evaluation,
        forces_labels=np.full_like(evaluation.forces_labels, np.nan),
        energy_labels=np.full_like(evaluation.energy_labels, np.nan),
    )
    with pytest.raises(ValueError, match="expected energy, force, stress or dipole labels, 'test' has none"):
        plot_parity(tmp_path / "parity.png", evaluation, "test")
    assert not list(tmp_path.glob("*.png"))


@pytest.mark.parametrize("num_epochs", [1, 5, 300])
def test_learning_curve(tmp_path, num_epochs):
    rows = [dict.fromkeys(COLUMNS, 1.0 / epoch) | {"epoch": epoch} for epoch in range(1, num_epochs + 1)]
    plot_learning_curve(tmp_path / "curve.png", rows)
    assert_picture(tmp_path / "curve.png")


def test_learning_curve_without_forces_and_with_gaps(tmp_path):
    rows = [dict.fromkeys(COLUMNS, 1.0) | {"epoch": epoch, "valid_loss": np.nan} for epoch in (1, 2)]
    for row in rows:
        row["valid_forces_rmse_meV_per_A"] = np.nan
    plot_learning_curve(tmp_path / "curve.png", rows)
    assert_picture(tmp_path / "curve.png")


def test_tables(evaluation, tmp_path):
    errors = {"first": evaluation.errors, "second": evaluation.errors}
    assert error_table(errors).row_count == 2 * len(evaluation.errors.rows())
    write_errors(tmp_path / "errors.csv", errors)
    lines = (tmp_path / "errors.csv").read_text().splitlines()
    assert lines[0] == "structures,quantity,element,unit,mae,rmse,count"
    assert len(lines) == 1 + 2 * len(evaluation.errors.rows())
