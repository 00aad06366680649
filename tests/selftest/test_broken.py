"""Each broken law of physics is found by the test that is meant for it, and by no other."""

import pytest
import torch
from broken_networks import (
    Averaged,
    Chiral,
    Constant,
    Edged,
    FarAway,
    NotANumber,
    Ordered,
    Oriented,
    Superlinear,
    WrongForces,
    WrongKernel,
    WrongStress,
    as_class,
    crystal,
    failed,
    peroxide,
    with_network,
)

from eqgraph.selftest import run_selftest


@pytest.mark.parametrize(
    ("network", "test", "dtype"),
    [
        (Oriented, "rotation", torch.float32),
        (Chiral, "inversion", torch.float64),
        (Ordered, "permutation", torch.float32),
        (Averaged, "batch", torch.float64),
        (Edged, "cutoff", torch.float32),
        (WrongKernel, "backend", torch.float64),
        (Constant, "response", torch.float32),
        (NotANumber, "finite", torch.float64),
    ],
)
def test_a_broken_network_is_found(network, test, dtype):
    assert failed(with_network(network, dtype), peroxide()) == {test}


@pytest.mark.parametrize(
    ("kind", "tests"),
    [
        (WrongForces, {"F = -dE/dx", "NVE drift"}),
        (Superlinear, {"extensivity"}),
        (FarAway, {"translation"}),
        (WrongStress, {"stress"}),
    ],
)
def test_a_broken_potential_is_found(kind, tests):
    assert failed(as_class(kind), crystal() if kind is WrongStress else peroxide()) == tests


@pytest.mark.parametrize(
    ("potential", "test"), [(as_class(Superlinear), "extensivity"), (with_network(Edged), "cutoff")]
)
def test_they_are_found_in_crystals_too(potential, test):
    assert failed(potential, crystal()) == {test}


def test_nothing_is_compared_where_there_are_no_numbers():
    results = run_selftest(with_network(NotANumber), peroxide())
    assert [r.verdict for r in results] == ["fail"] + ["not applicable"] * (len(results) - 1)
    assert results[0].worst.value == 4


def test_tolerances_can_be_scaled():
    potential, atoms = with_network(Oriented), peroxide()
    (strict,) = (r.worst for r in run_selftest(potential, atoms, md_steps=10) if r.test == "rotation")
    factor = 2 * strict.value / strict.tolerance
    results = run_selftest(potential, atoms, md_steps=10, tolerance_scale=factor)
    assert {r.test: r.verdict for r in results}["rotation"] == "pass"
