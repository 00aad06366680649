"""Folders of graphs: complete or not there, the same as the files they come from, refused when they do not fit."""

import json
import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import time

import ase.build
import ase.io
import numpy as np
import pytest
import torch
from labelled_structures import assert_same_graphs, structures
from safetensors.numpy import load_file, save_file
from torch_geometric.data import Data

import eqgraph
from eqgraph.datasets import (
    AtomsDataset,
    FrameTable,
    LazyDataset,
    PreparedGraphs,
    data_hash,
    frames_from_atoms,
    prepare,
    scan_table,
)
from eqgraph.datasets.graph_blob import graph_from_bytes, graph_to_bytes
from eqgraph.datasets.prepared import GRAPHS, HEADER, TABLE

CUTOFF = 3.0


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("prepared")
    ase.io.write(folder / "a.xyz", structures()[:6])
    ase.io.write(folder / "b.traj", structures()[6:])
    prepare([folder / "a.xyz", folder / "b.traj"], folder / "graphs", CUTOFF)
    return folder


@pytest.fixture
def folder(shared, tmp_path):
    """A copy to damage."""
    return shutil.copytree(shared / "graphs", tmp_path / "graphs")


def test_same_as_in_memory(shared):
    frames = frames_from_atoms(structures(), require=())
    memory, graphs = AtomsDataset(frames, CUTOFF), PreparedGraphs(shared / "graphs")
    assert_same_graphs(memory, LazyDataset(graphs, CUTOFF, scan_table(graphs, CUTOFF)))
    for name in set(FrameTable.names()) - {"index"}:
        np.testing.assert_array_equal(getattr(memory.table, name), getattr(graphs.table, name))
    again = [graphs.frame(index) for index in range(len(graphs))]
    assert data_hash(again) == graphs.table.data_hash == data_hash(frames)
    assert [frame.is_isolated_atom for frame in again] == [frame.is_isolated_atom for frame in frames]
    assert [frame.config_type for frame in again] == [frame.config_type for frame in frames]


def test_workers_and_order(shared, tmp_path):
    one = PreparedGraphs(shared / "graphs")
    other = prepare([shared / "a.xyz", shared / "b.traj"], tmp_path / "graphs", CUTOFF, workers=2)
    assert one.table.data_hash == other.table.data_hash
    assert_same_graphs(*(LazyDataset(each, CUTOFF, each.table) for each in (one, other)))


def test_smaller_cutoff(shared):
    frames = frames_from_atoms(structures(), require=())
    graphs = PreparedGraphs(shared / "graphs")
    memory, lazy = AtomsDataset(frames, 1.5), LazyDataset(graphs, 1.5, scan_table(graphs, 1.5))
    assert_same_graphs(memory, lazy)
    assert lazy.table.num_edges.tolist() == memory.table.num_edges.tolist()


def test_larger_cutoff_is_refused(shared):
    graphs = PreparedGraphs(shared / "graphs")
    message = r"graphs': expected graphs prepared with a cutoff of at least 3\.5 Å, got 3 Å: .*--cutoff 3\.5, or lower model\.cutoff"
    for use in (lambda: scan_table(graphs, 3.5), lambda: graphs.graph(0, 3.5)):
        with pytest.raises(ValueError, match=message):
            use()


def test_other_keys_are_refused(shared):
    with pytest.raises(
        ValueError,
        match=r"prepared with energy_key='REF_energy', got ones prepared with energy_key='energy'\. Set data\.energy_key",
    ):
        PreparedGraphs(shared / "graphs", {"energy_key": "REF_energy"})


def test_keys_are_used(tmp_path):
    ase.io.write(tmp_path / "a.xyz", ase.Atoms("H2", [[0, 0, 0], [0, 0, 0.74]], info={"REF_energy": -31.7}))
    graphs = prepare([tmp_path / "a.xyz"], tmp_path / "graphs", 3.0, {"energy_key": "REF_energy"})
    assert graphs.frame(0).energy == -31.7
    PreparedGraphs(tmp_path / "graphs", {"energy_key": "REF_energy", "forces_key": "forces"})


def test_existing_folder_is_left_alone(shared):
    before = (shared / "graphs" / HEADER).read_bytes()
    with pytest.raises(FileExistsError, match=r"Expected a new folder for the graphs, got '.*graphs', which exists"):
        prepare([shared / "a.xyz"], shared / "graphs", CUTOFF)
    assert (shared / "graphs" / HEADER).read_bytes() == before


def test_wrong_structure_leaves_nothing_behind(tmp_path):
    frames = structures()[:3]
    frames[1].positions[1] = frames[1].positions[0]
    ase.io.write(tmp_path / "a.xyz", frames)
    with pytest.raises(ValueError, match=r"a\.xyz, frame 1: from_ase: expected atoms at different places"):
        prepare([tmp_path / "a.xyz"], tmp_path / "graphs", CUTOFF)
    assert [file.name for file in tmp_path.iterdir()] == ["a.xyz"]


def test_interrupted_preparation_goes_on(tmp_path, monkeypatch):
    module = sys.modules["eqgraph.datasets.prepare"]
    monkeypatch.setattr(module, "_BETWEEN_COMMITS", 2)
    ase.io.write(tmp_path / "a.xyz", structures())
    scan, begun = module.scan, []

    def interrupted(source, cutoff, indices, *others, **named):
        begun.append(indices[0])
        for count, found in enumerate(scan(source, cutoff, indices, *others, **named)):
            if count == 5:
                raise KeyboardInterrupt
            yield found

    monkeypatch.setattr(module, "scan", interrupted)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            prepare([tmp_path / "a.xyz"], tmp_path / "graphs", CUTOFF)
        assert not (tmp_path / "graphs").exists()
    graphs = prepare([tmp_path / "a.xyz"], tmp_path / "graphs", CUTOFF)
    assert begun == [0, 4, 8]
    assert graphs.table.data_hash == data_hash(frames_from_atoms(structures(), require=()))
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.xyz", "graphs"]
    with pytest.raises(KeyboardInterrupt):
        prepare([tmp_path / "a.xyz"], tmp_path / "other", CUTOFF)
    with pytest.raises(KeyboardInterrupt):  # with another cutoff from the start
        prepare([tmp_path / "a.xyz"], tmp_path / "other", CUTOFF + 1)
    assert begun[3:] == [0, 0]


def test_killed_preparation_goes_on(tmp_path):
    ase.io.write(tmp_path / "a.xyz", structures() * 45)
    command = [sys.executable, "-m", "eqgraph.cli", "prepare", "a.xyz", "--output", "graphs", "--cutoff", "3"]
    environment = os.environ | {"PYTHONPATH": os.path.dirname(os.path.dirname(eqgraph.__file__))}
    process = subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.DEVNULL)
    database = tmp_path / ".graphs.partial" / GRAPHS
    while not (database.exists() and database.stat().st_size > 100_000):
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "graphs").exists()
    graphs = prepare([tmp_path / "a.xyz"], tmp_path / "graphs", 3.0)
    assert graphs.table.data_hash == data_hash(frames_from_atoms(structures(), require=()) * 45)
    assert graphs.graph(584, 3.0).energy.item() == -13.6


def test_two_at_once(tmp_path, monkeypatch):
    module = sys.modules["eqgraph.datasets.prepare"]
    ase.io.write(tmp_path / "a.xyz", structures())
    scan = module.scan

    def meanwhile(*arguments, **named):
        for count, found in enumerate(scan(*arguments, **named)):
            if count == 3:
                monkeypatch.setattr(module, "scan", scan)
                monkeypatch.setattr(module, "_WAIT", 0.0)
                with pytest.raises(OSError, match=r"Expected to write .*, got: database is locked\. .*wait if another"):
                    prepare([tmp_path / "a.xyz"], tmp_path / "graphs", CUTOFF)
            yield found

    monkeypatch.setattr(module, "scan", meanwhile)
    assert len(prepare([tmp_path / "a.xyz"], tmp_path / "graphs", CUTOFF)) == 13


def test_disk_full(tmp_path):
    ase.io.write(tmp_path / "a.xyz", structures())
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
    try:
        with pytest.raises(OSError, match=r"Expected to write '.*\.graphs\.partial', got: .*Make room on the disk"):
            prepare([tmp_path / "a.xyz"], tmp_path / "graphs", CUTOFF)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not (tmp_path / "graphs").exists()
    assert len(prepare([tmp_path / "a.xyz"], tmp_path / "graphs", CUTOFF)) == 13


def test_not_a_prepared_folder(tmp_path):
    with pytest.raises(ValueError, match=rf"Expected a folder that `eqgraph prepare` wrote, got '.*' without {HEADER}"):
        PreparedGraphs(tmp_path)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        PreparedGraphs(tmp_path / "nowhere")


def test_another_version(folder):
    header = json.loads((folder / HEADER).read_text())
    (folder / HEADER).write_text(json.dumps(header | {"format": "eqgraph-prepared-7"}))
    with pytest.raises(
        ValueError, match=r"format 'eqgraph-prepared-1' in '.*', got 'eqgraph-prepared-7', of another version"
    ):
        PreparedGraphs(folder)


@pytest.mark.parametrize("name", [HEADER, GRAPHS, TABLE])
@pytest.mark.parametrize("damage", ["cut", "missing", "noise"])
def test_damaged_files(folder, name, damage):
    path = folder / name
    content = path.read_bytes()
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(content[: len(content) // 2] if damage == "cut" else b"\0noise" + content[6:])
    with pytest.raises(ValueError, match=rf"{name}.*(damaged file|Give that of a finished).*"):
        use_all(folder)


def use_all(folder) -> None:
    graphs = PreparedGraphs(folder)
    for index in range(len(graphs)):
        graphs.graph(index, CUTOFF)


def test_bit_that_flipped_in_a_graph(folder):
    with sqlite3.connect(folder / GRAPHS) as connection:
        (blob,) = connection.execute("SELECT graph FROM graphs WHERE id = 4").fetchone()
        connection.execute("UPDATE graphs SET graph = ? WHERE id = 4", (blob[:-1] + bytes([blob[-1] ^ 1]),))
    connection.close()
    with pytest.raises(
        ValueError, match=r"graph 4: bytes that do not fit their checksum\)\. Run `eqgraph prepare` again"
    ):
        use_all(folder)


def test_graphs_and_table_of_two_preparations(folder):
    table = load_file(folder / TABLE)
    save_file(table | {"index": table["index"][:-1]}, folder / TABLE)
    with pytest.raises(ValueError, match=r"damaged file \(columns of \[12, 13"):
        PreparedGraphs(folder)
    save_file(table, folder / TABLE)
    header = json.loads((folder / HEADER).read_text())
    (folder / HEADER).write_text(json.dumps(header | {"num_graphs": 5}))
    with pytest.raises(ValueError, match=r"damaged file \(13 rows for 5 graphs\)"):
        PreparedGraphs(folder)


def test_numbers_of_any_size_survive():
    graph = Data(
        pos=torch.rand(2, 3).double(),
        edge_index=torch.tensor([[0, 70000], [1, 2**40]]),
        edge_shift=torch.tensor([[-300.0, 0.0, 5.0]]).double(),
        pbc=torch.tensor([[True, False, True]]),
    )
    again = graph_from_bytes(graph_to_bytes(graph))
    for name, tensor in graph.to_dict().items():
        assert torch.equal(again[name], tensor)
        assert again[name].dtype == tensor.dtype


def test_store_is_small(shared):
    graph = PreparedGraphs(shared / "graphs").graph(3, CUTOFF)
    in_memory = sum(tensor.nbytes for tensor in graph.to_dict().values())
    assert len(graph_to_bytes(graph)) < 0.6 * in_memory
