"""How clouds are turned in training and in tests."""

from torch_geometric.transforms import BaseTransform, Compose

from eqgraph.o3 import Irreps

from .random_rotation import RandomRotation

_GROUPS = ("none", "z", "SO3", "O3")


def protocol(name: str, irreps_x: str | Irreps | None = None) -> tuple[BaseTransform, BaseTransform]:
    """The transforms of a protocol "training/test", such as "z/SO3": turned about z in training, any way in the test.

    Args:
        name: two of "none", "z", "SO3" and "O3", with a slash between. Published are "z/z", "z/SO3" and "SO3/SO3".
        irreps_x: irreps of a row of data.x, which turns with the points; see RandomRotation.

    Returns:
        The transforms of training and test clouds; the one of "none" does nothing.

    Raises:
        ValueError: for other names.

    Example:
        >>> protocol("z/SO3")
        (RandomRotation('z'), RandomRotation('SO3'))

    Reference: Esteves et al. 2018, arXiv:1711.06721.
    """
    groups = name.split("/")
    if len(groups) != 2 or not set(groups) <= set(_GROUPS):
        raise ValueError(
            f"Expected a protocol of two of {', '.join(_GROUPS)} with a slash between, got {name!r}. Write 'z/SO3', for example."
        )
    train, test = (Compose([]) if group == "none" else RandomRotation(group, irreps_x) for group in groups)
    return train, test
