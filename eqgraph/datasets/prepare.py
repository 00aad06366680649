"""From files of structures to a folder of graphs that trainings read without knowing the whole of it."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import zlib
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from safetensors.numpy import save

from .frame_source import FrameSource, JoinedFrames
from .frame_table import FrameRow, FrameTable
from .open_source import open_source
from .prepared import FORMAT, GRAPHS, HEADER, TABLE, PreparedGraphs
from .progress import with_progress
from .read_frames import LABEL_KEYS
from .scan import scan

_BETWEEN_COMMITS = 500
"""Graphs that are lost at most when preparing is interrupted."""
_WAIT = 1.0
"""Seconds for another process to finish writing."""


def prepare(
    paths: Sequence[str | Path],
    output: str | Path,
    cutoff: float,
    keys: dict[str, str] | None = None,
    workers: int = 0,
) -> PreparedGraphs:
    """Write the graphs of all structures, with their labels and statistics, to a folder, in constant memory.

    The folder appears when it is complete. Until then the graphs are in .NAME.partial beside it; called again for the same files,
    an interrupted preparation goes on there, for others it starts anew.

    Args:
        paths: files of structures: extended XYZ and ASE databases are read one structure at a time, others at once.
        output: the folder; it must not exist.
        cutoff: edges are shorter than this [Å]; trainings may use a smaller one.
        keys: energy_key, forces_key and so on of read_frames.
        workers: processes beside this one; 0: none.

    Raises:
        FileExistsError: if there is such a folder or file.
        OSError: if it cannot be written, or another process writes it.
        FileNotFoundError, ImportError: for the reasons of open_source.
        ValueError: for the reasons of open_source, or if a structure is wrong; names it. Nothing is left behind then.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> _ = (folder / "a.xyz").write_text("2\\nenergy=-31.7\\nH 0 0 0\\nH 0 0 0.74\\n")
        >>> graphs = prepare([folder / "a.xyz"], folder / "prepared", cutoff=3.0)
        >>> len(graphs), graphs.table.num_edges.tolist(), graphs.graph(0, cutoff=3.0).energy.item()
        (1, [2], -31.7)
    """
    output = Path(output)
    if output.exists():
        raise FileExistsError(
            f"Expected a new folder for the graphs, got '{output}', which exists. Remove it or choose another name."
        )
    keys = {name: name.removesuffix("_key") for name in LABEL_KEYS} | (keys or {})
    source = JoinedFrames([open_source(path, keys) for path in paths])
    header = {
        "format": FORMAT,
        "cutoff": float(cutoff),
        "keys": keys,
        "sources": [_stamp(Path(path)) for path in paths],
    }
    output.parent.mkdir(parents=True, exist_ok=True)
    partial = output.with_name(f".{output.name}.partial")
    if _read(partial / HEADER) != header:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        (partial / HEADER).write_text(json.dumps(header), encoding="utf-8")
    try:
        table = _write(partial / GRAPHS, source, cutoff, workers)
    except ValueError:
        shutil.rmtree(partial)  # the file must change before this can succeed
        raise
    except sqlite3.Error as error:
        raise OSError(
            f"Expected to write '{partial}', got: {error}. Make room on the disk, or wait if another `eqgraph prepare` writes there; "
            "called again, this goes on where it stopped."
        ) from error
    # not save_file, whose files nobody else may read
    (partial / TABLE).write_bytes(save({name: getattr(table, name) for name in FrameTable.names()}))
    (partial / HEADER).write_text(json.dumps(header | {"num_graphs": len(table)}, indent=1), encoding="utf-8")
    for name in (HEADER, GRAPHS, TABLE):
        with (partial / name).open("rb+") as file:
            os.fsync(file.fileno())
    os.replace(partial, output)
    return PreparedGraphs(output, keys)


def _write(path: Path, source: FrameSource, cutoff: float, workers: int) -> FrameTable:
    with closing(sqlite3.connect(path, timeout=_WAIT)) as connection:
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute(
            "CREATE TABLE IF NOT EXISTS graphs (id INTEGER PRIMARY KEY, graph BLOB, checksum INTEGER, config_type TEXT)"
        )
        connection.execute(
            "CREATE TABLE IF NOT EXISTS rows (id INTEGER PRIMARY KEY, frame INTEGER, num_edges INTEGER, energy REAL, "
            "forces_square REAL, labels INTEGER, is_isolated INTEGER, digest BLOB, composition BLOB)"
        )
        (done,) = connection.execute("SELECT count(*) FROM graphs").fetchone()
        found = scan(source, cutoff, range(done, len(source)), workers, blobs=True)
        for index, (row, config_type, blob) in enumerate(
            with_progress(found, "Preparing graphs", len(source), done), done
        ):
            connection.execute("INSERT INTO graphs VALUES (?, ?, ?, ?)", (index, blob, zlib.crc32(blob), config_type))
            connection.execute("INSERT INTO rows VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", (index, *row))
            if (index + 1) % _BETWEEN_COMMITS == 0:
                connection.commit()
        connection.commit()
        return FrameTable.from_rows(_rows(connection))


def _rows(connection: sqlite3.Connection) -> Iterator[FrameRow]:
    for _, index, num_edges, energy, square, *others in connection.execute("SELECT * FROM rows ORDER BY id"):
        missing = float("nan")  # which SQLite stores as NULL
        yield FrameRow(
            index, num_edges, missing if energy is None else energy, missing if square is None else square, *others
        )


def _stamp(path: Path) -> dict[str, Any]:
    """Whether a file is still the same one."""
    status = path.stat()
    return {"path": str(path.resolve()), "size": status.st_size, "mtime_ns": status.st_mtime_ns}


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
