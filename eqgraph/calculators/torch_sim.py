"""The potential as a model of torch-sim: many structures at a time."""

import copy
import os
from typing import Literal

import numpy as np
import torch
from ase import Atoms
from torch import Tensor
from torch_geometric.data import Batch

from eqgraph.graph import from_ase
from eqgraph.models import Potential, load_potential

try:
    from torch_sim.models.interface import ModelInterface
    from torch_sim.state import SimState
except ImportError as error:
    raise ImportError(
        f'EqgraphModel needs torch-sim ({error}). Install it with `pip install "eqgraph[torchsim]"`.'
    ) from error


class EqgraphModel(ModelInterface):
    """Energies [eV], forces [eV/Å] and stresses [eV/Å³, ASE's sign] of all systems of a torch-sim state in one pass.

    Neighbors are found anew at each call, on the CPU, one system after the other; everything else is computed for all at once.
    Systems may differ in size, elements and cell. A state of torch-sim is periodic in all directions or in none: of a slab
    (pbc = T T F) torch-sim 0.3 makes an open structure before any model sees it, so give slabs a cell with vacuum and pbc = T T T.

    Args:
        model: a model file (*.eqg), or a Potential, which is copied.
        device: where to compute; that of a given Potential, or the CPU for a file, if None.
        dtype: of states and results; torch-sim moves atoms in it. Energies are summed in float64 whatever it is.
        network_dtype: floating-point type of the network, as stored if None.
        compute_forces: whether results have forces.
        compute_stress: whether results have stresses: NaN for a system whose cell has no volume.
        memory_scales_with: by what torch-sim's automatic batches are measured; take "n_atoms" for molecules, which have no density.

    Raises:
        FileNotFoundError: if there is no model file.
        ValueError: if the file is no model, or a dtype is neither torch.float32 nor torch.float64; on use, if a system contains an
            element that the model does not know, two atoms at one place, or a cell that cannot be periodic.

    Example:
        >>> import torch_sim
        >>> from ase.build import bulk, molecule
        >>> from eqgraph.models import build_potential
        >>> potential = build_potential("nequip", {}, [13, 29], 4.0, [0.0, 0.0], [1.0, 1.0], 12.0)
        >>> model = EqgraphModel(potential)
        >>> state = torch_sim.initialize_state([bulk("Cu"), bulk("Al", cubic=True)], model.device, model.dtype)
        >>> {name: tuple(values.shape) for name, values in model(state).items()}
        {'energy': (2,), 'forces': (5, 3), 'stress': (2, 3, 3)}
    """

    def __init__(
        self,
        model: str | os.PathLike | Potential,
        device: torch.device | str | None = None,
        dtype: torch.dtype = torch.float64,
        network_dtype: torch.dtype | None = None,
        compute_forces: bool = True,
        compute_stress: bool = True,
        memory_scales_with: Literal["n_atoms_x_density", "n_atoms"] = "n_atoms_x_density",
    ) -> None:
        super().__init__()
        for name, given in (("dtype", dtype), ("network_dtype", network_dtype or torch.float64)):
            if given not in (torch.float32, torch.float64):
                raise ValueError(
                    f"EqgraphModel: expected {name} torch.float32 or torch.float64, got {given}. Choose one of these."
                )
        potential = copy.deepcopy(model) if isinstance(model, Potential) else load_potential(model)[0]
        if device is not None:
            potential = potential.to(device)
        if network_dtype is not None:
            potential.network.to(network_dtype)
        self.potential = potential.eval().requires_grad_(False)
        self._dtype, self._compute_forces, self._compute_stress = dtype, compute_forces, compute_stress
        self._memory_scales_with = memory_scales_with

    @property
    def device(self) -> torch.device:
        """Where the potential is."""
        return self.potential.shifts.device

    @property
    def compute_forces(self) -> bool:
        """Whether results have forces."""
        return self._compute_forces

    @compute_forces.setter
    def compute_forces(self, compute_forces: bool) -> None:
        self._compute_forces = compute_forces

    @property
    def compute_stress(self) -> bool:
        """Whether results have stresses."""
        return self._compute_stress

    @compute_stress.setter
    def compute_stress(self, compute_stress: bool) -> None:
        self._compute_stress = compute_stress

    def forward(self, state: SimState | dict, **_) -> dict[str, Tensor]:
        """energy (n_systems,) and, where they are computed, forces (n_atoms, 3) and stress (n_systems, 3, 3).

        Args:
            state: of torch-sim, or a dict with positions, cell (its columns are the cell vectors), pbc, atomic_numbers and, for more
                than one system, system_idx. It is only read.
        """
        systems, order = _systems(state)
        batch = Batch.from_data_list(_graphs(systems, self.potential.cutoff)).to(self.device)
        predicted = self.potential(batch, forces=self.compute_forces, stress=self.compute_stress)
        results = {"energy": predicted.energy}
        if predicted.forces is not None:
            results["forces"] = torch.empty_like(predicted.forces).index_copy_(
                0, order.to(self.device), predicted.forces
            )
        if predicted.stress is not None:
            results["stress"] = predicted.stress
        return {name: values.to(self.dtype) for name, values in results.items()}


def _systems(state: SimState | dict) -> tuple[list[Atoms], Tensor]:
    """The systems of a state, and the place in the state of each of their atoms, system after system."""
    names = ("positions", "cell", "atomic_numbers", "system_idx", "pbc")
    fields = (state.get(name) if isinstance(state, dict) else getattr(state, name) for name in names)
    positions, cell, numbers, index, pbc = (
        None if values is None else torch.as_tensor(values).detach().cpu() for values in fields
    )
    index = torch.zeros(len(numbers), dtype=torch.int64) if index is None else index
    order = index.argsort(stable=True)
    sizes = index.bincount().tolist()
    cells = cell.reshape(-1, 3, 3).mT.double().numpy()
    periodic = np.broadcast_to(pbc.numpy(), (len(sizes), 3))
    parts = (values[order].split(sizes) for values in (numbers, positions.double()))
    systems = [
        Atoms(number.numpy(), position.numpy(), cell=vectors, pbc=directions)
        for number, position, vectors, directions in zip(*parts, cells, periodic, strict=True)
    ]
    return systems, order


def _graphs(systems: list[Atoms], cutoff: float) -> list:
    graphs = []
    for number, atoms in enumerate(systems):
        try:
            graphs.append(from_ase(atoms, cutoff))
        except ValueError as error:
            raise ValueError(f"System {number} of the state: {error}") from error
    return graphs
