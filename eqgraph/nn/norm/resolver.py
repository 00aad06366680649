"""Normalizations by name, as configurations give them."""

from eqgraph.o3 import Irreps

from .norm import Norm


def normalization_resolver(query: str | type[Norm] | Norm | None, irreps: Irreps | str, **options) -> Norm | None:
    """A normalization layer from its name: "batch", "BatchNorm", "batch_norm" and "batch-norm" are the same.

    Args:
        query: name, class, or a finished layer, which is returned as it is; None or "none": no layer.
        irreps: of the features.
        options: further arguments of the class.

    Raises:
        ValueError: if there is no such normalization.

    Example:
        >>> normalization_resolver("instance", "2x0e + 1x1o", affine=True)
        InstanceNorm (2x0e+1x1o, eps=1e-05)
        >>> normalization_resolver("none", "2x0e") is None
        True

    Reference: torch_geometric.nn.resolver.normalization_resolver, which it works like.
    """
    if query is None or isinstance(query, Norm):
        return query
    if isinstance(query, type):
        return query(irreps, **options)
    import eqgraph.nn.norm as family  # complete only after this module

    name = _simplified(query)
    if name == "none":
        return None
    classes = {
        _simplified(cls.__name__): cls for cls in (getattr(family, name) for name in family.__all__) if _is_norm(cls)
    }
    if name not in classes:
        known = ", ".join(sorted(cls.__name__ for cls in classes.values()))
        raise ValueError(
            f"normalization_resolver: expected the name of a normalization ({known}), or 'none', got {query!r}. Choose one of these."
        )
    return classes[name](irreps, **options)


def _is_norm(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, Norm)


def _simplified(name: str) -> str:
    name = name.lower().replace("_", "").replace("-", "").replace(" ", "")
    return name.removesuffix("norm") or name
