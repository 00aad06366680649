"""OFF files: the meshes of ModelNet."""

import os
import re
from pathlib import Path

import numpy as np

from .mesh import Mesh

_HEADER = re.compile(r"(?:ST)?C?N?OFF(?=\s|\d|$)\s*")


def read_off(path: str | os.PathLike) -> Mesh:
    """The mesh of an OFF file; faces of more than three vertices become fans of triangles, shorter ones are left out.

    Counts may follow the word OFF without a line break ("OFF490 518 0", as in half of ModelNet) and the word may be
    missing; comments, blank lines, either kind of line break and colors or normals after the coordinates are no matter.

    Args:
        path: the file.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is no OFF file, is binary or four-dimensional, ends early, or a face names a vertex that is not there.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "triangle.off"
        >>> _ = path.write_text("OFF3 1 0\\n0 0 0\\n1 0 0\\n0 1 0\\n3 0 1 2\\n")
        >>> read_off(path).triangles
        array([[0, 1, 2]])
    """
    text = Path(path).read_text(encoding="latin-1")  # the names in comments may be in any encoding
    lines = [line for line in (raw.split("#", 1)[0].strip() for raw in text.lstrip("ï»¿").splitlines()) if line]
    num_vertices, num_faces, lines = _counts(lines, path)
    if len(lines) < num_vertices + num_faces:
        raise ValueError(
            f"{path}: expected {num_vertices} vertices and {num_faces} faces as its header says, got {len(lines)} lines. The "
            "file is cut off: copy it again."
        )
    vertices = _vertices(lines[:num_vertices], path)
    return Mesh(vertices, _triangles(lines[num_vertices : num_vertices + num_faces], len(vertices), path))


def _counts(lines: list[str], path: str | os.PathLike) -> tuple[int, int, list[str]]:
    first = lines[0] if lines else ""
    header = _HEADER.match(first)
    rest = [first[header.end() :], *lines[1:]] if header else lines
    if header and not rest[0]:
        rest = rest[1:]
    counts = rest[0].split() if rest else []
    if not (2 <= len(counts) <= 3 and all(count.isdecimal() for count in counts)):
        raise ValueError(
            f"{path}: expected the header of an OFF file, 'OFF' and the numbers of vertices, faces and edges, got "
            f"{' '.join([first, *lines[1:2]])[:60]!r}. Save the mesh as an ASCII OFF file of three dimensions."
        )
    return int(counts[0]), int(counts[1]), rest[1:]


def _vertices(lines: list[str], path: str | os.PathLike) -> np.ndarray:
    rows = [line.split()[:3] for line in lines]
    try:
        return np.array(rows, dtype=np.float64).reshape(len(rows), 3)
    except ValueError as error:
        index = next(index for index, row in enumerate(rows) if len(row) < 3 or not all(map(_is_number, row)))
        raise ValueError(
            f"{path}: expected three coordinates of vertex {index}, got {lines[index][:60]!r}. Repair the file."
        ) from error


def _triangles(lines: list[str], num_vertices: int, path: str | os.PathLike) -> np.ndarray:
    fans = [np.zeros((0, 3), dtype=np.int64)]
    by_size: dict[int, list[list[str]]] = {}
    for line in lines:
        row = line.split()
        size = int(row[0]) if row[0].isdecimal() else -1
        if not 0 <= size < len(row):
            raise ValueError(
                f"{path}: expected a face as the number of its vertices and their indices, got {line[:60]!r}. Repair the file."
            )
        by_size.setdefault(size, []).append(row[1 : 1 + size])  # colors may follow
    for size, rows in by_size.items():
        if size < 3:
            continue
        try:
            faces = np.array(rows, dtype=np.int64)  # (faces, size)
        except ValueError as error:
            raise ValueError(f"{path}: expected whole numbers in faces, got {error}. Repair the file.") from error
        if faces.min() < 0 or faces.max() >= num_vertices:
            wrong = faces.min() if faces.min() < 0 else faces.max()
            raise ValueError(
                f"{path}: expected faces between the vertices 0 to {num_vertices - 1}, got vertex {wrong}. Repair the file."
            )
        fans += [faces[:, [0, corner, corner + 1]] for corner in range(1, size - 1)]
    return np.concatenate(fans)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
