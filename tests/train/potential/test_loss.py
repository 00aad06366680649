"""The loss against its formula in numpy; missing labels do not count."""

import numpy as np
import pytest
import torch
from torch_geometric.data import Batch, Data

from eqgraph.models import Prediction
from eqgraph.train import Loss


def random_batch(num_atoms: list[int]) -> tuple[Prediction, Batch]:
    graphs = [
        Data(
            pos=torch.randn(n, 3, dtype=torch.float64),
            atomic_numbers=torch.randint(1, 4, (n,)),
            energy=torch.randn(1, dtype=torch.float64),
            forces=torch.randn(n, 3, dtype=torch.float64),
            stress=torch.randn(1, 3, 3, dtype=torch.float64),
        )
        for n in num_atoms
    ]
    total, count = sum(num_atoms), len(num_atoms)
    prediction = Prediction(
        energy=torch.randn(count, dtype=torch.float64, requires_grad=True),
        atomic_energies=torch.randn(total, dtype=torch.float64),
        forces=torch.randn(total, 3, dtype=torch.float64, requires_grad=True),
        stress=torch.randn(count, 3, 3, dtype=torch.float64, requires_grad=True),
    )
    return prediction, Batch.from_data_list(graphs)


def test_formula():
    prediction, batch = random_batch([2, 3, 5])
    loss = Loss(energy=2.0, forces=3.0, stress=5.0)(prediction, batch)
    energy, forces, stress = (t.detach().numpy() for t in (prediction.energy, prediction.forces, prediction.stress))
    expected = (
        2 * np.mean(((energy - batch.energy.numpy()) / [2, 3, 5]) ** 2)
        + 3 * np.mean((forces - batch.forces.numpy()) ** 2)
        + 5 * np.mean((stress - batch.stress.numpy()) ** 2)
    )
    assert loss.item() == pytest.approx(expected, rel=1e-12)


def test_missing_labels_do_not_dilute():
    """A structure without labels changes nothing, neither value nor gradient."""
    prediction, batch = random_batch([2, 3, 5])
    batch.energy[1] = torch.nan
    batch.forces[2:5] = torch.nan
    batch.stress[1] = torch.nan
    loss = Loss(1.0, 1.0, 1.0)(prediction, batch)
    loss.backward()
    atoms = [0, 1, 5, 6, 7, 8, 9]
    expected = (
        (((prediction.energy - batch.energy) / torch.tensor([2, 3, 5]))[[0, 2]] ** 2).mean()
        + ((prediction.forces - batch.forces)[atoms] ** 2).mean()
        + ((prediction.stress - batch.stress)[[0, 2]] ** 2).mean()
    )
    torch.testing.assert_close(loss, expected)
    assert prediction.energy.grad[1] == 0
    assert (prediction.forces.grad[2:5] == 0).all()
    assert prediction.forces.grad.isfinite().all()


def test_no_labels_at_all():
    prediction, batch = random_batch([2])
    for labels in (batch.energy, batch.forces, batch.stress):
        labels[:] = torch.nan
    assert Loss(1.0, 1.0, 1.0)(prediction, batch).item() == 0.0


def test_prediction_that_is_no_number_is_not_hidden():
    prediction, batch = random_batch([2])
    assert Loss()(prediction._replace(energy=prediction.energy * torch.nan), batch).isnan()


def test_zero_weight_needs_no_prediction():
    prediction, batch = random_batch([2])
    assert Loss(1.0, 0.0, 0.0)(prediction._replace(forces=None, stress=None), batch).isfinite()


def test_a_prediction_that_is_no_number_where_there_is_no_label_does_not_count():
    """Molecules have no stress: neither label nor prediction."""
    prediction, batch = random_batch([2, 3])
    stress = prediction.stress.detach().clone()
    stress[0] = torch.nan
    batch.stress[0] = torch.nan
    stress.requires_grad_()
    loss = Loss(0.0, 0.0, 1.0)(prediction._replace(stress=stress), batch)
    loss.backward()
    torch.testing.assert_close(loss, ((stress - batch.stress)[1] ** 2).mean())
    assert (stress.grad[0] == 0).all()
    assert stress.grad.isfinite().all()
