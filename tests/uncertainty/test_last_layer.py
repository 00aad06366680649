"""The uncertainty of the last layer against Bayesian linear regression, autograd and known noise."""

import numpy as np
import pytest
import torch
from squares import dataset, squares, tiny
from torch_geometric.data import Batch

from eqgraph.graph import from_ase
from eqgraph.models import Potential, load_potential, save_potential
from eqgraph.o3 import rand_matrix
from eqgraph.uncertainty import (
    LastLayerPotential,
    LastLayerUncertainty,
    energy_features,
    fit_last_layer,
    fit_to_features,
    last_layer_of,
    save_with_last_layer,
)


def test_variance_is_that_of_bayesian_linear_regression():
    """The same posterior in function space, where it needs no inverse of C: k - kᵀ (K + noise)⁻¹ k."""
    rng = np.random.default_rng(0)
    num_atoms = rng.integers(2, 9, size=30)
    train, test = rng.normal(size=(30, 6)), rng.normal(size=(5, 6))
    factor, regularization = 0.3, 0.7
    per_atom = train / num_atoms[:, None]
    prior = factor**2 / regularization  # variance of each weight
    kernel = prior * train @ train.T + np.diag((factor * num_atoms) ** 2)  # noise of energies: α per atom
    cross = prior * test @ train.T
    expected = prior * np.square(test).sum(1) - np.einsum("ij,jk,ik->i", cross, np.linalg.inv(kernel), cross)
    found = LastLayerUncertainty(torch.from_numpy(per_atom.T @ per_atom), regularization, factor)
    np.testing.assert_allclose(found.variance(torch.from_numpy(test)).numpy(), expected, rtol=1e-9)


def test_calibration_finds_the_noise_that_was_put_in():
    rng = np.random.default_rng(0)
    train, valid = rng.normal(size=(200, 5)), rng.normal(size=(20000, 5))
    noise, regularization = 0.02, 1e-3
    true = LastLayerUncertainty(torch.from_numpy(train.T @ train), regularization, noise)
    errors = true.variance(torch.from_numpy(valid)).sqrt().numpy() * rng.normal(size=len(valid))
    found = fit_to_features(train, valid, errors)
    variance = found.variance(torch.from_numpy(valid)).numpy()
    np.testing.assert_allclose(variance, true.variance(torch.from_numpy(valid)).numpy(), rtol=0.05)


def test_regularization_is_chosen_by_validation():
    """Training structures that span one direction alone: how much the others vary, only validation can say."""
    rng = np.random.default_rng(0)
    train = rng.normal(size=(50, 3)) * [1.0, 1.0, 1e-4]
    valid = rng.normal(size=(500, 3)) * [1.0, 1.0, 1.0]
    truth = LastLayerUncertainty(torch.from_numpy(train.T @ train), 1e-2, 0.1)
    errors = truth.variance(torch.from_numpy(valid)).sqrt().numpy() * rng.normal(size=500)
    found = fit_to_features(train, valid, errors)
    assert 3e-3 < found.regularization < 3e-2


@pytest.mark.parametrize("architecture", ["nequip", "se3_transformer", "tensor_field_network"])
@pytest.mark.parametrize("dipole", [False, True])
def test_features_are_derivatives_with_respect_to_the_last_weights(architecture, dipole):
    potential = tiny(architecture, dipole=dipole).double()
    data = Batch.from_data_list([from_ase(atoms, 4.0) for atoms in squares(3)])
    features, batch = energy_features(potential, data)
    weight = potential.network.readout.weight
    potential.train()
    energies = potential(data, forces=False).energy
    for graph in range(3):
        (gradient,) = torch.autograd.grad(energies[graph], weight, retain_graph=True)
        sums = features[batch == graph].sum(0)
        gradient = gradient.flatten()[: len(sums)]
        ratio = gradient / sums
        torch.testing.assert_close(ratio, ratio[0].expand_as(ratio), rtol=1e-6, atol=1e-9)
        assert gradient.abs().min() > 0


def test_uncertainty_does_not_change_with_the_frame_of_reference():
    potential = tiny().double()
    last_layer = fit_last_layer(potential, dataset(squares(20)), dataset(squares(5, seed=1)), np.ones(5))
    atoms = squares(1, seed=2)[0]
    turned = atoms.copy()
    turned.positions = atoms.positions @ -rand_matrix(dtype=torch.float64).numpy() + 100.0
    turned = turned[[2, 0, 3, 1]]
    found = [last_layer.estimate(potential, from_ase(each, 4.0)) for each in (atoms, turned)]
    torch.testing.assert_close(found[0].energy, found[1].energy, rtol=1e-9, atol=0)
    torch.testing.assert_close(found[0].atomic_energies[[2, 0, 3, 1]], found[1].atomic_energies, rtol=1e-9, atol=0)


def test_a_batch_is_its_structures_and_the_prediction_stays():
    potential = tiny()
    last_layer = fit_last_layer(potential, dataset(squares(20)), dataset(squares(5, seed=1)), np.ones(5))
    model = LastLayerPotential(potential, last_layer).eval()
    graphs = [from_ase(atoms, 4.0) for atoms in squares(3, seed=3)]
    prediction, together = model.predict(Batch.from_data_list(graphs))
    single = [last_layer.estimate(potential, graph) for graph in graphs]
    torch.testing.assert_close(together.energy, torch.cat([each.energy for each in single]), rtol=1e-4, atol=0)
    assert together.atomic_energies.shape == (12,)
    assert together.forces is None
    assert together.energy.dtype == torch.float64
    assert not together.energy.requires_grad
    assert torch.equal(prediction.forces, potential(Batch.from_data_list(graphs)).forces)


def test_what_is_unlike_the_training_is_less_certain():
    potential = tiny()
    last_layer = fit_last_layer(potential, dataset(squares(20)), dataset(squares(5, seed=1)), np.ones(5))
    like = last_layer.estimate(potential, Batch.from_data_list([from_ase(a, 4.0) for a in squares(10, seed=5)]))
    unlike = last_layer.estimate(
        potential, Batch.from_data_list([from_ase(a, 4.0) for a in squares(10, seed=5, shake=0.3)])
    )
    assert unlike.energy.mean() > 1.3 * like.energy.mean()


def test_without_errors_in_validation_there_is_no_uncertainty():
    features = np.eye(3)
    assert fit_to_features(features, features, np.full(3, np.nan)) is None
    assert fit_to_features(features, features, np.zeros(3)) is None


def test_it_travels_in_the_model_file(tmp_path):
    potential = tiny()
    last_layer = fit_last_layer(potential, dataset(squares(20)), dataset(squares(5, seed=1)), np.ones(5))
    save_with_last_layer(tmp_path / "a.eqg", potential, {"note": 1}, last_layer)
    read, header = load_potential(tmp_path / "a.eqg")
    assert header["metadata"] == {"note": 1}
    assert all(torch.equal(read.state_dict()[name], tensor) for name, tensor in potential.state_dict().items())
    again = last_layer_of(tmp_path / "a.eqg")
    graph = from_ase(squares(1)[0], 4.0)
    assert torch.equal(again.estimate(read, graph).energy, last_layer.estimate(potential, graph).energy)
    content = bytearray((tmp_path / "a.eqg").read_bytes())
    place = bytes(content).rindex(last_layer.covariance.numpy().tobytes())
    content[place] ^= 0xFF
    (tmp_path / "a.eqg").write_bytes(content)
    with pytest.raises(ValueError, match="the file is damaged"):
        load_potential(tmp_path / "a.eqg")


def test_files_without_it_load_and_say_so(tmp_path):
    save_potential(tmp_path / "old.eqg", tiny())
    model = LastLayerPotential.load(tmp_path / "old.eqg")
    assert last_layer_of(tmp_path / "old.eqg") is None
    assert not model.has_uncertainty
    assert model.trained_range is None
    assert model.predict(from_ase(squares(1)[0], 4.0))[1] is None


def test_errors(tmp_path):
    with pytest.raises(ValueError, match=r"expected a finite square covariance, got shape \(2, 3\)"):
        LastLayerUncertainty(torch.zeros(2, 3), 1.0, 1.0)
    with pytest.raises(ValueError, match="expected a positive regularization and factor, got 0 and 1"):
        LastLayerUncertainty(torch.eye(2), 0.0, 1.0)
    with pytest.raises(ValueError, match="expected tensors covariance, regularization, factor, got none called factor"):
        LastLayerUncertainty.of_tensors({"covariance": torch.eye(2), "regularization": torch.tensor(1.0)})
    with pytest.raises(ValueError, match="with 2 features, got one with 4"):
        LastLayerUncertainty(torch.eye(2), 1.0, 1.0).estimate(tiny(), from_ase(squares(1)[0], 4.0))
    other = Potential(torch.nn.Linear(1, 1), [1, 8], 4.0, [0.0, 0.0], [1.0, 1.0])
    with pytest.raises(ValueError, match="expected a network with encode and irreps_out, got Linear"):
        energy_features(other, from_ase(squares(1)[0], 4.0))
