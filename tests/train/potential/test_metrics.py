"""Errors over batches are those over everything at once."""

import math

import numpy as np
import pytest
import torch
from torch_geometric.data import Batch, Data

from eqgraph.models import Prediction
from eqgraph.train import Loss, PotentialErrors
from eqgraph.train.potential.config import LossConfig


@pytest.fixture
def graphs() -> list[Data]:
    """Seven structures; the third has no energy, the fifth no forces, one of two has stress."""
    graphs = []
    for index, num_atoms in enumerate((2, 3, 4, 2, 5, 3, 2)):
        forces = torch.randn(num_atoms, 3, dtype=torch.float64)
        graphs.append(
            Data(
                pos=torch.zeros(num_atoms, 3),
                atomic_numbers=torch.randint(1, 3, (num_atoms,)) * 4,
                energy=torch.full((1,), math.nan if index == 2 else 1.0 + index, dtype=torch.float64),
                forces=forces * math.nan if index == 4 else forces,
                stress=torch.full((1, 3, 3), 0.1 if index % 2 else math.nan, dtype=torch.float64),
            )
        )
    return graphs


def predict(batch: Batch) -> Prediction:
    """Something that depends on the structure alone."""
    energy = batch.batch.bincount().double() * 0.7
    forces = batch.atomic_numbers.double().unsqueeze(1) * torch.tensor([0.1, 0.2, 0.3], dtype=torch.float64)
    return Prediction(energy, forces[:, 0], forces, torch.full_like(batch.stress, 0.25))


def accumulate(graphs: list[Data], batch_size: int) -> PotentialErrors:
    errors = PotentialErrors()
    for start in range(0, len(graphs), batch_size):
        batch = Batch.from_data_list(graphs[start : start + batch_size])
        errors.update(predict(batch), batch)
    return errors


@pytest.mark.parametrize("batch_size", [1, 2, 3, 7])
def test_batches_against_numpy(graphs, batch_size):
    rows = {(row.quantity, row.element): row for row in accumulate(graphs, batch_size).rows()}
    batch = Batch.from_data_list(graphs)
    prediction = predict(batch)
    num_atoms = batch.batch.bincount().numpy()
    energy = (prediction.energy - batch.energy).numpy()
    forces = (prediction.forces - batch.forces).numpy()
    expected = {
        ("energy", "all"): energy,
        ("energy per atom", "all"): energy / num_atoms,
        ("forces", "all"): forces,
        ("forces", "Be"): forces[batch.atomic_numbers == 4],
        ("forces", "O"): forces[batch.atomic_numbers == 8],
        ("stress", "all"): (prediction.stress - batch.stress).numpy(),
    }
    assert set(rows) == set(expected)
    for key, error in expected.items():
        assert rows[key].mae == pytest.approx(1000 * np.nanmean(np.abs(error)), rel=1e-12)
        assert rows[key].rmse == pytest.approx(1000 * np.sqrt(np.nanmean(error**2)), rel=1e-12)
        assert rows[key].count == np.isfinite(error).sum()
    assert [row.unit for row in rows.values()] == ["meV", "meV/atom", "meV/Å", "meV/Å", "meV/Å", "meV/Å³"]


def test_loss_of_the_sums_is_the_training_loss(graphs):
    weights = LossConfig(energy=2.0, forces=3.0, stress=4.0)
    batch = Batch.from_data_list(graphs)
    expected = Loss(2.0, 3.0, 4.0)(predict(batch), batch).item()
    assert accumulate(graphs, 2).loss(weights) == pytest.approx(expected, rel=1e-12)


def test_energies_alone(graphs):
    batch = Batch.from_data_list(graphs)
    errors = PotentialErrors()
    errors.update(predict(batch)._replace(forces=None, stress=None), batch)
    assert {row.quantity for row in errors.rows()} == {"energy", "energy per atom"}
    assert math.isnan(errors.forces.rmse)


def test_prediction_that_is_no_number_is_not_hidden(graphs):
    batch = Batch.from_data_list(graphs)
    prediction = predict(batch)
    prediction.energy[0] = math.nan
    errors = PotentialErrors()
    errors.update(prediction, batch)
    assert math.isnan(errors.energy.rmse)
    assert math.isnan(errors.loss(LossConfig()))
