"""Times eqgraph; see serve.py for what it is asked."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version

import ase.io
import torch
from ase import Atoms
from ase.data import chemical_symbols
from serve import Contender, read, serve
from torch import Tensor
from torch_geometric.data import Batch

from eqgraph.allocator import keep_freed_memory
from eqgraph.calculators import EqgraphCalculator
from eqgraph.graph import from_ase
from eqgraph.models import Prediction, build_potential
from eqgraph.train import Loss


class Eqgraph(Contender):
    """The NequIP of eqgraph, trained as eqgraph.train does."""

    def __init__(self, settings: dict) -> None:
        keep_freed_memory()  # as `eqgraph train` does
        self._mode = settings["mode"]
        self.versions = {"eqgraph": version("eqgraph")}
        self.module = build_potential(
            "nequip",
            settings["network"],
            settings["species"],
            settings["cutoff"],
            settings["shifts"],
            settings["scales"],
            settings["avg_num_neighbors"],
        )
        self.batches = []
        for structures in read(settings):
            graphs = []
            for atoms, energy, forces in structures:
                graph = from_ase(atoms, settings["cutoff"])
                graph.energy, graph.forces = torch.tensor([energy], dtype=torch.float64), torch.tensor(forces)
                graphs.append(graph)
            self.batches.append(Batch.from_data_list(graphs))
        self._loss = Loss()

    def count(self, batch: int) -> tuple[int, int]:
        return self.batches[batch].num_nodes, self.batches[batch].num_edges

    def predict(self, batch: int) -> tuple[Tensor, Tensor]:
        prediction = self._predict(self.batches[batch])
        return prediction.energy, prediction.forces

    def loss(self, batch: int) -> Tensor:
        return self._loss(self._predict(self.batches[batch]), self.batches[batch])

    def energy(self, batch: int, displacement: Tensor) -> float:
        data = self.batches[batch].clone()
        data.pos = data.pos + displacement
        return self.module(data, forces=False).energy.sum().item()

    def calculator(self) -> EqgraphCalculator:
        calculator = EqgraphCalculator(self.module)
        update, self.neighbor_seconds = calculator.neighbors.update, 0.0

        def timed(*args):
            start = time.perf_counter()
            neighbors = update(*args)
            self.neighbor_seconds += time.perf_counter() - start
            return neighbors

        calculator.neighbors.update = timed
        return calculator

    def dynamics(self, atoms: Atoms, time_step: float) -> Callable[[int], None]:
        if self._mode != "lammps":
            return super().dynamics(atoms, time_step)
        from eqgraph.calculators.lammps import attach, open_lammps

        self.neighbor_seconds = None  # LAMMPS and the potential both search: not told apart
        symbols = [chemical_symbols[number] for number in self.module.species.tolist()]
        lmp = open_lammps(["-log", "none", "-screen", "none"])
        with tempfile.NamedTemporaryFile(suffix=".data") as file:
            # keeps masses, positions and velocities; turns the cell as LAMMPS wants it
            ase.io.write(
                file.name, atoms, format="lammps-data", units="metal", specorder=symbols, masses=True, velocities=True
            )
            lmp.commands_list(["units metal", "atom_modify map yes", f"read_data {file.name}"])
        attach(lmp, self.module, symbols)
        lmp.commands_list([f"timestep {time_step / 1000:.10g}", "fix nve all nve", "run 0 post no"])
        return lambda steps: lmp.command(f"run {steps} pre no post no")

    def _predict(self, batch: Batch) -> Prediction:
        return self.module(batch, forces=True)


serve(Eqgraph)
