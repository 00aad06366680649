"""Writes the model files of this release, with what the models predict, to a folder named after the version.

    python tests/models/files/write_files.py

Run once per release and never again for it: files that exist are not replaced.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from ase import Atoms

import eqgraph
from eqgraph.calculators import EqgraphCalculator
from eqgraph.models import build_classifier, build_potential, save_classifier, save_potential

SMALL = {"num_layers": 2, "num_features": 2, "lmax": 1, "num_radial": 4, "radial_hidden": [4]}
POINTS = SMALL | {"num_neighbors": 4, "num_points": [None, 6], "num_invariant_channels": 4, "head_hidden": [4]}
METADATA = {
    "units": {"energy": "eV", "length": "Å", "forces": "eV/Å", "stress": "eV/Å³"},
    "data_hash": "0" * 64,
    "E0s": {"H": -13.6, "O": -2041.8},
    "training": {
        "data": {"train": ["water.xyz"], "valid": 2, "energy_key": "REF_energy"},
        "model": {"architecture": "nequip", "cutoff": 3.5},
        "training": {"seed": 3, "max_epochs": 7, "max_time": None, "batch_size": 5, "dtype": "float32"},
    },
    "validation": {
        "epoch": 6,
        "errors": [
            {"quantity": "forces", "element": "all", "unit": "meV/Å", "mae": 9.0, "rmse": 12.5, "count": 18},
            {"quantity": "forces", "element": "H", "unit": "meV/Å", "mae": 8.0, "rmse": 11.5, "count": 12},
        ],
    },
}


def main() -> None:
    folder = Path(__file__).parent / eqgraph.__version__
    folder.mkdir()  # refuses to replace the files of a release
    rng = np.random.default_rng(7)
    molecule = np.array([(0.76, 0.59, 0.0), (-0.76, 0.59, 0.0), (0.0, 0.0, 0.0)])
    second = molecule + np.array([2.1, 1.4, 1.7])
    positions = np.concatenate([molecule, second]) + rng.normal(scale=0.05, size=(6, 3))
    water = Atoms("HHOHHO", positions.round(3), cell=[(4.0, 0.0, 0.0), (0.3, 4.1, 0.0), (0.0, -0.2, 4.3)], pbc=True)
    known = {
        "water": {
            "numbers": water.numbers.tolist(),
            "positions": water.positions.tolist(),
            "cell": water.cell.tolist(),
        },
        "cloud": rng.normal(size=(12, 3)).round(3).tolist(),
    }
    for architecture, dtype in (("nequip", "float32"), ("tensor_field_network", "float64")):
        torch.manual_seed(0)
        potential = build_potential(architecture, SMALL, [1, 8], 3.5, [-13.6, -2041.8], [0.9, 1.2], 9.5)
        potential.network.to(getattr(torch, dtype))
        _no_zeros(potential)
        save_potential(folder / f"{architecture}.eqg", potential, METADATA)
        water.calc = EqgraphCalculator(folder / f"{architecture}.eqg")
        known[architecture] = {
            "energy": water.get_potential_energy(),
            "forces": water.get_forces().tolist(),
            "stress": water.get_stress(voigt=False).tolist(),
        }
    torch.manual_seed(0)
    classifier = build_classifier("tensor_field_network", POINTS, num_classes=3).eval()
    _no_zeros(classifier)
    metadata = {key: METADATA[key] for key in ("data_hash",)} | {"classes": ["ball", "cube", "torus"]}
    save_classifier(folder / "classifier.eqg", classifier, metadata["classes"], metadata)
    with torch.no_grad():
        known["classifier"] = {"scores": classifier(torch.tensor(known["cloud"]))[0].tolist()}
    (folder / "outputs.json").write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")


def _no_zeros(model: torch.nn.Module) -> None:
    """Biases and the like start at zero, and would not show whether they are read."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))


if __name__ == "__main__":
    main()
