"""More elements for a trained potential: nothing changes for the old ones, and the new ones can be predicted and learned."""

import pytest
import torch
from ase import Atoms
from ase.build import molecule

from eqgraph.graph import from_ase
from eqgraph.models import MODELS, build_potential, extend_species, load_potential, save_potential


def trained(architecture: str = "nequip"):
    torch.manual_seed(3)
    config = {"num_layers": 2, "num_features": 4}
    potential = build_potential(architecture, config, [1, 8], 4.0, [-13.0, -2000.0], [0.7, 0.9], 5.0)
    return potential.double().eval()


@pytest.mark.parametrize("architecture", MODELS)
def test_old_elements_keep_their_energies_and_forces(architecture):
    before = trained(architecture)
    after = extend_species(before, {6: -1000.0, 9: -2700.0})
    assert after.species.tolist() == [1, 6, 8, 9]
    assert after.shifts.tolist() == [-13.0, -1000.0, -2000.0, -2700.0]
    assert torch.allclose(after.scales, torch.tensor([0.7, 0.8, 0.9, 0.8], dtype=torch.float64))
    water = from_ase(molecule("H2O"), 4.0)
    for old, new in zip(before(water, stress=False), after(water, stress=False), strict=True):
        assert old is new is None or torch.equal(old, new)


@pytest.mark.parametrize("architecture", MODELS)
def test_new_elements_have_energies_that_depend_on_positions_and_weights_that_learn(architecture, tmp_path):
    potential = extend_species(trained(architecture), {6: -1000.0}).train()
    near, far = (from_ase(Atoms("CO", [[0, 0, 0], [0, 0, z]]), 4.0) for z in (1.1, 1.6))
    energies = [potential(data).energy for data in (near, far)]
    assert abs(energies[0] - energies[1]) > 1e-4
    energies[0].backward()
    changed = {
        name for name, p in potential.network.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0
    }
    assert any("embedding" in name for name in changed)
    save_potential(tmp_path / "model.eqg", potential)
    again, header = load_potential(tmp_path / "model.eqg")
    assert header["species"] == [1, 6, 8]
    assert torch.equal(again(near).energy, potential.eval()(near).energy)


def test_the_potential_itself_stays_as_it_is():
    potential = trained()
    state = {name: tensor.clone() for name, tensor in potential.state_dict().items()}
    extend_species(potential, {6: 0.0}).network.embedding.weight.data.zero_()
    assert all(torch.equal(tensor, state[name]) for name, tensor in potential.state_dict().items())


@pytest.mark.parametrize("number", [1, 0, 200])
def test_elements_that_cannot_be_added(number):
    with pytest.raises(ValueError, match=r"expected atomic numbers that the potential does not know .*got"):
        extend_species(trained(), {number: 0.0})
