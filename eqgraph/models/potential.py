"""From any network of atomic scalars to an interatomic potential. The only caller of autograd.grad."""

import warnings
from typing import NamedTuple

import torch
from ase.data import chemical_symbols
from torch import Tensor
from torch_geometric.data import Data

from eqgraph.graph import edge_vectors
from eqgraph.nn.norm.norm import Norm
from eqgraph.ops import Edges, segment_sum


class Prediction(NamedTuple):
    """What a potential predicts, in float64."""

    energy: Tensor
    """(graphs,) potential energy [eV]."""
    atomic_energies: Tensor
    """(nodes,) contributions to the energy [eV]."""
    forces: Tensor | None
    """(nodes, 3) -dE/dr [eV/Å]."""
    stress: Tensor | None
    """(graphs, 3, 3) dE/dε / V [eV/Å³], ASE's sign; NaN for a structure whose cell has no volume."""
    virial: Tensor | None = None
    """(graphs, 3, 3) -dE/dε = -stress V [eV], there with the stress; NaN like it."""
    dipole: Tensor | None = None
    """(graphs, 3) dipole moment [e·Å] if the network predicts one; NaN for a periodic structure, of which it is no property."""


class PotentialInputs(NamedTuple):
    """What a potential computes from, see Potential.inputs."""

    species: Tensor
    """(nodes,) int64, positions in the list of species."""
    pos: Tensor
    """(nodes, 3) float64 [Å]."""
    cell: Tensor
    """(graphs, 3, 3) float64 [Å]."""
    strain: Tensor | None
    """(graphs, 3, 3) zeros, with respect to which the stress is a derivative."""
    edge_shift: Tensor
    """(edges, 3) whole numbers of cell vectors."""
    batch: Tensor
    """(nodes,) int64, the graph of each node."""
    edges: Edges
    periodic: Tensor | None
    """(graphs,) bool, which of them have no dipole moment; only for networks that predict one."""


class Potential(torch.nn.Module):
    """Sum of atomic energies; forces and stress are its exact derivatives.

    E = Σ_i (scale[species_i] · network_i + shift[species_i])

    A network that predicts dipoles says a vector of each atom besides, whose sum is the dipole moment [e·Å]. It does not change with
    the origin, so it is that of a neutral structure.

    The network computes in the dtype of its parameters; edge vectors are taken, and energies summed, in float64: differences of
    coordinates do not lose digits far from the origin, nor do sums over large total energies.

    Args:
        network: maps (species, edge_vec, edges) to (nodes, 1), edges being ops.Edges; or, if its attribute predicts_dipole is true,
            to (nodes, 4).
        species: atomic numbers that the network knows; its species index is the position in the sorted list.
        cutoff: radius [Å] of the graphs that the network expects.
        shifts: energy [eV] of an isolated atom of each species, in the order of sorted species.
        scales: factor [eV] from the network's output to energy, per species in the same order.

    Raises:
        ValueError: if species repeat, are out of 1 ... 118, or are not as many as shifts and scales.

    Reference: Batzner et al. 2022, doi:10.1038/s41467-022-29939-5; stress by a symmetric strain, Knuth et al. 2015,
    arXiv:1502.00939.
    """

    def __init__(
        self,
        network: torch.nn.Module,
        species: list[int],
        cutoff: float,
        shifts: Tensor | list[float],
        scales: Tensor | list[float],
    ) -> None:
        super().__init__()
        species = [int(number) for number in species]
        if not species or sorted(set(species)) != species or species[0] < 1 or species[-1] >= len(chemical_symbols):
            raise ValueError(
                f"Potential: expected different atomic numbers in ascending order between 1 and {len(chemical_symbols) - 1}, got "
                f"{species}. Sort them and remove repetitions."
            )
        self.network, self.cutoff = network, float(cutoff)
        _warn_about_norms(network)
        index_of_number = torch.full((len(chemical_symbols),), -1)
        index_of_number[species] = torch.arange(len(species))
        self.register_buffer("species", torch.tensor(species))
        self.register_buffer("index_of_number", index_of_number, persistent=False)
        for name, values in (("shifts", shifts), ("scales", scales)):
            values = torch.as_tensor(values, dtype=torch.float64)
            if values.shape != (len(species),) or not values.isfinite().all():
                raise ValueError(
                    f"Potential: expected {name} to be {len(species)} finite numbers [eV], one per species {species}, got "
                    f"{values.tolist()}. Correct the list."
                )
            self.register_buffer(name, values)

    def _apply(self, fn, recurse=True):
        # .float() or .to(dtype) is meant for the network: energies of isolated atoms lose too much in float32.
        shifts, scales = self.shifts, self.scales
        super()._apply(fn, recurse)
        self.shifts, self.scales = shifts.to(self.species.device), scales.to(self.species.device)
        return self

    def _load_from_state_dict(self, state_dict, prefix, local_metadata, strict, missing, unexpected, errors) -> None:
        species = state_dict.get(f"{prefix}species")
        if species is not None and species.tolist() != self.species.tolist():
            # weights and energies belong to positions in the list of species: with another list they would go to other elements
            errors.append(
                f"expected the state of a potential for species {self.species.tolist()}, got {species.tolist()}. Build it for those."
            )
        else:
            super()._load_from_state_dict(state_dict, prefix, local_metadata, strict, missing, unexpected, errors)

    @property
    def dtype(self) -> torch.dtype:
        """Floating-point type in which the network computes."""
        return next((p.dtype for p in self.network.parameters() if p.is_floating_point()), torch.get_default_dtype())

    @property
    def predicts_dipole(self) -> bool:
        """Whether predictions have a dipole moment."""
        return bool(getattr(self.network, "predicts_dipole", False))

    def forward(self, data: Data, forces: bool = True, stress: bool = False) -> Prediction:
        """Energy and, when asked for, forces and stress of one structure or a batch; the dipole moment if the network predicts it.

        Args:
            data: graph or batch of graphs with pos, atomic_numbers, edge_index, edge_shift, cell, pbc for dipole moments, and
                edge_reverse if reverse edges shall share radial weights (see graph.from_ase).
            forces: whether to compute forces.
            stress: whether to compute the stress.

        Raises:
            ValueError: if the structure contains a species that the potential does not know.
        """
        return self.predict(self.inputs(data, forces, stress), forces, stress)

    def inputs(self, data: Data, forces: bool = True, stress: bool = False) -> PotentialInputs:
        """What forward computes from: checked, converted, sorted. Nothing of it depends on the weights.

        Raises:
            ValueError: as forward.
        """
        species = self._species_index(data.atomic_numbers)
        batch = data.batch if data.batch is not None else torch.zeros_like(species)
        steps = data.get("edge_reverse")
        reverse = None if steps is None else torch.arange(len(steps), device=steps.device) + steps
        edges = Edges.of(data.edge_index, len(species), len(species), reverse)
        pos, cell, strain = data.pos.double(), data.cell.double(), None
        if forces and not pos.requires_grad:
            pos = pos.detach().requires_grad_()
        if stress:
            strain = cell.new_zeros(cell.shape, requires_grad=True)
        periodic = data.pbc.any(-1) if self.predicts_dipole else None
        return PotentialInputs(species, pos, cell, strain, data.edge_shift, batch, edges, periodic)

    def predict(self, inputs: PotentialInputs, forces: bool = True, stress: bool = False) -> Prediction:
        """forward, without anything that looks at the values of tensors, so that it can be traced."""
        species, pos, cell, strain, edge_shift, batch, edges, periodic = inputs
        num_graphs, first_cell = len(cell), cell
        with torch.enable_grad():
            moved = pos
            if stress:
                symmetric = (strain + strain.mT) / 2
                moved = pos + (pos.unsqueeze(1) @ symmetric[batch]).squeeze(1)
                cell = cell + cell @ symmetric
            vectors = edge_vectors(moved, cell, torch.stack([edges.src, edges.dst]), edge_shift, batch)
            read = self.network(species, vectors.to(self.dtype), edges).double()
            atomic = read[:, 0] * self.scales[species] + self.shifts[species]
            energy = segment_sum(atomic, batch, num_graphs)
            dipole = None
            if periodic is not None:
                dipole = segment_sum(read[:, 1:], batch, num_graphs).masked_fill(periodic.unsqueeze(1), torch.nan)
            wanted = [tensor for tensor, asked in ((pos, forces), (strain, stress)) if asked]
            gradients: list[Tensor] = []
            if wanted:
                gradients = list(
                    torch.autograd.grad(
                        energy.sum(), wanted, create_graph=self.training, allow_unused=True, materialize_grads=True
                    )
                )
            predicted_forces = -gradients.pop(0) if forces else None
            predicted_stress = predicted_virial = None
            if stress:
                predicted_stress, predicted_virial = _stress_and_virial(gradients.pop(0), first_cell)
        if not self.training:
            energy, atomic = energy.detach(), atomic.detach()
            dipole = None if dipole is None else dipole.detach()
        return Prediction(energy, atomic, predicted_forces, predicted_stress, predicted_virial, dipole)

    def _species_index(self, atomic_numbers: Tensor) -> Tensor:
        index = self.index_of_number[atomic_numbers]
        if (index < 0).any():
            unknown = sorted({chemical_symbols[z] for z in atomic_numbers[index < 0].tolist()})
            known = [chemical_symbols[z] for z in self.species.tolist()]
            raise ValueError(
                f"Potential: expected only the species that it was trained on ({', '.join(known)}), got {', '.join(unknown)}. Train a "
                "potential on data that contain them."
            )
        return index


def _warn_about_norms(network: torch.nn.Module) -> None:
    """Name the layers that make energies what they should not be."""
    for name, module in network.named_modules():
        if not isinstance(module, Norm):
            continue
        wrongs = [] if module.is_local else ["neither local nor extensive: it couples all atoms of a structure"]
        wrongs += [] if module.smooth else ["not smooth: forces jump"]
        couples = module.couples_graphs or (getattr(module, "track_running_stats", False) and not module.frozen)
        wrongs += [] if not couples else ["coupled in training, and forces not those of evaluation"]
        if wrongs:
            warnings.warn(
                f"Potential: with the {type(module).__name__} '{name}' in the network, energies are {', and '.join(wrongs)}. "
                "Use LayerNorm or RMSNorm in potentials, or nn.freeze_batch_stats once batch statistics are learned.",
                UserWarning,
                stacklevel=3,
            )


def _stress_and_virial(strain_gradient: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
    volume = torch.linalg.det(cell).abs().view(-1, 1, 1)
    # A cell without volume has no stress: NaN, the mark of a missing label, rather than infinity or zero. Its division by one instead
    # of zero keeps NaN out of the gradients of the other structures of the batch.
    stress = torch.where(volume > 0, strain_gradient / volume.where(volume > 0, 1.0), torch.nan)
    return stress, torch.where(volume > 0, -strain_gradient, torch.nan)
