"""Trainings on data that are not in memory are the same trainings."""

import io
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import ase.build
import ase.io
import numpy as np
import pytest
import torch
import yaml
from rich.console import Console

from eqgraph.cli import main
from eqgraph.datasets import AtomsDataset, LazyDataset, prepare
from eqgraph.train import fit, parse_config
from eqgraph.train.potential import structures
from eqgraph.train.potential.data import PotentialData
from eqgraph.train.potential.graph_loader import GraphLoader
from eqgraph.train.potential.loss import Loss
from eqgraph.train.potential.task import PotentialTask

CUTOFF = 4.0


def prepared(folder: Path, **options) -> None:
    for name in ("train", "test"):
        prepare([folder / f"{name}.xyz"], folder / name, CUTOFF, **options)


def with_isolated_atoms(folder: Path) -> None:
    frames = ase.io.read(folder / "train.xyz", ":") + ase.io.read(folder / "isolated_atoms.xyz", ":")
    ase.io.write(folder / "train.xyz", frames)


def on_disk(raw: dict, folder: Path) -> dict:
    return {**raw, "data": {**raw["data"], "train": str(folder / "train"), "test": str(folder / "test")}}


def assert_same_data(one: PotentialData, other: PotentialData) -> None:
    for name in ("species", "atomic_energies", "atomic_energies_source", "num_isolated_atoms", "scale", "scale_source"):
        assert getattr(one, name) == getattr(other, name), name
    for name in ("avg_num_neighbors", "hash", "edges_per_step"):
        assert getattr(one, name) == getattr(other, name), name
    for name in ("train", "valid"):
        for first, second in zip(getattr(one, name), getattr(other, name), strict=True):
            assert torch.equal(first.pos, second.pos)
            assert torch.equal(first.edge_index, second.edge_index)


@pytest.mark.parametrize("how", ["prepared", "lazy", "workers"])
@pytest.mark.parametrize("energies", ["auto", "least_squares", "mean"])
def test_same_numbers(raw, folder, how, energies):
    with_isolated_atoms(folder)
    raw["data"] |= {"isolated_atoms": None, "atomic_energies": energies}
    memory = PotentialData(parse_config(raw))
    assert isinstance(memory.train, AtomsDataset)
    if how == "prepared":
        prepared(folder)
        raw = on_disk(raw, folder)
    else:
        raw["data"]["in_memory"] = False
        raw["training"]["workers"] = 2 if how == "workers" else 0
    lazy = PotentialData(parse_config(raw))
    assert isinstance(lazy.train, LazyDataset)
    assert_same_data(memory, lazy)


def losses(raw: dict, **training) -> list[float]:
    """Of every step of two epochs."""
    config = parse_config({**raw, "training": {**raw["training"], **training}})
    data, task = PotentialData(config), PotentialTask()
    torch.manual_seed(0)
    module = task.module(config, data, task.build(config, data), 100, lambda: 0.0)
    optimizer, loader, found = torch.optim.Adam(module.parameters(), lr=0.01), data.train_dataloader(), []
    for epoch in range(2):
        data.order.set_epoch(epoch)
        for batch in loader:
            optimizer.zero_grad()
            loss = module.loss_of(batch)
            loss.backward()
            optimizer.step()
            found.append(loss.item())
    return found


@pytest.mark.parametrize("batches", [{}, {"batch_edges": 40}])
def test_same_training(raw, folder, batches):
    prepared(folder)
    direct = losses(raw, **batches)
    stored = on_disk(raw, folder)
    assert losses(stored, **batches) == direct
    assert losses(stored, workers=2, **batches) == direct
    raw["data"]["in_memory"] = False
    assert losses(raw, workers=2, **batches) == direct
    assert len(set(direct)) == len(direct) > 5


def test_batches_by_edges(raw):
    raw["training"]["batch_edges"] = 50
    data = PotentialData(parse_config(raw))
    batches = list(data.train_dataloader())
    assert len(batches) == len(data.train_dataloader())
    assert all(batch.num_edges <= 50 for batch in batches)
    assert sum(batch.num_graphs for batch in batches) == 15
    assert data.edges_per_step == pytest.approx(np.mean([batch.num_edges for batch in batches]))


def test_a_batch_without_graphs_changes_no_mean(raw):
    dataset = PotentialData(parse_config(raw)).train
    (batch,) = GraphLoader(dataset, 0, batch_sampler=[[]])
    assert batch.num_graphs == 1
    loss = Loss(1.0, 1.0, stress=1.0, virial=1.0)
    assert not loss.counts(loss.targets(batch)).any()
    assert dataset[0].energy.isfinite()


@pytest.mark.parametrize("workers", [0, 2])
def test_graph_that_is_damaged(raw, folder, workers):
    """One line, whichever process meets it."""
    prepared(folder)
    with closing(sqlite3.connect(folder / "train" / "graphs.sqlite")) as connection, connection:
        connection.execute("UPDATE graphs SET checksum = 0")
    raw["training"]["workers"] = workers
    data = PotentialData(parse_config(on_disk(raw, folder)))
    with pytest.raises(ValueError, match=r"damaged file \(graph \d+: bytes that do not fit their checksum\)") as caught:
        list(data.train_dataloader())
    assert "\n" not in str(caught.value)


def test_size_of_batches_in_one_way(raw):
    raw["training"] |= {"batch_edges": 50, "batch_size": 4}
    with pytest.raises(ValueError, match="batch_size or batch_edges, not both"):
        parse_config(raw)
    raw["training"] |= {"batch_edges": None, "batch_size": None}
    with pytest.raises(ValueError, match="batch_size or batch_edges, not neither"):
        parse_config(raw)
    raw["training"] |= {"batch_edges": 50, "batch_size": None}
    again = parse_config(parse_config(raw).model_dump(mode="json"))
    assert (again.training.batch_edges, again.training.batch_size) == (50, None)


def test_large_files_are_not_read_at_once(raw, monkeypatch):
    monkeypatch.setattr(structures, "LARGE", 1000)
    data = PotentialData(parse_config(raw))
    assert isinstance(data.train, LazyDataset)
    raw["data"]["in_memory"] = True
    assert isinstance(PotentialData(parse_config(raw)).train, AtomsDataset)


def test_prepared_graphs_may_be_kept(raw, folder):
    prepared(folder)
    raw["data"]["in_memory"] = True
    data = PotentialData(parse_config(on_disk(raw, folder)))
    assert len(list(data.train)) == len(data.train._cache)
    raw["data"]["in_memory"] = "auto"
    data = PotentialData(parse_config(on_disk(raw, folder)))
    assert len(list(data.train)) > len(data.train._cache) == 0


def test_format_that_is_read_as_a_whole(raw, folder):
    ase.io.write(folder / "train.traj", ase.io.read(folder / "train.xyz", ":"))
    raw["data"] |= {"train": str(folder / "train.traj"), "in_memory": False}
    with pytest.raises(
        ValueError, match=r"with data\.in_memory=false, got '.*train\.traj', which can only be .*eqgraph prepare"
    ):
        PotentialData(parse_config(raw))


def test_cutoff_beyond_the_prepared_one(raw, folder):
    prepared(folder)
    raw["model"]["cutoff"] = 4.5
    with pytest.raises(ValueError, match=r"prepared with a cutoff of at least 4\.5 Å, got 4 Å"):
        PotentialData(parse_config(on_disk(raw, folder)))
    raw["model"]["cutoff"] = 3.0
    assert_same_data(PotentialData(parse_config(raw)), PotentialData(parse_config(on_disk(raw, folder))))


def test_other_keys_than_the_prepared_ones(raw, folder):
    prepared(folder)
    raw["data"] |= {"forces_key": "REF_forces", "isolated_atoms": None}
    with pytest.raises(ValueError, match="forces_key='REF_forces', got ones prepared with forces_key='forces'"):
        PotentialData(parse_config(on_disk(raw, folder)))


@pytest.mark.parametrize("how", ["prepared", "lazy"])
def test_labels_that_no_structure_has(raw, folder, how):
    raw["loss"] = {"stress": 1.0}
    message = r"train\.xyz: expected stress under the key 'stress', got no frame that has it"
    if how == "prepared":
        prepared(folder)
        raw = on_disk(raw, folder)
        message = r"train': expected stress \('stress'\) in some structure, got none with such a label"
    else:
        raw["data"]["in_memory"] = False
    with pytest.raises(ValueError, match=message):
        PotentialData(parse_config(raw))


def test_errors_of_a_part_of_many_structures(raw, folder, monkeypatch):
    prepared(folder)
    monkeypatch.setattr(sys.modules["eqgraph.train.potential.task"], "_EVALUATED", 6)
    raw["training"]["max_epochs"] = 1
    console = Console(file=io.StringIO(), width=200)
    result = fit(parse_config(on_disk(raw, folder)), console)
    assert "Errors of train are those of 6 of its 15 structures, drawn at random." in console.file.getvalue()
    assert result.errors["train"].energy.count == 6
    assert result.errors["valid"].energy.count == 5


def test_command_line(raw, folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    assert main(["prepare", "train.xyz", "test.xyz", "--output", "graphs", "--cutoff", "4", "--workers", "1"]) == 0
    printed = capsys.readouterr().out
    assert "25 structures, 0 of them isolated atoms" in printed
    assert "Labels: energy 25, forces 25" in printed
    assert "Neighbors: 3.0 on average within 4 Å" in printed
    raw["data"] |= {"train": "graphs", "test": {}}
    raw["training"] |= {"output": "run", "max_epochs": 1, "batch_edges": 30}
    Path("a.yaml").write_text(yaml.safe_dump(raw))
    assert main(["train", "a.yaml"]) == 0
    assert "at most 30 edges" in capsys.readouterr().out
    assert main(["eval", "run/model.eqg", "graphs"]) == 0
    assert len(ase.io.read("predictions_graphs.xyz", ":")) == 25
    assert main(["prepare", "train.xyz", "--output", "graphs"]) == 1
    assert "error: Expected a new folder for the graphs, got 'graphs', which exists" in capsys.readouterr().err
    assert main(["prepare", "nowhere.xyz", "--output", "other"]) == 2
    assert "error: Expected a file of structures, got 'nowhere.xyz'" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["prepare", "--help"])
    assert "example: eqgraph prepare data.xyz --output prepared" in " ".join(capsys.readouterr().out.split())
