"""ASE databases by the number of the row."""

from __future__ import annotations

import os
import sqlite3
from contextlib import ExitStack, closing
from pathlib import Path

import ase
import numpy as np
from ase.db.core import Database

from .connect_database import connect_database, require_database_package
from .frame_source import FrameSource


class DatabaseSource(FrameSource):
    """Rows of an ASE database in the order of their ids: SQLite (.db) or LMDB (.aselmdb).

    Args:
        path: of the file.
        keys: energy_key, forces_key, stress_key of read_frames; looked for in key_value_pairs and data, too.

    Raises:
        FileNotFoundError: if there is no such file.
        ImportError: if it is an ASE LMDB and the package that reads these is not installed.
        ValueError: if it is empty or no database.

    Example:
        >>> import ase.db, tempfile
        >>> path = Path(tempfile.mkdtemp()) / "hydrogen.db"
        >>> with ase.db.connect(path) as database:
        ...     _ = database.write(ase.Atoms("H"), data={"REF_energy": -13.6})
        >>> DatabaseSource(path, {"energy_key": "REF_energy"}).frame(0).energy
        -13.6
    """

    def __init__(self, path: str | Path, keys: dict[str, str] | None = None) -> None:
        super().__init__(path, keys)
        require_database_package(self.path)
        try:
            self._ids = _ids(self.path)
        except Exception as error:
            raise ValueError(
                f"Expected '{self.path}' to be an ASE database, got {type(error).__name__}: {error}. Repair or convert the file."
            ) from error
        if not len(self._ids):
            raise ValueError(
                f"Expected structures in '{self.path}', got a database without rows. Write the file again."
            )
        self._opened: tuple[int, Database, ExitStack] | None = None

    def __len__(self) -> int:
        return len(self._ids)

    def read(self, index: int) -> ase.Atoms:
        return self._open().get(int(self._ids[index])).toatoms(add_additional_information=True)

    def _open(self) -> Database:
        if self._opened is None or self._opened[0] != os.getpid():  # SQLite connections must not be shared by forks
            database, stack = connect_database(self.path), ExitStack()
            if self.path.suffix != ".aselmdb":
                stack.enter_context(database)  # one connection for all rows
            self._opened = (os.getpid(), database, stack)
        return self._opened[1]

    def __getstate__(self) -> dict:
        return self.__dict__ | {"_opened": None}

    def __del__(self) -> None:
        if (opened := getattr(self, "_opened", None)) is not None and opened[0] == os.getpid():
            opened[2].close()


def _ids(path: Path) -> np.ndarray:
    if path.suffix == ".aselmdb":
        return np.array(connect_database(path).ids, dtype=np.int64)
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as connection:
        rows = connection.execute("SELECT id FROM systems ORDER BY id")
        return np.fromiter((number for (number,) in rows), dtype=np.int64)
