"""Fast kernels compute what the reference computes."""

from eqgraph.ops import reference_only, report

from .result import SelftestResult
from .subject import Subject


def measure_backend(subject: Subject) -> SelftestResult:
    """Energy, forces and stress by kernels and by plain PyTorch, of the structure as it was given and with displaced atoms."""
    _ = subject.values
    ran = {row.backend for row in report(subject.potential)} - {"none", "reference"}
    if not ran:
        return SelftestResult("backend", note="runs on plain PyTorch anyway: there is nothing to compare")
    measurements = []
    for where, atoms in (("", subject.given), (" of displaced atoms", subject.atoms)):
        fast = subject.predict(atoms)
        with reference_only():
            expected = subject.predict(atoms)
        measurements += subject.compare(fast, expected, where)
    return SelftestResult("backend", tuple(measurements), f"{', '.join(sorted(ran))} kernels against plain PyTorch")
