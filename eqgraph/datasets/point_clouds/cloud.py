"""The points of one object, as a file has them."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Cloud:
    """Points and what is known of each of them.

    Attributes:
        points: (n, 3) coordinates.
        normals: (n, 3) normals of the surface, None if there are none.
        features: (n, dim) other features, None if there are none.
        irreps: irreps of a row of features; None if the file does not tell.
        point_labels: (n,) class of each point, None if only the whole object has one.

    Example:
        >>> Cloud(np.zeros((5, 3))).take(np.arange(2)).points.shape
        (2, 3)
    """

    points: np.ndarray
    normals: np.ndarray | None = None
    features: np.ndarray | None = None
    irreps: str | None = None
    point_labels: np.ndarray | None = None

    @classmethod
    def from_table(cls, table: np.ndarray) -> "Cloud":
        """From rows x y z and features, whose irreps nobody knows."""
        if table.ndim != 2 or table.shape[1] <= 3:
            return cls(table)
        return cls(table[:, :3], features=table[:, 3:])

    def take(self, index: np.ndarray) -> "Cloud":
        """Only the points of these indices."""
        columns = (self.points, self.normals, self.features)
        points, normals, features = (None if column is None else column[index] for column in columns)
        labels = None if self.point_labels is None else self.point_labels[index]
        return Cloud(points, normals, features, self.irreps, labels)


def check_points(points: np.ndarray, where: str) -> np.ndarray:
    """The points, if they are finite, three-dimensional and at least one.

    Args:
        points: what should be (n, 3) coordinates.
        where: the cloud's name in messages.

    Raises:
        ValueError: if they are not.

    Example:
        >>> check_points(np.zeros((5, 2)), "cloud 7")
        Traceback (most recent call last):
        ...
        ValueError: cloud 7: expected points of shape (n, 3), got (5, 2). Append a column of zeros to points of a plane: ...
    """
    if points.ndim == 2 and points.shape[1] == 2:
        raise ValueError(
            f"{where}: expected points of shape (n, 3), got {points.shape}. Append a column of zeros to points of a plane: "
            "np.pad(points, ((0, 0), (0, 1)))."
        )
    if points.ndim != 2 or (points.shape[1] != 3 and len(points)):
        raise ValueError(
            f"{where}: expected points of shape (n, 3), got {points.shape}. Store one row x y z per point."
        )
    if len(points) == 0:
        raise ValueError(f"{where}: expected at least one point, got an empty cloud. Remove it.")
    return check_finite(points, "coordinates", where)


def check_finite(array: np.ndarray, what: str, where: str) -> np.ndarray:
    """The array, if it holds finite numbers.

    Args:
        array: any shape.
        what: what it holds, for messages.
        where: the cloud's name in messages.

    Raises:
        ValueError: if it does not.

    Example:
        >>> check_finite(np.ones(2), "normals", "cloud 7")
        array([1., 1.])
    """
    if array.dtype.kind not in "iufb":
        raise ValueError(f"{where}: expected numbers as {what}, got {array.dtype}. Store them as float32.")
    if not np.isfinite(array).all():
        rows = np.flatnonzero(~np.isfinite(array).reshape(len(array), -1).all(1))
        raise ValueError(
            f"{where}: expected finite {what}, got NaN or infinite ones in {len(rows)} of {len(array)} points, the first is "
            f"point {rows[0]}. Remove these points or the cloud."
        )
    return array
