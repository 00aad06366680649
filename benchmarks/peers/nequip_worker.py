"""Times NequIP; see serve.py for what it is asked.

Modes: "eager"; "compile", its torch.compile of a whole training step; "aot", the AOTInductor package that its command nequip-compile
makes for ASE, which predicts single structures only.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from importlib.metadata import version
from pathlib import Path

import torch
from ase.data import chemical_symbols
from nequip.data import AtomicDataDict, compute_neighborlist_, from_ase
from nequip.data.transforms import ChemicalSpeciesToAtomTypeMapper, NeighborListTransform
from nequip.integrations.ase import NequIPCalculator
from nequip.model import NequIPGNNModel
from nequip.utils.global_state import set_global_state
from serve import Contender, energy_forces_loss, read, serve
from torch import Tensor


class NequIP(Contender):
    """NequIP as its own training and its own ASE calculator run it."""

    def __init__(self, settings: dict) -> None:
        self.versions = {"nequip": version("nequip"), "e3nn": version("e3nn")}
        mode, network = settings["mode"], settings["network"]
        set_global_state()
        torch.set_default_dtype(
            torch.float64
        )  # of positions and energies, as in its own training; the network has model_dtype
        symbols = [chemical_symbols[number] for number in settings["species"]]
        self.module = NequIPGNNModel(
            seed=0,
            model_dtype="float32",
            type_names=symbols,
            r_max=settings["cutoff"],
            num_layers=network["num_layers"],
            l_max=network["lmax"],
            parity=network["parity"],
            num_features=network["num_features"],
            radial_mlp_depth=len(network["radial_hidden"]),
            radial_mlp_width=network["radial_hidden"][0],
            num_bessels=network["num_radial"],
            polynomial_cutoff_p=network["cutoff_power"],
            avg_num_neighbors=settings["avg_num_neighbors"],
            per_type_energy_scales=dict(zip(symbols, settings["scales"], strict=True)),
            per_type_energy_shifts=dict(zip(symbols, settings["shifts"], strict=True)),
            compile_mode="compile" if mode == "compile" else "eager",
        )
        self.can_freeze = mode == "eager"
        mapper = self._mapper = ChemicalSpeciesToAtomTypeMapper(symbols)
        self._cutoff = settings["cutoff"]
        self.batches, self._labels, self._num_atoms = [], [], []
        for structures in read(settings):
            graphs = [compute_neighborlist_(mapper(from_ase(atoms)), settings["cutoff"]) for atoms, _, _ in structures]
            # a single structure without batch indices, as in its ASE calculator: it has a shorter way then
            self.batches.append(AtomicDataDict.batched_from_list(graphs) if len(graphs) > 1 else graphs[0])
            self._labels.append(
                (
                    torch.tensor([energy for _, energy, _ in structures]),
                    torch.cat([torch.tensor(forces) for _, _, forces in structures]),
                )
            )
            self._num_atoms.append(torch.tensor([len(atoms) for atoms, _, _ in structures]))
        self._call = self.module
        if mode == "compile":
            self.loss(0).backward()  # it compiles what it meets first: that is a training step, not a prediction
            self.module.zero_grad()
        if mode == "aot":
            self.trains = False
            self._call = self._ahead_of_time(settings)

    def count(self, batch: int) -> tuple[int, int]:
        data = self.batches[batch]
        return AtomicDataDict.num_nodes(data), AtomicDataDict.num_edges(data)

    def predict(self, batch: int) -> tuple[Tensor, Tensor]:
        output = self._call(self.batches[batch])
        return output[AtomicDataDict.TOTAL_ENERGY_KEY].view(-1), output[AtomicDataDict.FORCE_KEY]

    def loss(self, batch: int) -> Tensor:
        return energy_forces_loss(*self.predict(batch), self._labels[batch], self._num_atoms[batch])

    def energy(self, batch: int, displacement: Tensor) -> float:
        data = self.batches[batch] | {
            AtomicDataDict.POSITIONS_KEY: self.batches[batch][AtomicDataDict.POSITIONS_KEY] + displacement
        }
        return self._call(data)[AtomicDataDict.TOTAL_ENERGY_KEY].sum().item()

    def calculator(self) -> NequIPCalculator:
        neighbors = NeighborListTransform(self._cutoff)
        return NequIPCalculator(self._call.eval(), "cpu", transforms=[self._mapper, neighbors])

    def _ahead_of_time(self, settings: dict) -> torch.nn.Module:
        """What nequip-compile --mode aotinductor --target ase does with a checkpoint, without the checkpoint.

        The package is kept beside this environment, because compiling takes minutes.
        """
        from nequip.nn.compile import DictInputOutputWrapper
        from nequip.scripts._compile_utils import AOTI_ASE_TARGET, COMPILE_TARGET_DICT
        from nequip.utils.aot import aot_export_model

        target = COMPILE_TARGET_DICT[AOTI_ASE_TARGET]
        names = {"graph": "num_frames", "node": "num_nodes", "edge": "num_edges"}
        dimensions = {key: torch.export.Dim(name, min=2, max=torch.inf) for key, name in names.items()}
        # all that the model is built from; threads, because the code is written for so many
        keys = ("network", "species", "cutoff", "shifts", "scales", "avg_num_neighbors", "threads")
        text = json.dumps([self.versions, torch.__version__, [settings[key] for key in keys]])
        package = Path(sys.prefix) / f"{hashlib.sha256(text.encode()).hexdigest()[:16]}.nequip.pt2"
        if not package.is_file():
            unfinished = package.with_name(f"{os.getpid()}-{package.name}")
            aot_export_model(
                model=self.module.eval(),
                device="cpu",
                input_fields=target["input"],
                output_fields=target["output"],
                data=target["data_settings"](self.batches[0].copy()),
                batch_map=target["batch_map_settings"](dimensions),
                output_path=str(unfinished),
            )
            unfinished.rename(package)
        loaded = torch._inductor.aoti_load_package(str(package))
        return DictInputOutputWrapper(loaded, target["input"], target["output"])


serve(NequIP)
