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

from .edge_derivatives import edge_forces, edge_virials, strain_gradients
from .zbl import ZBL


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
    atomic_virials: Tensor | None = None
    """(nodes, 3, 3) -dE/dε of each atom [eV] if asked for, whose sums are the virials; see atomic_virials."""


class PotentialInputs(NamedTuple):
    """What a potential computes from, see Potential.inputs."""

    species: Tensor
    """(nodes,) int64, positions in the list of species."""
    edge_vec: Tensor
    """(edges, 3) float64 [Å] from senders to receivers, with respect to which derivatives are taken."""
    edges: Edges
    batch: Tensor
    """(nodes,) int64, the graph of each node."""
    volume: Tensor
    """(graphs,) float64 [Å³] of the cells; zero for open structures."""
    periodic: Tensor | None
    """(graphs,) bool, which of them have no dipole moment; only for networks that predict one."""


class EdgePrediction(NamedTuple):
    """What a potential predicts for edges that somebody else found, in float64."""

    atomic_energies: Tensor
    """(nodes,) contributions to the energy [eV]."""
    edge_gradient: Tensor
    """(edges, 3) dE/d(edge_vec) [eV/Å], E being the sum of all atomic energies."""


class Potential(torch.nn.Module):
    """Sum of atomic energies; forces and stress are its exact derivatives.

    E = Σ_i (scale[species_i] · network_i + shift[species_i] + ZBL_i)

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
        zbl: whether to add the repulsion of nuclei at short distance, see ZBL; the network then predicts the rest.

    Raises:
        ValueError: if species repeat, are out of 1 ... 118, or are not as many as shifts and scales.
        TypeError: if zbl is no bool.

    Forces, stress and virials all come from one gradient, that with respect to the edge vectors (see edge_derivatives).

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
        zbl: bool = False,
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
        if not isinstance(zbl, bool):
            # a word such as "False" would be true
            raise TypeError(f"Potential: expected zbl True or False, got {zbl!r}. Pass one of these.")
        self.zbl = ZBL(species, self.cutoff) if zbl else None

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

    def forward(
        self, data: Data | PotentialInputs, forces: bool = True, stress: bool = False, atomic_virials: bool = False
    ) -> Prediction:
        """Energy and, when asked for, derivatives of one structure or a batch; the dipole moment if the network predicts it.

        Args:
            data: graph or batch of graphs with pos, atomic_numbers, edge_index, edge_shift, cell, pbc for dipole moments, and
                edge_reverse if reverse edges shall share radial weights (see graph.from_ase); or what inputs makes of it.
            forces: whether to compute forces.
            stress: whether to compute the stress and the virial.
            atomic_virials: whether to compute the virials of atoms.

        Raises:
            ValueError: if the structure contains a species that the potential does not know.
        """
        return self.predict(self.inputs(data), forces, stress, atomic_virials)

    def inputs(self, data: Data | PotentialInputs) -> PotentialInputs:
        """What forward computes from: checked, converted, sorted. Nothing of it depends on the weights.

        Raises:
            ValueError: as forward.
        """
        if isinstance(data, PotentialInputs):
            return data
        species = self.species_index(data.atomic_numbers)
        batch = data.batch if data.batch is not None else torch.zeros_like(species)
        cell = data.cell.double()
        with torch.enable_grad():
            edge_vec = edge_vectors(data.pos.double(), cell, data.edge_index, data.edge_shift, batch)
            if not edge_vec.requires_grad:  # else it stays a function of positions of which somebody wants gradients
                edge_vec.requires_grad_()
        periodic = data.pbc.any(-1) if self.predicts_dipole else None
        return PotentialInputs(species, edge_vec, _edges(data), batch, torch.linalg.det(cell).abs(), periodic)

    def predict(
        self, inputs: PotentialInputs, forces: bool = True, stress: bool = False, atomic_virials: bool = False
    ) -> Prediction:
        """forward, without anything that looks at the values of tensors, so that it can be traced."""
        batch, volume = inputs.batch, inputs.volume
        num_graphs, derivatives = len(volume), forces or stress or atomic_virials
        atomic, moments, gradient = self._evaluate(inputs.species, inputs.edge_vec, inputs.edges, derivatives)
        energy, dipole = segment_sum(atomic, batch, num_graphs), None
        if inputs.periodic is not None:
            dipole = segment_sum(moments, batch, num_graphs).masked_fill(inputs.periodic.unsqueeze(1), torch.nan)
        predicted_forces = edge_forces(gradient, inputs.edges) if forces else None
        predicted_stress = predicted_virial = None
        if stress:
            if num_graphs == 1:  # one product instead of one per edge: as good as free in molecular dynamics
                product = inputs.edge_vec.mT @ gradient
                strain_gradient = ((product + product.mT) / 2).unsqueeze(0)
            else:
                per_edge = strain_gradients(inputs.edge_vec, gradient)
                strain_gradient = segment_sum(per_edge, batch[inputs.edges.dst], num_graphs)
            predicted_stress, predicted_virial = _stress_and_virial(strain_gradient, volume)
        virials = edge_virials(inputs.edge_vec, gradient, inputs.edges) if atomic_virials else None
        predicted = (energy, atomic, predicted_forces, predicted_stress, predicted_virial, dipole, virials)
        if not self.training:
            predicted = [None if tensor is None else tensor.detach() for tensor in predicted]
        return Prediction(*predicted)

    def predict_edges(self, species: Tensor, edge_vec: Tensor, edges: Edges) -> EdgePrediction:
        """Atomic energies and their gradient for edges that an engine found, whose atoms may be images of others.

        See edge_derivatives for forces and virials.

        Args:
            species: (nodes,) int64, see species_index.
            edge_vec: (edges, 3) float64 [Å] from senders to receivers, all of them that are shorter than the cutoff.
            edges: their ends.
        """
        edge_vec = edge_vec if edge_vec.requires_grad else edge_vec.detach().requires_grad_()
        atomic, _, gradient = self._evaluate(species, edge_vec, edges, derivatives=True)
        return EdgePrediction(atomic, gradient) if self.training else EdgePrediction(atomic.detach(), gradient.detach())

    def encode(self, data: Data | PotentialInputs) -> Tensor:
        """Features of atoms before the readout: (nodes, dim) in the network's irreps_out.

        Raises:
            ValueError: if the structure contains a species that the potential does not know.
        """
        inputs = self.inputs(data)
        return self.network.encode(inputs.species, inputs.edge_vec.to(self.dtype), inputs.edges)

    def _evaluate(
        self, species: Tensor, edge_vec: Tensor, edges: Edges, derivatives: bool
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Atomic energies, atomic moments, and the gradient of the energies' sum with respect to the edge vectors."""
        with torch.set_grad_enabled(self.training or derivatives):
            read = self.network(species, edge_vec.to(self.dtype), edges).double()
            atomic = read[:, 0] * self.scales[species] + self.shifts[species]
            if self.zbl is not None:
                atomic = atomic + self.zbl(species, edge_vec, edges)
            gradient = None
            if derivatives:
                (gradient,) = torch.autograd.grad(
                    atomic.sum(), edge_vec, create_graph=self.training, allow_unused=True, materialize_grads=True
                )
        return atomic, read[:, 1:], gradient

    def species_index(self, atomic_numbers: Tensor) -> Tensor:
        """Positions in the list of species.

        Raises:
            ValueError: if one is not in it.
        """
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


def _edges(data: Data) -> Edges:
    num_nodes, steps = len(data.atomic_numbers), data.get("edge_reverse")
    reverse = None if steps is None else torch.arange(len(steps), device=steps.device) + steps
    return Edges.of(data.edge_index, num_nodes, num_nodes, reverse)


def _stress_and_virial(strain_gradient: Tensor, volume: Tensor) -> tuple[Tensor, Tensor]:
    # A cell without volume has no stress: NaN, the mark of a missing label, rather than infinity or zero. Its division by one instead
    # of zero keeps NaN out of the gradients of the other structures of the batch.
    volume = volume.view(-1, 1, 1)
    stress = torch.where(volume > 0, strain_gradient / volume.where(volume > 0, 1.0), torch.nan)
    return stress, torch.where(volume > 0, -strain_gradient, torch.nan)
