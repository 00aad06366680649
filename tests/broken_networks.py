"""Networks and potentials that break one law of physics each, and the correct one that they are made from."""

import copy

import torch
from ase import Atoms
from ase.build import bulk, molecule

from eqgraph.models import Potential, build_potential
from eqgraph.ops import choose_backend, segment_sum
from eqgraph.selftest import run_selftest

CUTOFF = 3.5
CONFIGS = {
    "nequip": {"num_layers": 2, "num_features": 4, "lmax": 1, "radial_hidden": [8]},
    "se3_transformer": {"num_layers": 2, "num_features": 4, "lmax": 1, "num_heads": 2, "radial_hidden": [8]},
    "tensor_field_network": {"num_layers": 2, "num_features": 4, "lmax": 1, "radial_hidden": [8]},
}


def correct_potential(architecture: str = "nequip", dtype: torch.dtype = torch.float32) -> Potential:
    shifts, scales = [-13.6, -1027.0, -2037.8, -5.0], [0.3, 0.3, 0.3, 0.3]
    potential = build_potential(architecture, CONFIGS[architecture], [1, 6, 8, 29], CUTOFF, shifts, scales, 6.0)
    potential.network.to(dtype)
    return potential.eval()


def peroxide() -> Atoms:
    """Four atoms, not in a plane."""
    return molecule("H2O2")


def crystal() -> Atoms:
    """Copper oxide in a cell of two atoms that is smaller than the cutoff."""
    return bulk("CuO", "rocksalt", a=4.2)


def failed(potential: Potential, atoms: Atoms) -> set[str]:
    """Names of the tests that fail."""
    return {result.test for result in run_selftest(potential, atoms, md_steps=30) if result.verdict == "fail"}


class Broken(torch.nn.Module):
    """A network to whose outputs something is added."""

    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, species, edge_vec, edges):
        return self.network(species, edge_vec, edges) + self.added(edge_vec, edges).unsqueeze(-1)

    def added(self, edge_vec, edges):
        """(nodes,)"""
        raise NotImplementedError


def smooth(edge_vec: torch.Tensor) -> torch.Tensor:
    """(edges,) weights that go to zero at the cutoff with two derivatives."""
    return (1 - edge_vec.norm(dim=-1) / CUTOFF).clamp(min=0) ** 3


class Oriented(Broken):
    """Bonds along x cost energy."""

    def added(self, edge_vec, edges):
        cosine = edge_vec[:, 0] / edge_vec.norm(dim=-1)
        return segment_sum(smooth(edge_vec) * cosine**2, edges.dst, edges.num_dst)


class Chiral(Broken):
    """The volume that three vectors of a node's surroundings span, with its sign."""

    def added(self, edge_vec, edges):
        length = edge_vec.norm(dim=-1, keepdim=True)
        weighted = [smooth(edge_vec).unsqueeze(-1) * edge_vec * length**power for power in range(3)]
        a, b, c = (segment_sum(vectors, edges.dst, edges.num_dst) for vectors in weighted)
        return 10 * (a * torch.linalg.cross(b, c)).sum(-1)


class Ordered(Broken):
    """Neighbors of lower numbers count, and more so the more there are."""

    def added(self, edge_vec, edges):
        return segment_sum(smooth(edge_vec) * (edges.src < edges.dst), edges.dst, edges.num_dst) ** 2


class Averaged(Broken):
    """All nodes that are computed together share an average."""

    def added(self, edge_vec, edges):
        neighbors = segment_sum(smooth(edge_vec), edges.dst, edges.num_dst)
        return neighbors * neighbors.mean()


class Edged(Broken):
    """An envelope that is continuous, but with a kink."""

    def added(self, edge_vec, edges):
        return segment_sum(0.1 * (1 - edge_vec.norm(dim=-1) / CUTOFF), edges.dst, edges.num_dst)


class WrongKernel(torch.nn.Module):
    """Kernels that compute something else than the reference."""

    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, species, edge_vec, edges):
        fast = choose_backend("auto", edge_vec.device, edge_vec.dtype).name != "reference"
        return self.network(species, edge_vec, edges) * (1.001 if fast else 1.0)


class Constant(torch.nn.Module):
    """A network whose outputs do not depend on positions."""

    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, species, edge_vec, edges):
        return self.network.embedding(species)[:, :1] + 0.0 * edge_vec.sum()


class NotANumber(Broken):
    """0 / 0 somewhere."""

    def added(self, edge_vec, edges):
        return torch.full((edges.num_dst,), torch.nan, dtype=edge_vec.dtype)


def with_network(network: type[torch.nn.Module], dtype: torch.dtype = torch.float32) -> Potential:
    potential = correct_potential(dtype=dtype)
    potential.network = network(potential.network)
    return potential


class WrongForces(Potential):
    """Forces of their own, as of networks that predict them directly."""

    def forward(self, data, **asked):
        found = super().forward(data, **asked)
        return found._replace(forces=1.1 * found.forces)


class WrongStress(Potential):
    """The sign of a virial."""

    def forward(self, data, **asked):
        found = super().forward(data, **asked)
        return found._replace(stress=None if found.stress is None else -found.stress)


class Superlinear(Potential):
    """Each atom's energy grows with the number of atoms of its structure."""

    def forward(self, data, **asked):
        found = super().forward(data, **asked)
        inputs = self.inputs(data)
        batch = inputs.batch
        factor = 1 + 0.01 * batch.bincount().double()
        shifts = self.shifts[inputs.species]
        atomic = (found.atomic_energies - shifts) * factor[batch] + shifts
        return found._replace(
            energy=segment_sum(atomic, batch, len(factor)),
            atomic_energies=atomic,
            forces=found.forces * factor[batch].unsqueeze(1),
            stress=None if found.stress is None else found.stress * factor.view(-1, 1, 1),
        )


class FarAway(Potential):
    """Far from the origin neighbors are missing."""

    def forward(self, data, **asked):
        found = super().forward(data, **asked)
        is_far = hasattr(data, "pos") and data.pos.mean(0).norm() > 90  # calculators know of edges only
        return found._replace(energy=found.energy + 0.5 * is_far)


def as_class(kind: type[Potential], dtype: torch.dtype = torch.float32) -> Potential:
    potential = copy.deepcopy(correct_potential(dtype=dtype))
    potential.__class__ = kind
    return potential
