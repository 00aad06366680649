"""What there is to read in a folder, before anything is read."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from .cloud import Cloud
from .mesh import Mesh

SPLITS = {
    **{"train": "train", "training": "train"},
    **{"valid": "valid", "val": "valid", "validation": "valid"},
    **{"test": "test", "testing": "test"},
}
"""What splits are called, and what they are called here."""


@dataclass(frozen=True, eq=False)
class Entry:
    """One cloud of a listing.

    Attributes:
        name: which file it is in, and where.
        split: "train", "valid" or "test", another word for a file called so, None if there are no splits.
        label: index of its class, or of its category if the points have classes of their own.
        load: reads it.
        metadata: what else is known of it.

    Example:
        >>> import numpy as np
        >>> Entry("cube.xyz", None, 0, lambda: Cloud(np.zeros((1, 3)))).load().points.shape
        (1, 3)
    """

    name: str
    split: str | None
    label: int
    load: Callable[[], Cloud | Mesh]
    metadata: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Listing:
    """All clouds of a folder, of every split.

    Attributes:
        entries: the clouds.
        classes: names of the classes, of clouds or of points.
        categories: names of the classes of clouds if those of points are others.
        parts: classes of the points of each category; None: all.
        is_shuffled: whether the first points of a cloud are as good as any others.

    Example:
        >>> Listing([], ["cube", "ball"]).labels_name
        'classes'
    """

    entries: Sequence[Entry]
    classes: Sequence[str]
    categories: Sequence[str] = ()
    parts: Sequence[Sequence[int]] | None = None
    is_shuffled: bool = False

    @property
    def label_names(self) -> list[str]:
        """Names of the labels of whole clouds."""
        return list(self.categories or self.classes)

    @property
    def labels_name(self) -> str:
        """What the labels of whole clouds are, for messages."""
        return "categories" if self.categories else "classes"

    def check_splits(self) -> None:
        """Whatever is tested must have been trained on.

        Raises:
            ValueError: naming the classes that other splits have and the training split has not.
        """
        seen = {entry.label for entry in self.entries if entry.split == "train"}
        unseen = sorted({entry.label for entry in self.entries if entry.split not in ("train", None)} - seen)
        if seen and unseen:
            names = [self.label_names[label] for label in unseen]
            splits = sorted({str(entry.split) for entry in self.entries if entry.label in unseen})
            raise ValueError(
                f"Expected every class in the training split, got {', '.join(map(repr, names))} only in {', '.join(splits)}. "
                "Leave them out with classes=[...], or correct the folders."
            )
