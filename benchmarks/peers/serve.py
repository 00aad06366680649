"""What a worker does, whichever program it times: JSON lines in on stdin, JSON lines out on the file descriptor of its first argument.

Standard output is left to the libraries, some of which print when they are imported.

Runs in the environments of the peers: imports PyTorch, NumPy and ASE only, and nothing of eqgraph.

The first line describes model and structures and is answered with what was built. After that, each line is a command:

    {"command": "step", "batch": 0, "calls": 3}    train on a batch: once untimed, then so many times on the clock
    {"command": "infer", "batch": 0, "calls": 3}   energies and forces of a batch, likewise
    {"command": "check"}                           forces against finite differences of the energy
    {"command": "md", "batch": 0, "steps": 20, "time_step": 1.0, "temperature": 300.0}     molecular dynamics through ASE

An untimed call first, because caches, and OpenMP threads that fell asleep while others were timed, are not those of a running training.
Between commands the process sits in a blocking read. Its OpenMP threads spin for some milliseconds after a parallel region before
they sleep; the driver waits longer than that before it gives the next worker its turn, so nobody's setting has to be changed.
"""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable

import ase.io
import numpy as np
import torch
from ase import Atoms, units
from ase.calculators.calculator import Calculator
from ase.md.velocitydistribution import thermalize_momenta
from ase.md.verlet import VelocityVerlet
from torch import Tensor

RESTART = 200  # steps of a dynamics, after which it starts again: weights are random, and atoms would not stay where atoms are


class Contender(ABC):
    """A model with its batches, the same way for every program.

    Attributes:
        module: its parameters are trained.
        batches: one entry per batch, whatever the program wants.
        versions: names and versions of what is timed.
        neighbor_seconds: time spent on neighbor lists in molecular dynamics so far, if it can tell.
        trains: whether it can train.
        can_freeze: whether its weights may be excluded from differentiation.
    """

    module: torch.nn.Module
    batches: list
    versions: dict[str, str]
    neighbor_seconds: float | None = None
    trains = True
    can_freeze = True

    @abstractmethod
    def count(self, batch: int) -> tuple[int, int]:
        """Numbers of atoms and edges of a batch."""

    @abstractmethod
    def predict(self, batch: int) -> tuple[Tensor, Tensor]:
        """(graphs,) energies [eV] and (nodes, 3) forces [eV/Å] of a batch, differentiable while module.training."""

    @abstractmethod
    def loss(self, batch: int) -> Tensor:
        """⟨((E - E*) / N)²⟩ + ⟨(F - F*)²⟩ of a batch."""

    @abstractmethod
    def energy(self, batch: int, displacement: Tensor) -> float:
        """Sum of the energies [eV] of a batch, constants left out, with atoms displaced by (nodes, 3) [Å] and the same edges."""

    def calculator(self) -> Calculator:
        """The program's own calculator for ASE."""
        raise NotImplementedError(f"{type(self).__name__} has no calculator")

    def dynamics(self, atoms: Atoms, time_step: float) -> Callable[[int], None]:
        """Molecular dynamics [fs] from atoms with velocities and a calculator: what runs so many steps."""
        return VelocityVerlet(atoms, time_step * units.fs).run


def energy_forces_loss(energy: Tensor, forces: Tensor, labels: tuple[Tensor, Tensor], num_atoms: Tensor) -> Tensor:
    """The loss of the peers: what eqgraph.train.Loss computes when every label is there."""
    energy_labels, forces_labels = labels
    return ((energy - energy_labels) / num_atoms).square().mean() + (forces - forces_labels).square().mean()


def read(settings: dict) -> list[list[tuple[Atoms, float, np.ndarray]]]:
    """The structures of every batch with their labels, zeros where a file has none."""
    frames = ase.io.read(settings["data"], index=":")
    batches = []
    for indices in settings["batches"]:
        batch = []
        for index in indices:
            atoms = frames[index]
            found = {**atoms.info, **atoms.arrays, **(atoms.calc.results if atoms.calc else {})}
            energy = float(found.get(settings["energy_key"], 0.0))
            forces = np.asarray(found.get(settings["forces_key"], np.zeros((len(atoms), 3))))
            plain = Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=atoms.pbc)
            batch.append((plain, energy, forces))
        batches.append(batch)
    return batches


def serve(build: Callable[[dict], Contender]) -> None:
    """Answer commands until stdin ends."""
    answers = os.fdopen(int(sys.argv[1]), "w", encoding="utf-8")
    worker: _Worker | None = None
    for line in sys.stdin:
        message = json.loads(line)
        try:
            if worker is None:
                worker = _Worker(message, build)
                answer = worker.described
            else:
                answer = worker.answer(message)
        except Exception as error:
            traceback.print_exc()
            answer = {"error": f"{type(error).__name__}: {error}"[:500]}
        print(json.dumps(answer), file=answers, flush=True)


class _Worker:
    def __init__(self, settings: dict, build: Callable[[dict], Contender]) -> None:
        torch.set_num_threads(settings["threads"])
        torch.manual_seed(0)
        start = time.perf_counter()
        self.contender = build(settings)
        self.settings = settings
        self.calculator: Calculator | None = None
        self.parameters = list(self.contender.module.parameters())
        if self.contender.trains:
            self.optimizer = torch.optim.Adam(self.parameters, lr=settings["learning_rate"], amsgrad=True)
        counts = [self.contender.count(batch) for batch in range(len(self.contender.batches))]
        self.described = {
            "seconds": time.perf_counter() - start,
            "trains": self.contender.trains,
            "num_atoms": [atoms for atoms, _ in counts],
            "num_edges": [edges for _, edges in counts],
            "num_parameters": sum(p.numel() for p in self.parameters),
            "threads": torch.get_num_threads(),
            "versions": self.contender.versions,
        }

    def answer(self, message: dict) -> dict:
        if message["command"] == "check":
            return self._check()
        if message["command"] == "md":
            return self._dynamics(message)
        call = {"step": self._step, "infer": self._infer}[message["command"]]
        training = message["command"] == "step"
        self._set_training(training)
        result = call(message["batch"])
        seconds = []
        for _ in range(message["calls"]):
            start = time.perf_counter()
            result = call(message["batch"])
            seconds.append(time.perf_counter() - start)
        return {"seconds": seconds, "result": result.item() if training else None}

    def _set_training(self, training: bool) -> None:
        self.contender.module.train(training)
        if self.contender.can_freeze:  # as for molecular dynamics: no derivatives of weights
            for parameter in self.parameters:
                parameter.requires_grad_(training)

    def _step(self, batch: int) -> Tensor:
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.contender.loss(batch)
        loss.backward()
        self.optimizer.step()
        return loss

    def _infer(self, batch: int) -> Tensor:
        energy, _ = self.contender.predict(batch)
        return energy

    def _dynamics(self, message: dict) -> dict:
        """Seconds per step of the program's engine with everything in it, from the same positions and velocities in every turn."""
        if self.calculator is None:
            self._set_training(False)
            self.calculator = self.contender.calculator()
            self.structures = [batch[0][0] for batch in read(self.settings)]
        start = self.structures[message["batch"]]
        atoms = start.copy()
        thermalize_momenta(atoms, message["temperature"], rng=np.random.default_rng(0))
        momenta = atoms.get_momenta()
        atoms.calc = self.calculator
        # untimed: the other programs had the caches; elsewhere, so that a neighbor list that is kept is not that of the start
        atoms.positions += np.random.default_rng(1).normal(scale=0.3, size=atoms.positions.shape)
        atoms.get_forces()
        before, seconds, memory = self.contender.neighbor_seconds, 0.0, []
        for step in range(0, message["steps"], RESTART):
            atoms.positions = start.positions
            atoms.set_momenta(momenta)
            run = self.contender.dynamics(atoms, message["time_step"])
            begin = time.perf_counter()
            run(min(RESTART, message["steps"] - step))
            seconds += time.perf_counter() - begin
            memory.append(_resident_memory())
        after, steps = self.contender.neighbor_seconds, message["steps"]
        return {
            "seconds": [seconds / steps],
            "neighbor_seconds": None if after is None else (after - before) / steps,
            "memory": memory,
            "result": None,
        }

    def _check(self) -> dict:
        """Largest difference [eV/Å] between the force on one atom and a fourth-order difference of the energy, and the force."""
        self._set_training(False)
        forces = self.contender.predict(0)[1].detach().double()
        atom, step, numeric = int(forces.norm(dim=1).argmax()), 0.01, torch.zeros(3, dtype=torch.float64)
        for axis in range(3):
            for count, weight in ((-2, 1), (-1, -8), (1, 8), (2, -1)):
                displacement = torch.zeros(len(forces), 3, dtype=torch.float64)
                displacement[atom, axis] = count * step
                numeric[axis] -= weight * self.contender.energy(0, displacement) / (12 * step)
        return {"difference": (forces[atom] - numeric).abs().max().item(), "force": forces[atom].norm().item()}


def _resident_memory() -> float:
    """Memory [MB] that the process holds."""
    with open("/proc/self/statm", encoding="utf-8") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
