"""Times MACE; see serve.py for what it is asked.

MACE is another architecture. The nearest configuration: the same channels, degrees, radial basis and widths, cutoff and dtype; but two
layers, because its products of three neighbor sums (correlation 3) stand for depth, and that is what it is published and used with.
"""

from __future__ import annotations

from importlib.metadata import version

import mace  # first: it lets e3nn 0.4 read its constants
import numpy as np
import torch
from e3nn import o3
from mace.calculators import MACECalculator
from mace.data import AtomicData
from mace.data.utils import Configuration
from mace.modules import RealAgnosticResidualInteractionBlock, ScaleShiftMACE
from mace.tools import AtomicNumberTable
from mace.tools.torch_geometric import Batch
from serve import Contender, energy_forces_loss, read, serve
from torch import Tensor


class Mace(Contender):
    """MACE as its own training runs it."""

    def __init__(self, settings: dict) -> None:
        self.versions = {"mace": mace.__version__, "e3nn": version("e3nn")}
        network = settings["network"]
        torch.set_default_dtype(torch.float32)
        hidden = [(network["num_features"], (l, (-1) ** l)) for l in range(network["lmax"] + 1)]
        self.module = ScaleShiftMACE(
            atomic_inter_scale=settings["scales"][0],
            atomic_inter_shift=0.0,
            r_max=settings["cutoff"],
            num_bessel=network["num_radial"],
            num_polynomial_cutoff=network["cutoff_power"],
            max_ell=network["lmax"],
            interaction_cls=RealAgnosticResidualInteractionBlock,
            interaction_cls_first=RealAgnosticResidualInteractionBlock,
            num_interactions=2,
            num_elements=len(settings["species"]),
            hidden_irreps=o3.Irreps(hidden),
            MLP_irreps=o3.Irreps("16x0e"),
            atomic_energies=np.array(settings["shifts"]),
            avg_num_neighbors=settings["avg_num_neighbors"],
            atomic_numbers=settings["species"],
            correlation=3,
            gate=torch.nn.functional.silu,
            radial_MLP=network["radial_hidden"],
        )
        numbers = AtomicNumberTable(settings["species"])
        self.batches = []
        for structures in read(settings):
            graphs = []
            for atoms, energy, forces in structures:
                configuration = Configuration(
                    atomic_numbers=atoms.numbers,
                    positions=atoms.positions,
                    properties={"energy": energy, "forces": forces},
                    property_weights={},
                    cell=atoms.cell.array,
                    pbc=tuple(bool(periodic) for periodic in atoms.pbc),
                )
                graphs.append(AtomicData.from_config(configuration, z_table=numbers, cutoff=settings["cutoff"]))
            self.batches.append(Batch.from_data_list(graphs))

    def count(self, batch: int) -> tuple[int, int]:
        return len(self.batches[batch].positions), self.batches[batch].edge_index.shape[1]

    def predict(self, batch: int) -> tuple[Tensor, Tensor]:
        output = self._predict(batch)
        return output["energy"], output["forces"]

    def loss(self, batch: int) -> Tensor:
        data = self.batches[batch]
        return energy_forces_loss(*self.predict(batch), (data.energy, data.forces), data.ptr.diff())

    def energy(self, batch: int, displacement: Tensor) -> float:
        # the sum over atoms in float64: the total energy is in float32, too coarse for differences
        return self._predict(batch, displacement)["node_energy"].sum().item()

    def calculator(self) -> MACECalculator:
        return MACECalculator(models=[self.module], device="cpu", default_dtype="float32")

    def _predict(self, batch: int, displacement: Tensor | None = None) -> dict[str, Tensor]:
        data = self.batches[batch].to_dict()
        positions = data["positions"].detach()
        data["positions"] = positions.clone() if displacement is None else (positions + displacement).float()
        return self.module(data, training=self.module.training)


serve(Mace)
