"""PLY files: the points, with normals and colors."""

import os
from pathlib import Path

import numpy as np

from .cloud import Cloud

_ENDIAN = {"ascii": "", "binary_little_endian": "<", "binary_big_endian": ">"}
_TYPES = {
    **{
        "char": "i1",
        "uchar": "u1",
        "short": "i2",
        "ushort": "u2",
        "int": "i4",
        "uint": "u4",
        "float": "f4",
        "double": "f8",
    },
    **{"int8": "i1", "uint8": "u1", "int16": "i2", "uint16": "u2", "int32": "i4", "uint32": "u4"},
    **{"float32": "f4", "float64": "f8"},
}
_Element = tuple[str, int, list[tuple[str, str]]]
"""Name, number, and (name, type) of the properties of what a file holds; the type "list" for faces and the like."""


def read_ply(path: str | os.PathLike) -> Cloud:
    """The vertices of a PLY file, ASCII or binary; nx ny nz become normals, red green blue features in [0, 1] (3x0e).

    Faces and other properties are left out.

    Args:
        path: the file.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is no PLY file, has no vertices with x, y and z, or ends early.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "point.ply"
        >>> header = "ply\\nformat ascii 1.0\\nelement vertex 1\\nproperty float x\\nproperty float y\\nproperty float z\\n"
        >>> _ = path.write_text(header + "end_header\\n1 2 3\\n")
        >>> read_ply(path).points
        array([[1., 2., 3.]])
    """
    data = Path(path).read_bytes()
    endian, elements, start = _header(data, path)
    columns = _ascii(data[start:], elements, path) if not endian else _binary(data, start, endian, elements, path)
    missing = [name for name in "xyz" if name not in columns]
    if missing:
        raise ValueError(
            f"{path}: expected vertices with x, y and z, got {', '.join(columns) or 'no properties'}. Write the missing "
            f"{', '.join(missing)}, zero for points of a plane."
        )
    return Cloud(_stack(columns, "x", "y", "z"), _stack(columns, "nx", "ny", "nz"), *_colors(columns))


def _header(data: bytes, path: str | os.PathLike) -> tuple[str, list[_Element], int]:
    end = data.find(b"end_header")
    newline = data.find(b"\n", end)
    start = (newline if newline >= 0 else len(data)) + 1
    lines = [line.split() for line in data[: max(end, 0)].decode("latin-1").splitlines() if line.strip()]
    formats = [line[1] for line in lines if line[0] == "format" and len(line) > 1]
    elements: list[_Element] = []
    try:
        for line in lines:
            if line[0] == "element":
                elements.append((line[1], int(line[2]), []))
            elif line[0] == "property":
                elements[-1][2].append((line[-1], "list" if line[1] == "list" else _TYPES[line[1]]))
    except (ValueError, KeyError, IndexError):
        formats = []
    if not data.startswith(b"ply") or len(formats) != 1 or formats[0] not in _ENDIAN:
        raise ValueError(
            f"{path}: expected the header of a PLY file, from 'ply' and 'format ascii 1.0' or binary to 'end_header', got "
            f"{data[:60]!r}. Write the file again."
        )
    if "vertex" not in [name for name, _, _ in elements]:
        raise ValueError(
            f"{path}: expected an element 'vertex', got {', '.join(name for name, _, _ in elements) or 'no element'}. Save the "
            "points as vertices."
        )
    return _ENDIAN[formats[0]], elements, start


def _ascii(body: bytes, elements: list[_Element], path: str | os.PathLike) -> dict[str, np.ndarray]:
    lines = [line for line in body.decode("latin-1").splitlines() if line.strip()]
    skipped = 0
    for name, num, properties in elements:
        if name == "vertex":
            rows = [line.split() for line in lines[skipped : skipped + num]]
            _check_length(len(rows), num, path)
            names = [name for name, _ in properties]
            try:
                values = np.array(rows, dtype=np.float64).reshape(num, len(names))
            except ValueError as error:
                raise ValueError(
                    f"{path}: expected {len(names)} numbers per vertex ({' '.join(names)}), got other rows ({error}). Repair the "
                    "file."
                ) from error
            limits = {name: np.iinfo(kind).max for name, kind in properties if kind[0] in "iu"}
            return {
                name: values[:, i] / limits.get(name, 1) if name in _RGB else values[:, i]
                for i, name in enumerate(names)
            }
        skipped += num
    raise AssertionError("the header was checked")


def _binary(
    data: bytes, start: int, endian: str, elements: list[_Element], path: str | os.PathLike
) -> dict[str, np.ndarray]:
    for name, num, properties in elements:
        if "list" in [kind for _, kind in properties]:
            raise ValueError(
                f"{path}: expected vertices without lists, before elements that have them, got lists in {name!r}. Write the "
                "vertices first, or an ASCII file."
            )
        row = np.dtype([(name, endian + kind) for name, kind in properties])
        if name == "vertex":
            _check_length((len(data) - start) // row.itemsize if row.itemsize else 0, num, path)
            table = np.frombuffer(data, row, num, start)
            return {
                name: table[name] / np.iinfo(kind).max
                if name in _RGB and kind[0] in "iu"
                else table[name].astype(np.float64)
                for name, kind in properties
            }
        start += num * row.itemsize
    raise AssertionError("the header was checked")


_RGB = ("red", "green", "blue")


def _check_length(got: int, num: int, path: str | os.PathLike) -> None:
    if got < num:
        raise ValueError(f"{path}: expected {num} vertices, got {got}. The file is cut off: copy it again.")


def _stack(columns: dict[str, np.ndarray], *names: str) -> np.ndarray | None:
    return np.stack([columns[name] for name in names], axis=1) if set(names) <= set(columns) else None


def _colors(columns: dict[str, np.ndarray]) -> tuple[np.ndarray | None, str | None]:
    colors = _stack(columns, *_RGB)
    return colors, None if colors is None else "3x0e"
