"""Ctrl-C beside LAMMPS, without LAMMPS."""

import signal

import pytest

from eqgraph.calculators.lammps.interrupts import Interrupts


def interrupted(interrupts: Interrupts, error: Exception) -> None:
    with interrupts.noted():
        signal.raise_signal(signal.SIGINT)
        raise error


def interrupted_twice(interrupts: Interrupts, reached: list[str]) -> None:
    with interrupts.noted():
        signal.raise_signal(signal.SIGINT)
        reached.append("first")
        signal.raise_signal(signal.SIGINT)
        reached.append("second")


def test_a_signal_that_nobody_took_ends_the_block():
    interrupts = Interrupts()
    with pytest.raises(KeyboardInterrupt), interrupts.noted():
        signal.raise_signal(signal.SIGINT)
    assert not interrupts.taken()


def test_nothing_is_left_for_the_next_block():
    """Whatever else went wrong in this one."""
    interrupts = Interrupts()
    with pytest.raises(KeyboardInterrupt):
        interrupted(interrupts, ValueError())
    with interrupts.noted():
        assert not interrupts.taken()


def test_the_second_signal_does_not_wait():
    reached = []
    with pytest.raises(KeyboardInterrupt):
        interrupted_twice(Interrupts(), reached)
    assert reached == ["first"]


def test_blocks_inside_of_each_other_are_one():
    interrupts = Interrupts()
    with interrupts.noted():
        with interrupts.noted():
            signal.raise_signal(signal.SIGINT)
        assert interrupts.taken()


def test_programs_that_ignore_the_signal_go_on_ignoring_it():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        interrupts = Interrupts()
        with interrupts.noted():
            signal.raise_signal(signal.SIGINT)
            assert not interrupts.taken()
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
