"""Structures read one by one are those that are read at once."""

import pickle
import sys

import ase
import ase.build
import ase.db
import ase.io
import numpy as np
import pytest
import torch
from labelled_structures import assert_same_graphs, structures

from eqgraph.datasets import (
    AtomsDataset,
    FrameTable,
    JoinedFrames,
    LazyDataset,
    atomic_energies,
    data_hash,
    frames_from_atoms,
    is_readable_in_parts,
    lazy_dataset,
    open_source,
    read_frames,
    scan_table,
)

CUTOFF = 3.0
SUFFIXES = ["xyz", "db", "aselmdb"]


@pytest.fixture(params=SUFFIXES)
def path(request, tmp_path):
    if request.param == "aselmdb":
        pytest.importorskip("ase_db_backends")
    path = tmp_path / f"data.{request.param}"
    if request.param == "xyz":
        ase.io.write(path, structures())
    else:
        with ase.db.connect(path) as database:
            for atoms in structures():
                database.write(atoms, data=dict(atoms.info))
    return path


@pytest.mark.parametrize("workers", [0, 2])
def test_same_as_in_memory(path, workers):
    frames, source = read_frames(path, require=()), open_source(path)
    assert type(source).__name__ != "FramesInMemory"
    memory = AtomsDataset(frames, CUTOFF)
    lazy = LazyDataset(source, CUTOFF, scan_table(source, CUTOFF, workers))
    assert_same_graphs(memory, lazy)
    for name in FrameTable.names():
        np.testing.assert_array_equal(getattr(memory.table, name), getattr(lazy.table, name))
    assert lazy.table.data_hash == data_hash(frames)
    assert (lazy.species, lazy.avg_num_neighbors, lazy.forces_rms) == (
        memory.species,
        memory.avg_num_neighbors,
        memory.forces_rms,
    )
    assert [source.frame(row).config_type for row in (0, 12)] == [None, frames[12].config_type]


def test_statistics_are_those_of_the_frames(path):
    frames = read_frames(path, require=())
    table = scan_table(open_source(path), CUTOFF)
    assert table.num_labels("energy") == sum(frame.energy is not None for frame in frames)
    assert table.num_labels("stress") == sum(frame.stress is not None for frame in frames)
    forces = np.concatenate([frame.forces.ravel() for frame in frames if frame.forces is not None])
    assert table.forces_rms == pytest.approx(np.sqrt(np.mean(forces**2)), rel=1e-12)
    assert table.is_isolated.tolist() == [False] * 12 + [True]


def test_part_of_the_frames():
    frames = frames_from_atoms(structures(), require=())
    chosen = np.array([12, 3, 7])
    part = FrameTable.of(frames).select(chosen)
    assert part.data_hash == data_hash([frames[row] for row in chosen])
    for name in FrameTable.names():
        np.testing.assert_array_equal(
            getattr(part, name), getattr(FrameTable.of([frames[row] for row in chosen]), name)
        )
    joined = FrameTable.concatenate([FrameTable.of(frames[:5]), FrameTable.of(frames[5:])])
    for name in FrameTable.names():
        np.testing.assert_array_equal(getattr(joined, name), getattr(FrameTable.of(frames), name))


def test_atomic_energies_of_chunks_are_those_of_all(monkeypatch):
    rng = np.random.default_rng(1)
    formulas = [f"H{a}C{b}O{c}" for a, b, c in rng.integers(1, 9, size=(400, 3))]
    atoms = [ase.Atoms(formula, rng.normal(size=(len(ase.Atoms(formula)), 3))) for formula in formulas]
    for each in atoms:
        counts = [(each.numbers == number).sum() for number in (1, 6, 8)]
        each.info["energy"] = float(np.dot(counts, (-13.6, -1030.0, -2040.0)) + rng.normal())
    frames = frames_from_atoms(atoms, require=["energy"])
    composition = np.array([[(f.atoms.numbers == n).mean() for n in (1, 6, 8)] for f in frames])
    exact = np.linalg.lstsq(composition, [f.energy / len(f.atoms) for f in frames], rcond=None)[0]
    whole = atomic_energies(frames, "least_squares")
    monkeypatch.setattr(sys.modules["eqgraph.datasets.atomic_energies"], "_CHUNK", 30)
    chunked = atomic_energies(FrameTable.of(frames), "least_squares")
    assert list(whole.shifts.values()) == exact.tolist()
    np.testing.assert_allclose(list(chunked.shifts.values()), exact, rtol=0, atol=1e-9)
    assert chunked.description == whole.description
    tied = [frame for frame in frames if frame.atoms.symbols.get_chemical_formula() == "H2O"] or frames[:1] * 100
    with pytest.raises(ValueError, match=r"are tied in all structures \(rank 1 for 3 elements\)"):
        atomic_energies(FrameTable.of(tied), "least_squares")


def test_copies_for_other_processes(path):
    source = open_source(path)
    before = source.frame(4).atoms.positions
    copy = pickle.loads(pickle.dumps(source))
    np.testing.assert_array_equal(copy.frame(4).atoms.positions, before)


def test_joined_files(tmp_path):
    all_of_them = structures()
    ase.io.write(tmp_path / "a.xyz", all_of_them[:5])
    ase.io.write(tmp_path / "b.db", all_of_them[5:])
    joined = JoinedFrames([open_source(tmp_path / "a.xyz"), open_source(tmp_path / "b.db")])
    assert len(joined) == 13
    frames = [joined.frame(index) for index in range(13)]
    assert [frame.index for frame in frames] == [*range(5), *range(8)]
    assert data_hash(frames) == data_hash(frames_from_atoms(all_of_them, require=()))


def test_least_recently_used_graphs_are_forgotten(tmp_path, monkeypatch):
    ase.io.write(tmp_path / "a.xyz", [ase.build.molecule("H2O")] * 3)
    source = open_source(tmp_path / "a.xyz")
    table, read = scan_table(source, CUTOFF), []
    one = sum(tensor.nbytes for tensor in source.graph(0, CUTOFF).to_dict().values())
    dataset = LazyDataset(source, CUTOFF, table, cache_bytes=2 * one)
    graph = source.graph
    monkeypatch.setattr(source, "graph", lambda index, cutoff: read.append(index) or graph(index, cutoff))
    for index in (0, 1, 0, 2, 0, 1):
        dataset[index].energy = None  # as Data.to() does, in place
    assert read == [0, 1, 2, 1]
    assert dataset[0].energy is not None


def test_formats_that_are_read_at_once(tmp_path):
    ase.io.write(tmp_path / "a.traj", structures())
    assert not is_readable_in_parts(tmp_path / "a.traj")
    source = open_source(tmp_path / "a.traj")
    assert len(source) == 13
    assert source.frame(12).energy == -13.6


def test_frame_that_is_wrong_is_named(tmp_path):
    frames = structures()[:4]
    frames[2].calc.results["forces"][0, 0] = np.nan
    ase.io.write(tmp_path / "a.xyz", frames)
    for workers in (0, 2):
        with pytest.raises(
            ValueError, match=r"a\.xyz, frame 2: expected finite numbers for 'forces', got 1 NaN"
        ) as caught:
            scan_table(open_source(tmp_path / "a.xyz"), CUTOFF, workers)
        assert "\n" not in str(caught.value)


def test_damaged_extended_xyz(tmp_path):
    path = tmp_path / "a.xyz"
    ase.io.write(path, structures()[:2])
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([*lines[:3], *lines[4:]]))
    with pytest.raises(
        ValueError, match=r"a\.xyz, frame 0 \(line 1\): expected 7 columns for atom 2 as Properties says .* got 1: '3'"
    ):
        open_source(path)
    path.write_text("".join([*lines[:5], "\n", *lines[5:]]))
    with pytest.raises(ValueError, match=r"a\.xyz, line 6: expected the number of atoms of a frame, got a blank line"):
        open_source(path)
    path.write_text("".join(lines[:-1]))
    with pytest.raises(
        ValueError, match=r"a\.xyz, frame 1 \(line 6\): expected 3 atoms .*, got 2 before the file ends"
    ):
        open_source(path)
    path.write_text("\n\n")
    with pytest.raises(ValueError, match=r"Expected structures in .*, got none"):
        open_source(path)
    path.write_text("".join([*lines, "\n", "\n"]))
    source = open_source(path)
    assert len(source) == 2
    path.write_text("".join(lines))
    with pytest.raises(ValueError, match=r"frame 0: .*the file was changed after it was opened.*start again"):
        source.frame(0)


def test_lines_that_end_in_two_bytes(tmp_path):
    ase.io.write(tmp_path / "a.xyz", structures()[:3])
    (tmp_path / "b.xyz").write_bytes((tmp_path / "a.xyz").read_bytes().replace(b"\n", b"\r\n"))
    ours, theirs = open_source(tmp_path / "b.xyz"), open_source(tmp_path / "a.xyz")
    assert [ours.frame(index).atoms for index in range(3)] == [theirs.frame(index).atoms for index in range(3)]


def test_cell_vectors_of_the_older_convention(tmp_path):
    text = "1\ncomment\nCu 0 0 0\nVEC1 3.6 0 0\nVEC2 0 3.6 0\nVEC3 0 0 3.6\n"
    (tmp_path / "a.xyz").write_text(2 * text)
    source = open_source(tmp_path / "a.xyz")
    assert [source.frame(index).atoms for index in range(2)] == ase.io.read(tmp_path / "a.xyz", ":")


def test_damaged_database(tmp_path):
    path = tmp_path / "a.db"
    path.write_bytes(b"SQLite format 3\0" + bytes(range(256)) * 10)
    with pytest.raises(ValueError, match=r"Expected '.*a\.db' to be an ASE database, got DatabaseError"):
        open_source(path)
    path.unlink()
    with ase.db.connect(path) as database:
        number = database.write(ase.Atoms("H"))
        del database[number]
    with pytest.raises(ValueError, match="got a database without rows"):
        open_source(path)


def test_lmdb_without_its_package(tmp_path, monkeypatch):
    path = tmp_path / "a.aselmdb"
    path.write_bytes(b"anything")
    monkeypatch.setitem(sys.modules, "ase_db_backends", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    for read in (open_source, read_frames):
        with pytest.raises(
            ImportError,
            match=r"Expected the package ase-db-backends .*a\.aselmdb', found none\. Install .*eqgraph\[aselmdb\]",
        ):
            read(path)


def test_sample(tmp_path):
    ase.io.write(tmp_path / "a.xyz", structures())
    source = open_source(tmp_path / "a.xyz")
    dataset = LazyDataset(source, CUTOFF, scan_table(source, CUTOFF), np.arange(1, 13))
    part = dataset.sample(5)
    assert len(part) == 5
    assert part.rows.tolist() == part.table.index.tolist() == sorted(set(part.rows.tolist()))
    assert torch.equal(part[2].pos, source.graph(int(part.rows[2]), CUTOFF).pos)
    assert part._cache_bytes == lazy_dataset.CACHE_BYTES
