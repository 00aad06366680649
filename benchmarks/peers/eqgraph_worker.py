"""Times eqgraph; see serve.py for what it is asked."""

from __future__ import annotations

from importlib.metadata import version

import torch
from serve import Contender, read, serve
from torch import Tensor
from torch_geometric.data import Batch

from eqgraph.allocator import keep_freed_memory
from eqgraph.graph import from_ase
from eqgraph.models import Prediction, build_potential
from eqgraph.train import Loss


class Eqgraph(Contender):
    """The NequIP of eqgraph, trained as eqgraph.train does."""

    def __init__(self, settings: dict) -> None:
        keep_freed_memory()  # as `eqgraph train` does
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

    def _predict(self, batch: Batch) -> Prediction:
        return self.module(batch, forces=True)


serve(Eqgraph)
