"""Which labels are in the files, under which keys, and which frames have none."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

from eqgraph.datasets.labels import label_sources
from eqgraph.datasets.read_frames import available_keys

from .data_file import CheckedData, DataFile
from .finding import Finding

CHECK = "labels"
_STRUCTURAL = {"numbers", "positions", "initial_magmoms", "initial_charges", "tags", "momenta", "masses"}


def check_labels_found(data: CheckedData) -> Iterator[Finding]:
    """Say which labels were found where, and which are missing in all frames or in some."""
    for file in data.files:
        yield _found(file)
        for name, key in data.keys.items():
            if name != "virial":  # it is read as a stress
                yield from _missing(file, name, key, data)


def _found(file: DataFile) -> Finding:
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for atoms in file.structures:
        for source, values in label_sources(atoms):
            counts[source].update(str(key) for key in values if str(key) not in _STRUCTURAL)
    texts = [
        f"{source}: {', '.join(f'{key} ({number})' for key, number in sorted(keys.items()))}"
        for source, keys in counts.items()
        if keys
    ]
    message = f"{len(file.structures)} frames. Keys that are there: {'; '.join(texts) or 'none'}."
    return Finding(
        "info", CHECK, message, file.name, numbers={source: dict(keys) for source, keys in counts.items() if keys}
    )


def _missing(file: DataFile, name: str, key: str, data: CheckedData) -> Iterator[Finding]:
    frames = file.molecules or file.frames
    if not frames:
        return
    missing = [frame.index for frame in frames if getattr(frame, name) is None]
    numbers = {"num_frames": len(frames), "num_missing": len(missing)}
    if not missing:
        yield Finding("ok", CHECK, f"All {len(frames)} frames have {name} under {key!r}.", file.name, numbers=numbers)
        return
    if len(missing) < len(frames):
        message = (
            f"Expected {name} {key!r} in every frame, "
            f"came {len(missing)} of {len(frames)} frames without it. They are left out of that "
            "part of the loss: see to it that this is meant."
        )
        yield Finding("warning", CHECK, message, file.name, tuple(missing), numbers)
        return
    structures = [frame.atoms for frame in frames]
    hint = available_keys(name, dict(data.keys), structures)
    meant = name[:-1] if name == "forces" else name
    similar = any(
        meant in str(k).lower() or (name == "stress" and "virial" in str(k).lower())
        for atoms in structures
        for _, values in label_sources(atoms)
        for k in values
        if k not in data.keys.values()
    )
    nothing = all(frame.energy is None and frame.forces is None for frame in frames)
    if name in ("stress", "dipole") and not similar:
        return  # molecules have none, or crystals
    option = f"Pass --{name}-key, or data.{name}_key in a config, if it has another name." if similar else ""
    severity = (
        "error" if nothing and name in ("energy", "forces") else "warning" if similar or name == "energy" else "info"
    )
    message = f"Expected {name} under the key {key!r}, came {len(frames)} frames of which none has it. {hint} {option}"
    yield Finding(severity, CHECK, message.strip(), file.name, numbers=numbers)
