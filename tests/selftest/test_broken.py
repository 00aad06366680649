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
    correct_potential,
    crystal,
    failed,
    methanol,
    with_network,
)

from eqgraph.selftest import run_selftest


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize(
    ("network", "test"),
    [
        (Oriented, "rotation"),
        (Chiral, "inversion"),
        (Ordered, "permutation"),
        (Averaged, "batch"),
        (Edged, "cutoff"),
        (WrongKernel, "backend"),
        (Constant, "response"),
        (NotANumber, "finite"),
    ],
)
def test_a_broken_network_is_found(network, test, dtype):
    assert failed(with_network(network, dtype), methanol()) == {test}


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
    assert failed(as_class(kind), crystal() if kind is WrongStress else methanol()) == tests


@pytest.mark.parametrize(
    ("potential", "test"), [(as_class(Superlinear), "extensivity"), (with_network(Edged), "cutoff")]
)
def test_they_are_found_in_crystals_too(potential, test):
    assert failed(potential, crystal()) == {test}


def test_nothing_is_compared_where_there_are_no_numbers():
    results = run_selftest(with_network(NotANumber), methanol())
    assert [r.verdict for r in results] == ["fail"] + ["not applicable"] * (len(results) - 1)
    assert results[0].worst.value == 4


def test_tolerances_can_be_scaled():
    potential, atoms = with_network(Oriented), methanol()
    (strict,) = (r.worst for r in run_selftest(potential, atoms, md_steps=10) if r.test == "rotation")
    factor = 2 * strict.value / strict.tolerance
    results = run_selftest(potential, atoms, md_steps=10, tolerance_scale=factor)
    assert {r.test: r.verdict for r in results}["rotation"] == "pass"
    assert correct_potential().dtype == torch.float32
