"""Normals and other features as one array with irreps."""

import numpy as np

from eqgraph.o3 import Irreps

from .cloud import Cloud
from .listing import Entry


def stack_features(
    clouds: list[Cloud], entries: list[Entry], irreps: str | None
) -> tuple[list[np.ndarray] | None, str]:
    """Normals and features side by side, and the irreps of both.

    Args:
        clouds: at least one.
        entries: where they come from, for messages.
        irreps: of features whose file does not tell.

    Returns:
        (n, dim) features of each cloud, None if there are none, and their irreps.

    Raises:
        ValueError: if clouds have different features, or nobody knows their irreps.

    Example:
        >>> cloud = Cloud(np.zeros((2, 3)), normals=np.ones((2, 3)))
        >>> stack_features([cloud], [Entry("plane", None, 0, lambda: cloud)], None)[1]
        '1x1o'
    """
    first = None
    rows = []
    for index, (cloud, entry) in enumerate(zip(clouds, entries, strict=True)):
        where = f"Cloud {index} ('{entry.name}')"
        own = [] if cloud.normals is None else ["1x1o"]
        if cloud.features is not None:
            known = irreps if cloud.irreps is None else cloud.irreps
            if known is None:
                raise ValueError(
                    f"{where}: expected the irreps of its {cloud.features.shape[1]} columns of features, got none. Say what they are: "
                    "irreps='3x0e' for colors, irreps='1x1o' for normals, for example."
                )
            try:
                Irreps(known)
            except ValueError as error:
                raise ValueError(f"{where}: {error}") from None
            own.append(known)
        signature = " + ".join(own)
        if first is None:
            first = signature
        if signature != first:
            raise ValueError(
                f"{where}: expected features '{first}' as in '{entries[0].name}', got '{signature}'. Give all clouds the same "
                "features, or pass normals=False."
            )
        rows.append([column for column in (cloud.normals, cloud.features) if column is not None])
    return ([np.concatenate(columns, axis=1) for columns in rows], first) if first else (None, "")
