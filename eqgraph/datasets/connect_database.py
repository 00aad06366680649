"""ASE databases, to read: SQLite (.db), JSON (.json) and LMDB (.aselmdb)."""

import importlib.util
import os
from pathlib import Path
from weakref import WeakValueDictionary

import ase.db
from ase.db.core import Database

_opened: WeakValueDictionary[tuple[int, str], Database] = WeakValueDictionary()
"""Process and file -> LMDB: a process may open one only once."""


def connect_database(path: Path) -> Database:
    """Open a database for reading, without a lock: several processes may.

    Raises:
        ImportError: for the reasons of require_database_package.
    """
    require_database_package(path)
    if path.suffix != ".aselmdb":
        return ase.db.connect(str(path), serial=True, use_lock_file=False)
    opened = os.getpid(), str(path.resolve())
    if (database := _opened.get(opened)) is None:
        database = ase.db.connect(str(path), serial=True, use_lock_file=False, readonly=True)
        _opened[opened] = database
    return database


def require_database_package(path: Path) -> None:
    """Refuse a database whose reader is not installed; other files are none of its business.

    Raises:
        ImportError: if the file is an ASE LMDB and ase-db-backends is missing; says how to get it.
    """
    if path.suffix == ".aselmdb" and importlib.util.find_spec("ase_db_backends") is None:
        raise ImportError(
            f"Expected the package ase-db-backends to read the ASE LMDB '{path}', found none. Install it with "
            "`pip install eqgraph[aselmdb]`."
        )
