"""Sign, order and units of the stress."""

import ase
import ase.build
import ase.io
import numpy as np
import pytest
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator

from eqgraph.calculators import EqgraphCalculator
from eqgraph.datasets import read_frames
from eqgraph.models import build_potential, save_potential


def test_labels_keep_the_sign_and_order_of_ase(tmp_path):
    """mace#13, #974, #1110, chgnet#75, m3gnet#31: six numbers are xx yy zz yz xz xy, and compressed crystals have negative stress."""
    atoms = ase.build.bulk("Cu", cubic=True)
    atoms.set_cell(atoms.cell * 0.97, scale_atoms=True)
    atoms.cell[1, 2] += 0.1
    atoms.calc = EMT()
    voigt, full = atoms.get_stress(), atoms.get_stress(voigt=False)
    assert full.trace() < 0
    atoms.calc = SinglePointCalculator(atoms, energy=1.0, stress=voigt)
    for name in ("a.xyz", "a.traj", "a.db"):
        ase.io.write(tmp_path / name, atoms)
        (frame,) = read_frames(tmp_path / name, require=["energy"])
        np.testing.assert_allclose(frame.stress, full, atol=1e-8)
    assert np.unique(np.abs(full).round(6)).size > 3, "so that a wrong order would be seen"


def test_a_virial_is_not_taken_for_a_stress(tmp_path):
    """mace#442, #1518, matgl#222: virials were ignored, or trained on as if they were stresses."""
    atoms = ase.build.bulk("Cu", cubic=True)
    atoms.info |= {"energy": -1.0, "virial": np.eye(3)}
    ase.io.write(tmp_path / "a.xyz", atoms)
    with pytest.raises(ValueError, match="by its name a virial"):
        read_frames(tmp_path / "a.xyz", stress_key="virial", require=["stress"])
    (frame,) = read_frames(tmp_path / "a.xyz", require=["stress"])
    np.testing.assert_allclose(frame.stress, -np.eye(3) / atoms.get_volume(), rtol=1e-9)


def test_a_stress_that_is_not_symmetric_is_refused(tmp_path):
    """ASE keeps six of nine numbers: a transposed or wrongly ordered matrix went through unseen."""
    (tmp_path / "a.xyz").write_text('1\nLattice="4 0 0 0 4 0 0 0 4" energy=1 stress="1 2 3 4 5 6 7 8 9"\nH 0 0 0\n')
    assert ase.io.read(tmp_path / "a.xyz").get_stress().shape == (6,), "ASE does so still"
    with pytest.raises(ValueError, match=r"frame 0 \(line 1\): expected a symmetric stress"):
        read_frames(tmp_path / "a.xyz", require=[])


def test_predicted_stress_is_the_derivative_of_the_energy(tmp_path):
    """matgl#497, PR#825, nequip#404, pair_nequip_allegro#53: sign, volume and off-diagonal elements, against ASE's finite strains."""
    from ase.calculators.fd import calculate_numerical_stress

    model = build_potential("nequip", {"num_layers": 1, "num_features": 4}, [29], 4.0, [0.0], [1.0], 12.0)
    model.network.double()
    save_potential(tmp_path / "a.eqg", model)
    atoms = ase.build.bulk("Cu", cubic=True)
    atoms.rattle(0.05, seed=0)
    atoms.cell[1, 2] += 0.2
    atoms.calc = EqgraphCalculator(tmp_path / "a.eqg")
    stress = atoms.get_stress()
    assert np.abs(stress).max() > 1e-4
    np.testing.assert_allclose(stress, calculate_numerical_stress(atoms, eps=1e-5), atol=1e-8)


def test_a_structure_without_volume_has_no_stress(tmp_path):
    """pair_nequip_allegro#53: molecules beside crystals gave NaN pressures that spread to all."""
    (tmp_path / "a.xyz").write_text(
        '2\nProperties=species:S:1:pos:R:3 energy=1 stress="0 0 0 0 0 0 0 0 0"\nH 0 0 0\nH 0 0 1\n'
    )
    assert read_frames(tmp_path / "a.xyz", require=["energy"])[0].stress is None
