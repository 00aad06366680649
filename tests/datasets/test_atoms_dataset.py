import ase.build
import numpy as np
import pytest
import torch
from ase import Atoms
from torch_geometric.loader import DataLoader

from eqgraph.datasets import AtomsDataset, Frame, progress_bar
from eqgraph.graph import from_ase

WATER = ase.build.molecule("H2O")
COPPER = ase.build.bulk("Cu")
FRAMES = [
    Frame(WATER, 0, energy=-1.0, forces=np.full((3, 3), 2.0)),
    Frame(Atoms("H"), 1, energy=-13.6, forces=np.zeros((1, 3))),
    Frame(COPPER, 2, energy=-3.5, stress=np.diag([1.0, 2.0, 3.0])),
]


def test_items_are_graphs_with_labels():
    dataset = AtomsDataset(FRAMES, 3.0)
    assert len(dataset) == 3
    for data, frame in zip(dataset, FRAMES, strict=True):
        graph = from_ase(frame.atoms, 3.0)
        assert torch.equal(data.edge_index, graph.edge_index)
        assert data.energy.tolist() == [frame.energy]
        assert data.energy.dtype == data.forces.dtype == data.stress.dtype == torch.float64
        assert data.forces.shape == data.pos.shape
    assert (dataset[0].forces == 2).all()
    assert dataset[0].stress.isnan().all()
    assert dataset[2].forces.isnan().all()
    assert torch.equal(dataset[2].stress[0], torch.diag(torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)))


def test_batches():
    (batch,) = DataLoader(AtomsDataset(FRAMES, 3.0), batch_size=3)
    assert batch.energy.tolist() == [-1.0, -13.6, -3.5]
    assert batch.forces.shape == (5, 3)
    assert batch.stress.shape == batch.cell.shape == (3, 3, 3)
    assert batch.pbc.shape == (3, 3)
    assert batch.num_graphs == 3


def test_items_may_be_changed():
    dataset = AtomsDataset(FRAMES, 3.0)
    data = dataset[0].to("meta")
    data.energy = None
    assert dataset[0].energy.tolist() == [-1.0]
    assert dataset[0].pos.device.type == "cpu"


def test_statistics_leave_isolated_atoms_out():
    dataset = AtomsDataset(FRAMES, 3.0)
    assert dataset.species == [1, 8, 29]
    assert dataset.avg_num_neighbors == (6 + 12) / 4
    assert dataset.forces_rms == 2.0


def test_statistics_of_isolated_atoms():
    dataset = AtomsDataset(FRAMES[1:2], 3.0)
    assert dataset.avg_num_neighbors == 1.0
    assert np.isnan(dataset.forces_rms)


def test_progress_bar_only_if_it_takes_long(monkeypatch, capsys):
    AtomsDataset(FRAMES, 3.0)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(progress_bar, "QUIET_SECONDS", 0.0)
    AtomsDataset(FRAMES, 3.0)
    assert "Neighbor lists" in capsys.readouterr().err


def test_names_the_frame_that_makes_no_graph():
    with pytest.raises(ValueError, match="Frame 7: from_ase: expected atoms at different places"):
        AtomsDataset([*FRAMES, Frame(Atoms("H2"), 7)], 3.0)
    with pytest.raises(ValueError, match="Frame 8: neighbor_list: expected linearly independent cell vectors"):
        AtomsDataset([Frame(Atoms("H", pbc=True), 8)], 3.0)
