"""The repulsion of nuclei that come closer than any training structure shows."""

import torch
from ase.data import chemical_symbols, covalent_radii
from ase.units import Bohr, Hartree
from jaxtyping import Float, Int
from torch import Tensor

from eqgraph.nn import PolynomialCutoff
from eqgraph.ops import Edges, segment_sum

_COEFFICIENTS = (0.18175, 0.50986, 0.28022, 0.02817)
_EXPONENTS = (3.19980, 0.94229, 0.40290, 0.20162)
_SCREENING_LENGTH = 0.46850
"""0.88534 Bohr radii [Å]."""
_LAST_RADIUS = 96
"""Atomic number of the heaviest element with a measured covalent radius."""


def screened_repulsion(
    numbers_src: Float[Tensor, " edges"], numbers_dst: Float[Tensor, " edges"], edge_len: Float[Tensor, " edges"]
) -> Float[Tensor, " edges"]:
    """The universal potential of Ziegler, Biersack and Littmark between two nuclei in their electrons.

    V(r) = e² / (4πε₀) · Z_i Z_j / r · φ(r / a),   a = 0.4685 Å / (Z_i^0.23 + Z_j^0.23)

    φ(x) = 0.18175 e^(-3.1998 x) + 0.50986 e^(-0.94229 x) + 0.28022 e^(-0.4029 x) + 0.02817 e^(-0.20162 x)

    Args:
        numbers_src: atomic number of the one nucleus of each pair.
        numbers_dst: of the other.
        edge_len: distance [Å].

    Returns:
        Energy of each pair [eV].

    Example:
        >>> screened_repulsion(torch.tensor([14.0]), torch.tensor([14.0]), torch.tensor([1.0]))
        tensor([50.9744])

    Reference: Ziegler, Biersack and Littmark 1985, The Stopping and Range of Ions in Solids, Pergamon.
    """
    x = edge_len * (numbers_src**0.23 + numbers_dst**0.23) / _SCREENING_LENGTH
    screening = sum(c * torch.exp(-d * x) for c, d in zip(_COEFFICIENTS, _EXPONENTS, strict=True))
    return Hartree * Bohr * numbers_src * numbers_dst / edge_len * screening


class ZBL(torch.nn.Module):
    """Atomic energies that make every pair of nuclei repel at short distance, where a network was never trained.

    E_i = ½ Σ_j V(r_ij) u(r_ij / c_ij),   c_ij = R_i + R_j

    with V of screened_repulsion, R the covalent radii, and the envelope u of nn.PolynomialCutoff: beyond the sum of the covalent radii
    energy, force and its derivative are zero, and bonds at rest hardly change. Where the sum is larger than the cutoff of the neighbor
    list, c_ij is the cutoff. Always in float64, whatever the dtype of the network. Nothing in it is trained.

    Args:
        species: atomic numbers, by position in the list of species.
        cutoff: of the neighbor list [Å].

    Raises:
        ValueError: if there is no covalent radius of an element.

    Example:
        >>> oxygen = ZBL([1, 8], cutoff=5.0)
        >>> edges = Edges.of(torch.tensor([[0, 1], [1, 0]]), 2, 2)
        >>> vectors = torch.tensor([[0.0, 0.0, 0.5], [0.0, 0.0, -0.5]])
        >>> oxygen(torch.tensor([1, 1]), vectors, edges), oxygen(torch.tensor([1, 1]), 3 * vectors, edges)
        (tensor([92.1434, 92.1434], dtype=torch.float64), tensor([0., 0.], dtype=torch.float64))

    Reference: as screened_repulsion; radii: Cordero et al. 2008, doi:10.1039/b801115j; their sum as the range: Batatia et al. 2023,
    arXiv:2401.00096.
    """

    def __init__(self, species: list[int], cutoff: float) -> None:
        super().__init__()
        if missing := [chemical_symbols[number] for number in species if number > _LAST_RADIUS]:
            raise ValueError(
                f"ZBL: expected elements with a covalent radius (up to {chemical_symbols[_LAST_RADIUS]}), got {', '.join(missing)}. "
                "Set model.zbl: false."
            )
        self.cutoff, self.envelope = float(cutoff), PolynomialCutoff(1.0)
        self.register_buffer("numbers", torch.tensor(species, dtype=torch.float64), persistent=False)
        # in the file: an eqgraph that does not know this term must refuse it rather than leave the term out
        self.register_buffer("radii", torch.tensor(covalent_radii[species], dtype=torch.float64))

    def _apply(self, fn, recurse=True):
        # .float() is meant for the network
        numbers, radii = self.numbers, self.radii
        super()._apply(fn, recurse)
        self.numbers, self.radii = numbers.to(self.numbers.device), radii.to(self.radii.device)
        return self

    def extra_repr(self) -> str:
        return f"cutoff={self.cutoff}"

    def forward(
        self, species: Int[Tensor, " nodes"], edge_vec: Float[Tensor, "edges 3"], edges: Edges
    ) -> Float[Tensor, " nodes"]:
        """Species and edge vectors [Å] to energies of the atoms [eV]."""
        edge_len = edge_vec.double().square().sum(-1).sqrt()
        src, dst = edges.src, edges.dst
        reach = (self.radii[species[src]] + self.radii[species[dst]]).clamp(max=self.cutoff)
        if (
            not self.training
        ):  # in dynamics hardly any pair is that near; a traced training step cannot depend on how many
            (near,) = (edge_len < reach).nonzero(as_tuple=True)
            src, dst, edge_len, reach = src[near], dst[near], edge_len[near], reach[near]
        numbers_src, numbers_dst = self.numbers[species[src]], self.numbers[species[dst]]
        pairs = screened_repulsion(numbers_src, numbers_dst, edge_len) * self.envelope(edge_len / reach)
        return segment_sum(pairs / 2, dst, len(species))
