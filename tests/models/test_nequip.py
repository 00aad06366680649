"""What makes NequIP cheap, and that it changes no number."""

import torch
from ase.build import bulk, molecule
from torch_geometric.data import Batch

from eqgraph.graph import from_ase
from eqgraph.models import NequIP, NequIPConfig, build_potential
from eqgraph.ops import Edges

CUTOFF = 4.0


def potential(**config):
    torch.manual_seed(0)
    return build_potential("nequip", {"num_features": 4, **config}, [1, 6, 8], CUTOFF, [0.0] * 3, [1.0] * 3, 6.0)


def batch() -> Batch:
    carbon = bulk("C", cubic=True)
    carbon.rattle(0.1)
    return Batch.from_data_list([from_ase(molecule("CH3CH2OH"), CUTOFF), from_ase(carbon, CUTOFF)])


def test_only_paths_that_reach_the_readout_are_there():
    network = NequIP(NequIPConfig(num_layers=4, num_features=4, lmax=2), 3, CUTOFF, 6.0)
    tables = [layer.conv.table for layer in network.layers]
    assert [len(table.paths) for table in tables] == [3, 11, 11, 3]
    assert [block.l for block in tables[0].blocks] == [0]  # species are scalars
    assert [block.l for block in tables[-1].out_blocks] == [0]  # and so are energies


def test_an_edge_and_its_reverse_share_radial_features():
    model, data, rows = potential(), batch(), []
    model.network.radial_basis.register_forward_hook(lambda module, inputs, output: rows.append(len(output)))
    shared = model.double()(data)
    del data.edge_reverse
    alone = model(data)
    assert rows == [data.num_edges // 2, data.num_edges]
    torch.testing.assert_close(shared.energy, alone.energy, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(shared.forces, alone.forces, rtol=1e-12, atol=1e-12)


def test_weights_get_the_same_gradients_with_shared_radial_features():
    gradients = []
    for shared in (True, False):
        model, data = potential().double().train(), batch()
        if not shared:
            del data.edge_reverse
        prediction = model(data, stress=True)
        (prediction.forces.square().sum() + prediction.energy.sum()).backward()
        gradients.append([parameter.grad for parameter in model.parameters()])
    for ours, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-12)


def test_backends_agree_on_energy_forces_and_stress():
    data, predictions = batch(), []
    for backend in ("reference", "cpu"):
        model = potential(backend=backend).double()
        predictions.append(model(data, stress=True))
    for ours, theirs in zip(predictions[1][:3], predictions[0][:3], strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-10)


def test_the_many_species_of_a_large_table_give_the_same_numbers():
    """Beyond 8 species the self-connection fetches the weights of each node."""
    few, many = (
        NequIP(NequIPConfig(num_features=4), 3, CUTOFF, 6.0),
        NequIP(NequIPConfig(num_features=4), 20, CUTOFF, 6.0),
    )
    state = {name: value[:3] if value.shape[:1] == (20,) else value for name, value in many.state_dict().items()}
    few.load_state_dict(state)
    edges = Edges.of(torch.tensor([[0, 1, 2, 0], [1, 0, 0, 2]]), 3, 3)
    vectors, species = torch.randn(4, 3), torch.tensor([2, 0, 1])
    torch.testing.assert_close(few(species, vectors, edges), many(species, vectors, edges))
