"""Precision that is lost on the way."""

import ase
import numpy as np
import pytest
import torch

from eqgraph.calculators import EqgraphCalculator
from eqgraph.datasets import AtomsDataset, Frame
from eqgraph.graph import from_ase
from eqgraph.models import build_potential, load_potential, save_potential

CONFIG = {"num_layers": 1, "num_features": 4}


def test_large_total_energies_keep_their_millielectronvolts():
    """mace#84, #191, #877: in float32 an energy of -2e6 eV is known to 0.1 eV, and differences of conformers are noise."""
    energies = [-2_000_000.001, -2_000_000.002]
    assert np.float32(energies[0]) == np.float32(energies[1]), "float32 cannot tell them apart"
    dataset = AtomsDataset(
        [Frame(ase.Atoms("H2", [(0, 0, 0), (0, 0, z)]), energy=e) for z, e in zip((0.8, 0.9), energies, strict=True)],
        3.0,
    )
    assert [float(data.energy) for data in dataset] == energies
    potential = build_potential("nequip", CONFIG, [1], 3.0, [-1_000_000.0005], [1e-9], 1.0).eval()
    assert potential.dtype == torch.float32
    assert float(potential(dataset[0]).energy) == pytest.approx(-2_000_000.001, abs=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_dtype_of_the_model_survives_the_file_and_the_default(dtype, tmp_path):
    """mace#249, #328, #607, #665: float64 models loaded as float32 or mixed with the default dtype, and crashed or lost digits."""
    potential = build_potential("nequip", CONFIG, [1, 8], 3.0, [-13.6, -2037.8], [1.0, 1.0], 2.0)
    potential.network.to(dtype)
    save_potential(tmp_path / "a.eqg", potential)
    water = ase.Atoms("OH2", [[0, 0, 0], [0.96, 0, 0], [-0.24, 0.93, 0]])
    energies = []
    before = torch.get_default_dtype()
    try:
        for default in (torch.float32, torch.float64):
            torch.set_default_dtype(default)
            loaded, _ = load_potential(tmp_path / "a.eqg")
            assert loaded.dtype == dtype
            assert loaded.shifts.dtype == torch.float64
            water.calc = EqgraphCalculator(tmp_path / "a.eqg")
            energies.append(water.get_potential_energy())
            assert water.get_forces().dtype == np.float64
    finally:
        torch.set_default_dtype(before)
    assert energies[0] == pytest.approx(energies[1], abs=1e-6 if dtype == torch.float32 else 1e-12)


def test_forces_far_from_the_origin_are_those_at_the_origin():
    """mace#1271 and PR#1726: 1e5 Å away, float32 coordinates are known to 0.01 Å; differences are taken in float64."""
    potential = build_potential("nequip", CONFIG, [1, 8], 3.0, [0.0, 0.0], [1.0, 1.0], 2.0).eval()
    water = ase.Atoms("OH2", [[0, 0, 0], [0.96, 0, 0], [-0.24, 0.93, 0]])
    near = potential(from_ase(water, 3.0)).forces
    water.translate([1e5, -1e5, 1e5])
    torch.testing.assert_close(potential(from_ase(water, 3.0)).forces, near, atol=1e-5, rtol=0)
    assert near.abs().max() > 1e-3
