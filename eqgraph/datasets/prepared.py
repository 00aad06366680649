"""Graphs that `eqgraph prepare` wrote."""

from __future__ import annotations

import json
import os
import sqlite3
import zlib
from pathlib import Path
from typing import Any

import ase
import numpy as np
import torch
from safetensors.numpy import load_file
from torch_geometric.data import Data

from eqgraph.graph import edge_vectors, reverse_edges

from .frame import Frame
from .frame_source import FrameSource
from .frame_table import FrameTable
from .graph_blob import graph_from_bytes

FORMAT = "eqgraph-prepared-1"
HEADER, GRAPHS, TABLE = "header.json", "graphs.sqlite", "table.safetensors"


class PreparedGraphs(FrameSource):
    """A folder with graphs, their labels and a table of numbers, from which a training starts at once.

    graphs.sqlite holds the graphs one by one in safetensors with a checksum each, table.safetensors the columns of a FrameTable,
    header.json says how the graphs were made. Nothing in these files is run.

    Args:
        path: of the folder.
        keys: energy_key, forces_key and so on that a training asks for; they must be those that the folder was prepared with.

    Attributes:
        cutoff: of the edges [Å].
        table: a row of numbers for each structure.

    Raises:
        FileNotFoundError: if there is no such folder.
        ValueError: if it is none of `eqgraph prepare`, damaged, or prepared with other keys.
    """

    is_cheap = True

    def __init__(self, path: str | Path, keys: dict[str, str] | None = None) -> None:
        super().__init__(path, keys)
        self._again = f"Run `eqgraph prepare` again, with another --output than '{self.path}' or after removing it."
        header = self._header()
        for name, key in self.keys.items():
            if (prepared := header["keys"].get(name)) != key:
                raise ValueError(
                    f"'{self.path}': expected graphs prepared with {name}={key!r}, got ones prepared with {name}={prepared!r}. Set "
                    f"data.{name} to that, or prepare the structures again with --{name.replace('_', '-')} {key}."
                )
        self.cutoff, self.sources = float(header["cutoff"]), header["sources"]
        self.table = self._table(header["num_graphs"])
        self._connection: tuple[int, sqlite3.Connection] | None = None
        self._check_graphs()

    def __len__(self) -> int:
        return len(self.table)

    def graph(self, index: int, cutoff: float) -> Data:
        self.require_cutoff(cutoff)
        blob, _ = self._row(index)
        try:
            graph = graph_from_bytes(blob)
        except Exception as error:  # of safetensors
            raise self._damaged(index, f"{type(error).__name__}: {error}") from error
        return graph if cutoff == self.cutoff else within(graph, cutoff)

    def read(self, index: int) -> ase.Atoms:
        return self.frame(index).atoms

    def frame(self, index: int) -> Frame:
        return self.frame_and_graph(index, self.cutoff)[0]

    def frame_and_graph(self, index: int, cutoff: float) -> tuple[Frame, Data]:
        graph = self.graph(index, cutoff)
        atoms = ase.Atoms(
            graph.atomic_numbers.numpy(), graph.pos.numpy(), cell=graph.cell[0].numpy(), pbc=graph.pbc[0].numpy()
        )
        if (config_type := self._row(index)[1]) is not None:
            atoms.info["config_type"] = config_type
        labels: dict[str, Any] = {}
        for name, shape in (("energy", ()), ("forces", (-1, 3)), ("stress", (3, 3)), ("dipole", (3,))):
            value = graph[name].reshape(shape).numpy()
            if np.isfinite(value).all():
                labels[name] = value if shape else float(value)
        labels |= {"weight": float(graph.weight), "source": str(self.path)}
        return Frame(atoms, int(self.table.index[index]), **labels), graph

    def config_types(self) -> set[str]:
        try:
            rows = self._open().execute("SELECT DISTINCT config_type FROM graphs").fetchall()
        except sqlite3.Error as error:
            raise self._broken(self.path / GRAPHS, f"{type(error).__name__}: {error}") from error
        return {name for (name,) in rows if name is not None}

    def require_cutoff(self, cutoff: float) -> None:
        """Refuse a cutoff beyond that of the edges that there are.

        Raises:
            ValueError: if it is larger.
        """
        if cutoff > self.cutoff:
            raise ValueError(
                f"'{self.path}': expected graphs prepared with a cutoff of at least {cutoff:g} Å, got {self.cutoff:g} Å: edges would "
                f"be missing. Prepare the structures again with --cutoff {cutoff:g}, or lower model.cutoff."
            )

    def _header(self) -> dict[str, Any]:
        path = self.path / HEADER
        if not path.is_file():
            raise ValueError(
                f"Expected a folder that `eqgraph prepare` wrote, got '{self.path}' without {HEADER}. Give that of a finished "
                "preparation, or a file of structures."
            )
        try:
            header = json.loads(path.read_text(encoding="utf-8"))
            found = header["format"]
        except (ValueError, TypeError, KeyError) as error:
            raise self._broken(path, f"{type(error).__name__}: {error}") from error
        if found != FORMAT:
            raise ValueError(
                f"Expected graphs in the format {FORMAT!r} in '{self.path}', got {found!r}, of another version. {self._again}"
            )
        types = {"cutoff": float, "keys": dict, "sources": list, "num_graphs": int}
        for name, kind in types.items():
            if not isinstance(header.get(name), kind):
                raise self._broken(path, f"{name}: {header.get(name)!r}")
        return header

    def _table(self, num_graphs: int) -> FrameTable:
        path = self.path / TABLE
        try:
            table = FrameTable(**load_file(path))
        except Exception as error:  # of safetensors, or of columns that are missing
            raise self._broken(path, f"{type(error).__name__}: {error}") from error
        lengths = {name: len(getattr(table, name)) for name in FrameTable.names()}
        entries = {lengths.pop("number"), lengths.pop("count")}
        lengths["ptr"] -= 1
        if len(set(lengths.values())) > 1 or entries != {int(table.ptr[-1])}:
            raise self._broken(path, f"columns of {sorted({*lengths.values(), *entries})} rows")
        if len(table) != num_graphs:
            raise self._broken(path, f"{len(table)} rows for {num_graphs} graphs")
        return table

    def _check_graphs(self) -> None:
        path = self.path / GRAPHS
        try:
            (found,) = self._open().execute("SELECT count(*) FROM graphs").fetchone()
        except sqlite3.Error as error:
            raise self._broken(path, f"{type(error).__name__}: {error}") from error
        if found != len(self.table):
            raise self._broken(path, f"{found} graphs for {len(self.table)} rows in {TABLE}")

    def _row(self, index: int) -> tuple[bytes, str | None]:
        try:
            row = (
                self._open()
                .execute("SELECT graph, config_type, checksum FROM graphs WHERE id = ?", (index,))
                .fetchone()
            )
        except sqlite3.Error as error:
            raise self._damaged(index, f"{type(error).__name__}: {error}") from error
        if row is None or not isinstance(row[0], bytes) or zlib.crc32(row[0]) != row[2]:
            raise self._damaged(index, "no graph" if row is None else "bytes that do not fit their checksum")
        return row[0], row[1]

    def _open(self) -> sqlite3.Connection:
        if (
            self._connection is None or self._connection[0] != os.getpid()
        ):  # SQLite connections must not be shared by forks
            uri = f"{(self.path / GRAPHS).resolve().as_uri()}?immutable=1"  # nobody writes: no locks, also on read-only disks
            self._connection = (os.getpid(), sqlite3.connect(uri, uri=True, check_same_thread=False))
        return self._connection[1]

    def _broken(self, path: Path, what: str) -> ValueError:
        return ValueError(
            f"Expected '{path}' as `eqgraph prepare` wrote it, got a damaged file ({what}). {self._again}"
        )

    def _damaged(self, index: int, what: str) -> ValueError:
        return self._broken(self.path / GRAPHS, f"graph {index}: {what}")

    def __getstate__(self) -> dict:
        return self.__dict__ | {"_connection": None}

    def __del__(self) -> None:
        if (opened := getattr(self, "_connection", None)) is not None and opened[0] == os.getpid():
            opened[1].close()


def within(graph: Data, cutoff: float) -> Data:
    """The graph with only the edges shorter than a cutoff [Å], in their order; the one given is changed.

    Example:
        >>> from ase.build import molecule
        >>> from eqgraph.graph import from_ase
        >>> within(from_ase(molecule("H2O"), 5.0), 1.2).num_edges
        4
    """
    vectors = edge_vectors(graph.pos, graph.cell[0], graph.edge_index, graph.edge_shift)
    near = vectors.square().sum(-1).sqrt() < cutoff
    graph.edge_index, graph.edge_shift = graph.edge_index[:, near], graph.edge_shift[near]
    graph.edge_reverse = reverse_edges(graph.edge_index, graph.edge_shift) - torch.arange(graph.edge_index.shape[1])
    return graph
