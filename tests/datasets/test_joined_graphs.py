"""Several data sets as one."""

import pytest
import torch
from ase.build import molecule

from eqgraph.datasets import AtomsDataset, Frame, JoinedGraphs


def dataset(*names: str, cutoff: float = 3.0) -> AtomsDataset:
    frames = [Frame(molecule(name), index, energy=float(index), source="a.xyz") for index, name in enumerate(names)]
    return AtomsDataset(frames, cutoff)


def test_items_places_and_statistics():
    parts = [dataset("H2O", "CH4"), dataset("NH3")]
    joined, whole = JoinedGraphs(parts), dataset("H2O", "CH4", "NH3")
    assert len(joined) == 3
    assert [joined[index].num_nodes for index in range(3)] == [3, 5, 4]
    assert torch.equal(joined[2].pos, parts[1][0].pos)
    assert joined.place(2) == "a.xyz, frame 0"
    assert (joined.species, joined.avg_num_neighbors) == (whole.species, whole.avg_num_neighbors)


def test_cutoffs_that_differ():
    with pytest.raises(ValueError, match=r"expected data sets of one cutoff, got \[3.0, 4.0\] Å"):
        JoinedGraphs([dataset("H2O"), dataset("H2O", cutoff=4.0)])
