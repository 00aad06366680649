"""Clouds of points with classes, in memory."""

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Data

from eqgraph.o3 import Irreps

from .cloud import check_finite, check_points


class PointClouds(torch.utils.data.Dataset):
    """Clouds of points, each with a class or with a class per point.

    Each item is a Data with pos (n, 3), y and, if there are features, x (n, dim). y is (1,), the class of the cloud, or (n,), those of
    its points; then category (1,) says what kind of cloud it is. Coordinates have torch's default dtype. Points may coincide.

    Args:
        points: (n, 3) coordinates of each cloud.
        labels: class of each cloud; with point_labels its category (None: all clouds are of one).
        classes: names of the classes that y counts.
        features: (n, dim) features of the points of each cloud.
        irreps_in: irreps of a row of features.
        names: what the clouds are called, in messages.
        point_labels: (n,) classes of the points of each cloud.
        categories: names of the categories that labels count, with point_labels.
        parts: classes that points of each category can have; None: any.
        metadata: further arrays of one value per cloud.
        transform: applied to each Data when it is asked for; see eqgraph.transforms.

    Attributes:
        pos: (total, 3) points of all clouds, one after the other.
        ptr: (clouds + 1,) where each begins in pos.
        x: (total, dim) features, or None.
        y: (total,) classes of points, or None.
        labels: (clouds,) int64, as above.

    Raises:
        ValueError: if a cloud is empty, not three-dimensional or has NaN, features do not fit irreps_in, or a label has no class.

    Example:
        >>> clouds = PointClouds([np.zeros((5, 3)), np.ones((4, 3))], [1, 0], ["ball", "cube"])
        >>> clouds, clouds[0]
        (PointClouds(2 clouds, 4 to 5 points, 2 classes, irreps_in=''), Data(pos=[5, 3], y=[1]))
    """

    def __init__(
        self,
        points: Sequence[np.ndarray | Tensor],
        labels: Sequence[int] | np.ndarray | Tensor | None,
        classes: Sequence[str],
        *,
        features: Sequence[np.ndarray | Tensor] | None = None,
        irreps_in: str | Irreps = "",
        names: Sequence[str] | None = None,
        point_labels: Sequence[np.ndarray | Tensor] | None = None,
        categories: Sequence[str] = (),
        parts: Sequence[Sequence[int]] | None = None,
        metadata: Mapping[str, Sequence | np.ndarray] | None = None,
        transform: Callable[[Data], Data] | None = None,
    ) -> None:
        self.classes, self.categories = list(map(str, classes)), list(map(str, categories))
        self.irreps_in, self.transform = str(Irreps(irreps_in)), transform
        self.names = [f"cloud {index}" for index in range(len(points))] if names is None else list(map(str, names))
        self.per_point = point_labels is not None
        if self.per_point:
            self.categories = self.categories or ["all"]
            labels = np.zeros(len(points), dtype=np.int64) if labels is None else labels
        self.parts = (
            [list(range(len(self.classes)))] * len(self.categories) if parts is None else list(map(list, parts))
        )
        self.metadata = {key: np.asarray(values) for key, values in (metadata or {}).items()}
        self._check_lengths(len(points), labels=labels, names=self.names, features=features, **self.metadata)
        self._check_lengths(len(points), point_labels=point_labels)

        where = [f"Cloud {index} ('{name}')" for index, name in enumerate(self.names)]
        self.pos, sizes = _flat([check_points(np.asarray(p), where[i]) for i, p in enumerate(points)], (3,))
        self.ptr = torch.cat([torch.zeros(1, dtype=torch.int64), sizes.cumsum(0)])
        self.x = None if features is None else self._features(features, where)
        kind = self.categories if self.per_point else self.classes
        self.labels = torch.as_tensor(np.asarray(labels), dtype=torch.int64).reshape(-1)
        _check_labels(self.labels, kind, "Labels of clouds")
        self.y = None
        if point_labels is not None:
            arrays = [np.asarray(array) for array in point_labels]
            for index, array in enumerate(arrays):
                if array.shape != (int(sizes[index]),) or array.dtype.kind not in "iu":
                    raise ValueError(
                        f"{where[index]}: expected {int(sizes[index])} point labels that are indices of classes, got {array.dtype} "
                        f"of shape {array.shape}. Give one int64 per point."
                    )
                _check_labels(torch.as_tensor(array.astype(np.int64)), self.classes, f"{where[index]}: point labels")
            self.y = torch.from_numpy(np.concatenate([np.zeros(0, np.int64), *(a.astype(np.int64) for a in arrays)]))

    def __len__(self) -> int:
        return len(self.ptr) - 1

    def __getitem__(self, index: int) -> Data:
        position = range(len(self))[index]  # counts from the end if negative, and raises IndexError beyond it
        rows = slice(int(self.ptr[position]), int(self.ptr[position + 1]))
        data = Data(pos=self.pos[rows].clone())  # whoever works in place must not change the data set
        if self.y is None:
            data.y = self.labels[position : position + 1].clone()
        else:
            data.y, data.category = self.y[rows].clone(), self.labels[position : position + 1].clone()
        if self.x is not None:
            data.x = self.x[rows].clone()
        return data if self.transform is None else self.transform(data)

    @property
    def num_classes(self) -> int:
        """How many classes y counts, whether or not they occur."""
        return len(self.classes)

    @property
    def num_points(self) -> Tensor:
        """(clouds,) sizes."""
        return self.ptr.diff()

    def select(self, indices: Iterable[int] | np.ndarray | Tensor) -> "PointClouds":
        """Only these clouds, in this order; classes stay as they are.

        Args:
            indices: of clouds, or a mask (clouds,).

        Raises:
            IndexError: if there is no such cloud.

        Example:
            >>> clouds = PointClouds([np.zeros((5, 3)), np.ones((4, 3))], [1, 0], ["ball", "cube"])
            >>> clouds.select([1]).labels
            tensor([0])
        """
        index = torch.as_tensor(indices if isinstance(indices, torch.Tensor | np.ndarray) else list(indices))
        if index.dtype == torch.bool:
            if index.shape != self.labels.shape:
                raise IndexError(
                    f"Expected a mask of shape ({len(self)},), got {tuple(index.shape)}. Give one bool per cloud."
                )
            index = index.nonzero().squeeze(1)
        index = index.to(torch.int64)
        outside = index[(index < -len(self)) | (index >= len(self))].tolist()
        if outside:
            raise IndexError(f"Expected indices of {len(self)} clouds, got {outside[0]}. Leave it out.")
        index = index.remainder(max(len(self), 1))
        sizes = self.num_points[index]
        ptr = torch.cat([torch.zeros(1, dtype=torch.int64), sizes.cumsum(0)])
        rows = torch.arange(int(ptr[-1])) + (self.ptr[index] - ptr[:-1]).repeat_interleave(sizes)
        result = copy.copy(self)
        result.ptr, result.labels, result.pos = ptr, self.labels[index], self.pos[rows]
        result.x, result.y = (None if column is None else column[rows] for column in (self.x, self.y))
        result.names = [self.names[i] for i in index.tolist()]
        result.metadata = {key: values[index.numpy()] for key, values in self.metadata.items()}
        return result

    def select_classes(self, names: Sequence[str]) -> "PointClouds":
        """Only clouds of these classes, or categories if points have classes; labels are counted anew in the order of the names.

        Args:
            names: some of classes, or of categories.

        Raises:
            ValueError: if there is no such class, or one is named twice.

        Example:
            >>> clouds = PointClouds([np.zeros((5, 3)), np.ones((4, 3))], [1, 0], ["ball", "cube"])
            >>> clouds.select_classes(["cube"]).labels
            tensor([0])
        """
        known = self.categories if self.per_point else self.classes
        check_classes(names, known, "categories" if self.per_point else "classes")
        wanted = [known.index(name) for name in names]
        result = self.select(torch.isin(self.labels, torch.tensor(wanted, dtype=torch.int64)))
        result.labels = _renumbered(result.labels, wanted, len(known))
        if self.per_point:
            kept = sorted({part for category in wanted for part in self.parts[category]})
            result.categories, result.classes = list(names), [self.classes[part] for part in kept]
            result.parts = [[kept.index(part) for part in self.parts[category]] for category in wanted]
            result.y = _renumbered(result.y, kept, len(self.classes))
        else:
            result.classes = list(names)
        return result

    def __repr__(self) -> str:
        sizes = self.num_points
        low, high = (int(sizes.min()), int(sizes.max())) if len(sizes) else (0, 0)
        points = f"{low} points each" if low == high else f"{low} to {high} points"
        classes = f"{self.num_classes} classes{' of points' if self.per_point else ''}"
        return f"PointClouds({len(self)} clouds, {points}, {classes}, irreps_in='{self.irreps_in}')"

    def _features(self, features: Sequence[np.ndarray | Tensor], where: list[str]) -> Tensor:
        dim, sizes = Irreps(self.irreps_in).dim, self.num_points.tolist()
        arrays = [np.asarray(array) for array in features]
        for index, array in enumerate(arrays):
            if array.shape != (sizes[index], dim):
                raise ValueError(
                    f"{where[index]}: expected features of shape ({sizes[index]}, {dim}) for irreps_in='{self.irreps_in}', got "
                    f"{array.shape}. Correct irreps_in, or give every point the same {dim} columns."
                )
            check_finite(array, "features", where[index])
        return _flat(arrays, (dim,))[0]

    def _check_lengths(self, num: int, **columns: object) -> None:
        for name, values in columns.items():
            if values is not None and len(values) != num:
                raise ValueError(
                    f"PointClouds: expected {name} of {num} clouds, as points has, got {len(values)}. Give one per cloud."
                )


def check_classes(names: Sequence[str], known: Sequence[str], what: str) -> None:
    """Whether some classes can be chosen out of others.

    Args:
        names: of the chosen ones.
        known: of all.
        what: what they are, for messages.

    Raises:
        ValueError: if there is no such class, one is named twice, or none at all.

    Example:
        >>> check_classes(["cube"], ["ball", "cube"], "classes")
    """
    unknown = [name for name in names if name not in known]
    if isinstance(names, str) or unknown or not len(names) or len(set(names)) < len(names):
        raise ValueError(
            f"Expected a list of different {what} out of {', '.join(known)}, got {names!r}"
            f"{'' if isinstance(names, str) or not unknown else ' with the unknown ' + ', '.join(map(repr, unknown))}. Correct the "
            "list."
        )


def _flat(arrays: list[np.ndarray], shape: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """All arrays one after the other, and how long each is."""
    dtype = torch.get_default_dtype()
    tensors = [torch.empty(0, *shape, dtype=dtype), *(torch.as_tensor(array).to(dtype) for array in arrays)]
    return torch.cat(tensors), torch.tensor([len(array) for array in arrays], dtype=torch.int64)


def _check_labels(labels: Tensor, classes: Sequence[str], what: str) -> None:
    wrong = labels[(labels < 0) | (labels >= len(classes))]
    if len(wrong):
        raise ValueError(
            f"{what}: expected 0 to {len(classes) - 1} for the classes {', '.join(classes)}, got {int(wrong[0])}. Add a class, or "
            "repair the labels."
        )


def _renumbered(labels: Tensor, wanted: list[int], num: int) -> Tensor:
    table = torch.full((num,), -1)
    table[wanted] = torch.arange(len(wanted))
    return table[labels]
