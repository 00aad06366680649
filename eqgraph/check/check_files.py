"""All checks, on files or on frames that are in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from eqgraph.datasets import Frame

from .compositions import check_compositions
from .constraints import check_constraints
from .data_file import CheckedData, DataFile
from .distances import check_distances
from .duplicates import check_duplicates
from .elements import check_elements
from .energy_unit import check_energy_unit
from .finding import CheckReport, Finding
from .force_energy import check_force_energy
from .isolated_atoms import check_isolated_atoms
from .labels_found import check_labels_found
from .length_unit import check_length_unit
from .neighbors import check_neighbors
from .net_force import check_net_force
from .read import read_file
from .stress_energy import check_stress_energy
from .stress_unit import check_stress_unit

Check = Callable[[CheckedData], Iterator[Finding]]

QUICK: tuple[Check, ...] = (
    check_constraints,
    check_length_unit,
    check_energy_unit,
    check_stress_unit,
    check_net_force,
    check_force_energy,
    check_stress_energy,
)
"""What training looks at before it begins."""

ALL: tuple[Check, ...] = (
    check_labels_found,
    check_elements,
    check_isolated_atoms,
    check_compositions,
    *QUICK,
    check_distances,
    check_neighbors,
    check_duplicates,
)

KEYS = {name: name for name in ("energy", "forces", "stress", "virial", "dipole")}


def check_files(
    paths: Sequence[str | Path],
    keys: Mapping[str, str] = KEYS,
    cutoff: float = 5.0,
    step: Callable[[str, int, int], None] = lambda what, done, total: None,
) -> tuple[CheckReport, CheckedData]:
    """Read files and run all checks.

    Args:
        paths: files that ASE reads; the first is what one trains on.
        keys: "energy" [eV], "forces" [eV/Å], "stress" [eV/Å³], "virial" [eV] and "dipole" [e·Å] -> name of the label.
        cutoff: distance up to which atoms are neighbors [Å].
        step: called with what is being done, how many steps are done and how many there are.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if nothing in a file can be read, a file is named twice, or the cutoff is not a positive number.

    Example:
        >>> import ase, ase.io, tempfile
        >>> file = Path(tempfile.mkdtemp()) / "hydrogen.xyz"
        >>> ase.io.write(file, ase.Atoms("H2", [[0, 0, 0], [0, 0, 0.74]], info={"REF_energy": -31.7}))
        >>> report, _ = check_files([file])
        >>> print(report.of("error")[0].message)
        Expected energy under the key 'energy', came 1 frames of which none has it. Keys that are there: atoms.info: REF_energy. Did you
        mean 'REF_energy' for the energy key? Pass --energy-key, or data.energy_key in a config, if it has another name.
    """
    if not 0 < cutoff < float("inf"):
        raise ValueError(f"Expected a cutoff above 0 Å, came {cutoff}. 4 to 6 Å is usual for potentials.")
    if twice := {str(path) for path in paths if list(map(str, paths)).count(str(path)) > 1}:
        raise ValueError(f"Expected every file once, came {', '.join(sorted(twice))} twice. Leave one of them out.")
    if "virial" in keys.get("stress", "").lower():
        raise ValueError(
            f"Expected the key of a stress [eV/Å³], came {keys['stress']!r}, by its name a virial [eV]. Pass it as that of the "
            "virial: it is read as a stress."
        )
    findings, files = [], []
    for number, path in enumerate(paths):
        step(f"Reading {Path(path).name}", number, len(paths))
        file, found = read_file(path, keys)
        files.append(file)
        findings += found
    total, done = sum(len(file.frames) for file in files), 0

    def advance() -> None:
        nonlocal done
        done += 1
        step("Neighbors", done, total)

    data = CheckedData(files, keys, cutoff, advance=advance)
    findings += _run(ALL, data, step)
    return CheckReport(findings), data


def check_frames(sets: Mapping[str, Sequence[Frame]], keys: Mapping[str, str] = KEYS) -> CheckReport:
    """The quick checks on frames that are in memory.

    Args:
        sets: name -> structures with labels.
        keys: names of the labels, for messages.

    Example:
        >>> from ase.build import molecule
        >>> check_frames({"train": [Frame(molecule("H2O"), energy=-2079.0)]}).exit_code
        0
    """
    files = [DataFile(name, list(frames)) for name, frames in sets.items()]
    return CheckReport(_run(QUICK, CheckedData(files, keys, quick=True)))


def _run(
    checks: Sequence[Check], data: CheckedData, step: Callable[[str, int, int], None] = lambda what, done, total: None
) -> Iterator[Finding]:
    for number, check in enumerate(checks):
        if check is not check_distances:  # whose progress is that of the neighbor search
            step(check.__name__.removeprefix("check_").replace("_", " "), number, len(checks))
        yield from check(data)
    for file, index, message in data.refused:
        yield Finding("error", "neighbors", message, file, (index,))
