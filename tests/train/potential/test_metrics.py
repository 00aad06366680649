"""Errors over batches are those over everything at once."""

import math

import numpy as np
import pytest
import torch
from torch_geometric.data import Batch, Data

from eqgraph.models import Prediction
from eqgraph.train import ErrorSum, Loss, PotentialErrors
from eqgraph.train.potential.loss_config import LossConfig
from eqgraph.train.potential.loss_sums import LossSums


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
                virial=torch.full((1, 3, 3), -0.8 if index % 2 else math.nan, dtype=torch.float64),
                dipole=torch.full((1, 3), math.nan if index % 2 else 0.3, dtype=torch.float64),
                weight=torch.full((1,), 1.0 + index % 3, dtype=torch.float64),
            )
        )
    return graphs


def predict(batch: Batch) -> Prediction:
    """Something that depends on the structure alone."""
    energy = batch.batch.bincount().double() * 0.7
    forces = batch.atomic_numbers.double().unsqueeze(1) * torch.tensor([0.1, 0.2, 0.3], dtype=torch.float64)
    stress, virial, dipole = (torch.full_like(batch[name], 0.25) for name in ("stress", "virial", "dipole"))
    return Prediction(energy, forces[:, 0], forces, stress, virial, dipole)


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
        ("virial per atom", "all"): (prediction.virial - batch.virial).numpy() / num_atoms[:, None, None],
        ("dipole", "all"): (prediction.dipole - batch.dipole).numpy(),
    }
    assert set(rows) == set(expected)
    for key, error in expected.items():
        assert rows[key].mae == pytest.approx(1000 * np.nanmean(np.abs(error)), rel=1e-12)
        assert rows[key].rmse == pytest.approx(1000 * np.sqrt(np.nanmean(error**2)), rel=1e-12)
        assert rows[key].count == np.isfinite(error).sum()
    units = ["meV", "meV/atom", "meV/Å", "meV/Å", "meV/Å", "meV/Å³", "meV/atom", "me·Å"]
    assert [row.unit for row in rows.values()] == units


LOSSES = [
    {"energy": 2.0, "forces": 3.0, "stress": 4.0},
    {
        "energy": {"function": "mae"},
        "forces": {"weight": 3.0, "function": "huber", "delta": 0.3, "elements": {"O": 0.2}},
    },
    {
        "virial": 2.0,
        "dipole": {"function": "huber", "delta": 0.01},
        "stages": {"start": 0.5, "energy": 7.0, "forces": 0.0},
    },
]


@pytest.mark.parametrize("batch_size", [1, 2, 7])
@pytest.mark.parametrize("config", LOSSES)
def test_the_loss_over_batches_is_the_training_loss(graphs, config, batch_size):
    loss = Loss.of_config(LossConfig(**config))
    sums = LossSums(loss)
    for start in range(0, len(graphs), batch_size):
        part = Batch.from_data_list(graphs[start : start + batch_size])
        sums.update(predict(part), part)
    batch = Batch.from_data_list(graphs)
    for stage in range(1 + ("stages" in config)):
        expected = loss(predict(batch), batch, stage).item()
        assert expected > 0
        assert sums.value(stage) == pytest.approx(expected, rel=1e-12)


def test_errors_of_two_parts_together(graphs):
    together = ErrorSum()
    for part in (torch.tensor([1.0, -2.0]), torch.tensor([5.0])):
        errors = ErrorSum()
        errors.update(part, torch.zeros(len(part)))
        together.add(errors)
    assert (together.count, together.mae, together.mse) == (3, pytest.approx(8 / 3), 10.0)


def test_energies_alone(graphs):
    batch = Batch.from_data_list(graphs)
    errors = PotentialErrors()
    errors.update(predict(batch)._replace(forces=None, stress=None, virial=None, dipole=None), batch)
    assert {row.quantity for row in errors.rows()} == {"energy", "energy per atom"}
    assert math.isnan(errors.forces.rmse)


def test_prediction_that_is_no_number_is_not_hidden(graphs):
    batch = Batch.from_data_list(graphs)
    prediction = predict(batch)
    prediction.energy[0] = math.nan
    errors = PotentialErrors()
    errors.update(prediction, batch)
    assert math.isnan(errors.energy.rmse)
    sums = LossSums(Loss())
    sums.update(prediction, batch)
    assert math.isnan(sums.value())
