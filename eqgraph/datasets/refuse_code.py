"""Files that would run code, or import a program, when they are read."""

import os
import zipfile
from pathlib import Path

_PICKLE_PROTOCOLS = tuple(b"\x80" + bytes([protocol]) for protocol in range(2, 6))
_CODE = {".py": "a Python program", ".pkl": "a pickle", ".pickle": "a pickle", ".pt": "a pickle of PyTorch"}
_CODE |= {".pth": "a pickle of PyTorch", ".joblib": "a pickle", ".gpw": "a file that only GPAW reads"}


def refuse_code(path: str | os.PathLike) -> None:
    """Refuse pickles (whatever they are called), Python programs and the like: none is ever loaded to look what is in it.

    ASE's readers of structures execute nothing themselves; old trajectories (PickleTrajectory) it cannot read any more.

    Args:
        path: of a file, or of a folder, which is let through.

    Raises:
        ValueError: names what the file is.

    Example:
        >>> import pickle, tempfile
        >>> path = Path(tempfile.mkdtemp()) / "train.xyz"
        >>> _ = path.write_bytes(pickle.dumps([1, 2]))
        >>> refuse_code(path)
        Traceback (most recent call last):
        ...
        ValueError: ...train.xyz: expected data, got a pickle, which can run any code when it is loaded. ...
    """
    path = Path(path)
    if not path.is_file():
        return
    if (what := _CODE.get(path.suffix.lower()) or _pickle(path)) is not None:
        raise ValueError(
            f"{path}: expected data, got {what}, which can run any code when it is loaded. Convert it where you trust it, for "
            "example to extended XYZ: ase.io.write('structures.xyz', structures)."
        )


def _pickle(path: Path) -> str | None:
    with path.open("rb") as file:
        start = file.read(2)
    if start in _PICKLE_PROTOCOLS:
        return "a pickle"
    if start == b"PK" and zipfile.is_zipfile(path):
        try:
            with zipfile.ZipFile(path) as archive:
                names = archive.namelist()
        except (zipfile.BadZipFile, OSError, ValueError):
            return None
        if any(name.endswith("data.pkl") for name in names):
            return "a pickle of PyTorch"
    return None
