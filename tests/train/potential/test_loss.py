"""The loss against its formula in numpy and torch.nn.functional; missing labels do not count."""

import ase.build
import numpy as np
import pytest
import torch
from torch.nn import functional
from torch_geometric.data import Batch, Data

from eqgraph.datasets import AtomsDataset, Frame
from eqgraph.models import Prediction, build_potential
from eqgraph.train import Loss


def random_batch(num_atoms: list[int]) -> tuple[Prediction, Batch]:
    graphs = [
        Data(
            pos=torch.randn(n, 3, dtype=torch.float64),
            atomic_numbers=torch.randint(1, 4, (n,)),
            energy=torch.randn(1, dtype=torch.float64),
            forces=torch.randn(n, 3, dtype=torch.float64),
            stress=torch.randn(1, 3, 3, dtype=torch.float64),
            virial=torch.randn(1, 3, 3, dtype=torch.float64),
            dipole=torch.randn(1, 3, dtype=torch.float64),
        )
        for n in num_atoms
    ]
    total, count = sum(num_atoms), len(num_atoms)
    prediction = Prediction(
        energy=torch.randn(count, dtype=torch.float64, requires_grad=True),
        atomic_energies=torch.randn(total, dtype=torch.float64),
        forces=torch.randn(total, 3, dtype=torch.float64, requires_grad=True),
        stress=torch.randn(count, 3, 3, dtype=torch.float64, requires_grad=True),
        virial=torch.randn(count, 3, 3, dtype=torch.float64, requires_grad=True),
        dipole=torch.randn(count, 3, dtype=torch.float64, requires_grad=True),
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


FUNCTIONS = {
    "mse": functional.mse_loss,
    "mae": functional.l1_loss,
    "huber": lambda predicted, labels: functional.huber_loss(predicted, labels, delta=0.7),
}


def term(function: str, weight: float = 1.0, **others) -> dict:
    return {"weight": weight, "function": function, **({"delta": 0.7} if function == "huber" else {}), **others}


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("name", ["energy", "forces", "stress", "virial", "dipole"])
def test_each_property_with_each_function_against_torch(name, function):
    """Of the labels that there are, picked by hand."""
    sizes = [2, 3, 5]
    prediction, batch = random_batch(sizes)
    batch[name].view(-1)[1::3] = torch.nan
    loss = Loss(**{"energy": 0, "forces": 0, name: term(function, 2.5)})(prediction, batch)
    predicted, labels, known = getattr(prediction, name), batch[name], batch[name].isfinite()
    if name in ("energy", "virial"):
        atoms = torch.tensor(sizes).view(-1, *[1] * (labels.dim() - 1))
        predicted, labels = predicted / atoms, labels / atoms
    expected = 2.5 * FUNCTIONS[function](predicted[known], labels[known])
    torch.testing.assert_close(loss, expected)
    ours, theirs = (
        torch.autograd.grad(value, getattr(prediction, name), retain_graph=True)[0] for value in (loss, expected)
    )
    torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_weights_of_elements_and_structures(function):
    prediction, batch = random_batch([2, 3, 5])
    batch.weight = torch.tensor([2.0, 1.0, 0.0], dtype=torch.float64)
    batch.forces[3] = torch.nan
    elements = {"H": 0.5, "He": 0.0}
    loss = Loss(energy=0, forces=term(function, 3.0, elements=elements))(prediction, batch)
    of_element = {1: 0.5, 2: 0.0, 3: 1.0}
    parts, count = [], 0
    for atom, number in enumerate(batch.atomic_numbers.tolist()):
        weight = batch.weight[batch.batch[atom]] * of_element[number]
        if weight > 0 and atom != 3:
            parts.append(weight * 3 * FUNCTIONS[function](prediction.forces[atom], batch.forces[atom]))
            count += 3
    assert count > 0
    torch.testing.assert_close(loss, 3.0 * sum(parts) / count)
    loss.backward()
    assert (prediction.forces.grad[5:] == 0).all(), "the structure of weight zero"


def test_a_structure_of_weight_zero_is_not_there():
    prediction, batch = random_batch([2, 3, 5])
    batch.weight = torch.tensor([1.0, 0.0, 1.0], dtype=torch.float64)
    every = Loss(1.0, 1.0, 1.0, 1.0, 1.0)
    weighted = every(prediction, batch)
    del batch.weight
    for name in ("energy", "stress", "virial", "dipole"):
        batch[name][1] = torch.nan
    batch.forces[2:5] = torch.nan
    torch.testing.assert_close(weighted, every(prediction, batch))


def test_a_structure_of_weight_two_pulls_twice_as_hard_in_any_batch():
    """Also alone, where a mean over weights would cancel them."""
    prediction, batch = random_batch([4])
    one = Loss()(prediction, batch)
    batch.weight = torch.tensor([2.0], dtype=torch.float64)
    torch.testing.assert_close(Loss()(prediction, batch), 2 * one)


def test_stages_have_other_weights():
    prediction, batch = random_batch([2, 3])
    stages = [{"energy": 5.0, "forces": 0.0, "stress": 1.0, "virial": 0.0, "dipole": 0.0}]
    loss = Loss(1.0, 10.0, stages=stages)
    assert loss.derivatives == (True, True)
    torch.testing.assert_close(loss(prediction, batch, 0), Loss(1.0, 10.0)(prediction, batch))
    torch.testing.assert_close(loss(prediction, batch, 1), Loss(5.0, 0.0, 1.0)(prediction, batch))


def test_what_is_not_predicted_is_named():
    prediction, batch = random_batch([2])
    with pytest.raises(ValueError, match=r"Loss: expected a prediction of the dipole, got none\. Ask the potential"):
        Loss(dipole=1.0)(prediction._replace(dipole=None), batch)
    with pytest.raises(ValueError, match="Loss: expected at least one weight above zero, got none"):
        Loss(0.0, 0.0)


def test_everything_that_may_be_missing_in_one_batch():
    """Molecules and crystals, with and without labels: gradients of the weights are those of the formula, written out by hand."""
    rng = np.random.default_rng(0)
    crystal = ase.build.bulk("CuO", "rocksalt", a=4.2) * (2, 1, 1)
    crystal.rattle(0.1, seed=1)
    water = ase.build.molecule("H2O")

    def forces(atoms):
        return rng.normal(size=(len(atoms), 3))

    stress = np.diag([0.1, 0.2, 0.3])
    frames = [
        Frame(crystal, energy=-3.0, forces=forces(crystal), stress=stress),
        Frame(crystal, energy=-2.0),
        Frame(water, forces=forces(water)),
        Frame(water, energy=1.0, dipole=np.array([0.1, 0.2, 0.3]), weight=2.0),
        Frame(water),
        Frame(ase.Atoms("O"), energy=0.5),
    ]
    config = {"num_layers": 2, "num_features": 4, "radial_hidden": [8], "dipole": True}
    potential = build_potential("nequip", config, [1, 8, 29], 3.5, [0.0] * 3, [1.0] * 3, 6.0).double().train()
    dataset = AtomsDataset(frames, 3.5)
    batch = Batch.from_data_list(list(dataset))
    loss = Loss(1.0, term("huber", 2.0), 3.0, term("mae", 0.5), 4.0)(potential(batch, stress=True), batch)
    ours = torch.autograd.grad(loss, list(potential.parameters()), allow_unused=True, materialize_grads=True)

    def single(index):
        data = Batch.from_data_list([dataset[index]])
        return potential(data, stress=True), data, data.num_nodes

    energies, (first, data, n), (third, third_data, _), (fourth, *_) = [], single(0), single(2), single(3)
    for index, weight in ((0, 1), (1, 1), (3, 2), (5, 1)):
        prediction, labels, atoms = single(index)
        energies.append(weight * ((prediction.energy[0] - labels.energy[0]) / atoms) ** 2)
    predicted, labels = (torch.cat(parts) for parts in ((first.forces, third.forces), (data.forces, third_data.forces)))
    expected = (
        sum(energies) / 4
        + 2 * functional.huber_loss(predicted, labels, delta=0.7)
        + 3 * functional.mse_loss(first.stress, data.stress)
        + 0.5 * functional.l1_loss(first.virial / n, data.virial / n)
        + 4 * 2 * functional.mse_loss(fourth.dipole, torch.tensor([[0.1, 0.2, 0.3]], dtype=torch.float64))
    )
    torch.testing.assert_close(loss, expected)
    theirs = torch.autograd.grad(expected, list(potential.parameters()), allow_unused=True, materialize_grads=True)
    for mine, other in zip(ours, theirs, strict=True):
        assert mine.isfinite().all()
        torch.testing.assert_close(mine, other, rtol=1e-7, atol=1e-10)


@pytest.mark.parametrize("labels", [{"energy": 1.0}, {"forces": np.ones((3, 3))}, {}])
def test_a_batch_with_one_kind_of_label_has_finite_gradients(labels):
    """Down to a batch that has none, whose gradient is zero."""
    frames = [Frame(ase.build.molecule("H2O"), **labels)] * 2
    potential = build_potential(
        "nequip", {"num_layers": 1, "num_features": 2, "dipole": True}, [1, 8], 3.5, [0.0] * 2, [1.0] * 2, 2.0
    )
    potential.train()
    batch = Batch.from_data_list(list(AtomsDataset(frames, 3.5)))
    Loss(1.0, 1.0, 1.0, 1.0, 1.0)(potential(batch, stress=True), batch).backward()
    gradients = [parameter.grad for parameter in potential.parameters() if parameter.grad is not None]
    assert all(gradient.isfinite().all() for gradient in gradients)
    assert any(gradient.any() for gradient in gradients) == bool(labels)
