"""Energies of two atoms: what a potential makes of distances that no training structure has."""

from __future__ import annotations

import itertools
from typing import Any, NamedTuple

import ase
import numpy as np
from ase.data import atomic_numbers, chemical_symbols
from torch_geometric.data import Batch

from eqgraph.datasets import GraphDataset
from eqgraph.graph import edge_vectors, from_ase
from eqgraph.models import Potential
from eqgraph.report import COLORS, Chart, Section, axis, grid, numbers, paragraph

_NUM_POINTS = 120
_SHORTEST = 0.4  # Å
_MOST_CHARTS = 36
"""Pairs of 8 elements; for more of them there is a chart for each element."""
_HIGHEST, _LOWEST = 15.0, -15.0
"""eV; what is beyond can be seen by zooming out."""


class DimerCurve(NamedTuple):
    """Energies [eV] of two atoms at some distances [Å], less those of isolated atoms."""

    pair: tuple[int, int]  # atomic numbers
    distances: np.ndarray
    energies: np.ndarray

    @property
    def name(self) -> str:
        return "–".join(chemical_symbols[number] for number in self.pair)


def dimer_curves(potential: Potential) -> list[DimerCurve]:
    """For every pair of elements that a potential knows, up to a little beyond its cutoff.

    Args:
        potential: in evaluation mode.
    """
    distances = np.linspace(_SHORTEST, potential.cutoff + 0.3, _NUM_POINTS)
    curves = []
    for pair in itertools.combinations_with_replacement(potential.species.tolist(), 2):
        dimers = [ase.Atoms(pair, [(0, 0, 0), (0, 0, distance)]) for distance in distances]
        batch = Batch.from_data_list([from_ase(atoms, potential.cutoff) for atoms in dimers])
        energies = potential(batch.to(potential.shifts.device), forces=False).energy
        zero = potential.shifts[potential.index_of_number[list(pair)]].sum()
        curves.append(DimerCurve(pair, distances, (energies - zero).detach().cpu().numpy()))
    return curves


def shortest_distances(dataset: GraphDataset) -> dict[tuple[int, int], float]:
    """Pair of atomic numbers in ascending order -> shortest distance [Å] of two such atoms that are neighbors in some structure.

    Args:
        dataset: structures.
    """
    found: dict[tuple[int, int], float] = {}
    for graph in (dataset[index] for index in range(len(dataset))):
        lengths = edge_vectors(graph.pos, graph.cell, graph.edge_index, graph.edge_shift).norm(dim=1)
        pairs = graph.atomic_numbers[graph.edge_index].sort(0).values
        keys = pairs[0] * len(chemical_symbols) + pairs[1]
        for key in keys.unique().tolist():
            pair = divmod(key, len(chemical_symbols))
            found[pair] = min(found.get(pair, np.inf), lengths[keys == key].min().item())
    return found


def trained_distances(header: dict[str, Any]) -> dict[tuple[int, int], float]:
    """The same from the header of a model file; empty if it does not say.

    Example:
        >>> trained_distances({"metadata": {"trained_range": {"distances": {"O-H": 0.93}}}})
        {(1, 8): 0.93}
    """
    found = header.get("metadata", {}).get("trained_range", {}).get("distances", {})
    numbers = {tuple(sorted(atomic_numbers[symbol] for symbol in pair.split("-"))): pair for pair in found}
    return {pair: float(found[name]) for pair, name in numbers.items()}


def dimer_section(curves: list[DimerCurve], shortest: dict[tuple[int, int], float]) -> Section:
    """Charts of dimer curves.

    Args:
        curves: of all pairs.
        shortest: see `shortest_distances`; pairs that are missing are not marked.
    """
    text = "Energy of two atoms alone, less those of isolated atoms."
    if shortest:
        text += (
            " Shaded: shorter than any distance of such atoms in the training structures, where the model extrapolates."
        )
    groups: dict[str, list[DimerCurve]] = {curve.name: [curve] for curve in curves}
    if len(curves) > _MOST_CHARTS:
        species = sorted({number for curve in curves for number in curve.pair})
        groups = {chemical_symbols[z]: [curve for curve in curves if z in curve.pair] for z in species}
    charts = [_chart(name, group, shortest).html() for name, group in groups.items()]
    return Section("Dimer curves", [paragraph(text), grid(charts, "tiles")])


def _chart(name: str, curves: list[DimerCurve], shortest: dict[tuple[int, int], float]) -> Chart:
    data: list[dict[str, Any]] = [
        {
            "type": "scatter",
            "mode": "lines",
            "name": curve.name,
            "x": numbers(curve.distances),
            "y": numbers(curve.energies),
            "line": {"color": COLORS[index % len(COLORS)], "width": 2},
            "hovertemplate": f"{curve.name} %{{x:.3f}} Å: %{{y:.4f}} eV<extra></extra>",
        }
        for index, curve in enumerate(curves)
    ]
    energies = np.concatenate([curve.energies for curve in curves])
    energies = energies[np.isfinite(energies)]
    low, high = (
        float(np.clip(value, _LOWEST, _HIGHEST)) for value in (energies.min(initial=0), energies.max(initial=0))
    )
    margin = 0.06 * (high - low) or 0.1
    layout: dict[str, Any] = {
        "xaxis": axis("distance (Å)", range=[float(curves[0].distances[0]), float(curves[0].distances[-1])]),
        "yaxis": axis("energy (eV)", range=[low - margin, high + margin], zeroline=True, zerolinecolor="#bbb"),
        "showlegend": False,
        "margin": {"l": 52, "r": 8, "t": 8, "b": 40},
    }
    caption = ""
    if len(curves) == 1 and (distance := shortest.get(curves[0].pair)) is not None:
        area = {"type": "rect", "yref": "paper", "x0": 0, "x1": distance, "y0": 0, "y1": 1, "layer": "below"}
        layout["shapes"] = [area | {"fillcolor": "#f6ead9", "line": {"width": 0}}]
        caption = f"Shortest trained distance: {distance:.3f} Å."
    elif len(curves) == 1 and shortest:
        caption = "No such neighbors in training."
    return Chart(data, layout, name, caption, 230)
