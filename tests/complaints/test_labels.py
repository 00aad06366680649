"""Labels that other programs lose, change or invent."""

import ase
import ase.io
import numpy as np
import pytest
import torch
from ase.calculators.singlepoint import SinglePointCalculator
from ase.constraints import FixAtoms
from torch_geometric.data import Batch

from eqgraph.datasets import AtomsDataset, Frame, read_frames
from eqgraph.models import Prediction
from eqgraph.train import Loss, parse_config
from eqgraph.train.potential.data import PotentialData

FORCES = np.array([[0.1, 0.2, 0.3], [-0.1, -0.2, -0.3]])


def molecule(**info) -> ase.Atoms:
    return ase.Atoms("HO", [(0, 0, 0), (0, 0, 0.97)], info=info)


def test_energy_and_forces_are_found_where_ase_hides_them(tmp_path):
    """mace#364, #933, psiflow#28, #93: ASE moves energy and forces of a file into a calculator, where info["energy"] is no more."""
    atoms = molecule(energy=-5.0)
    atoms.arrays["forces"] = FORCES
    ase.io.write(tmp_path / "a.xyz", atoms)
    again = ase.io.read(tmp_path / "a.xyz")
    assert "energy" not in again.info, "ASE hides it still"
    (frame,) = read_frames(tmp_path / "a.xyz")
    assert frame.energy == -5.0
    np.testing.assert_allclose(frame.forces, FORCES)


def test_labels_under_names_of_ones_own_are_found(tmp_path):
    """mace#412, #1031: REF_energy in info, or in key_value_pairs and data of a database."""
    import ase.db

    atoms = molecule(REF_energy=-5.0)
    atoms.arrays["REF_forces"] = FORCES
    ase.io.write(tmp_path / "a.xyz", atoms)
    with ase.db.connect(tmp_path / "a.db") as database:
        database.write(molecule(), REF_energy=-5.0, data={"REF_forces": FORCES})
    for name in ("a.xyz", "a.db"):
        (frame,) = read_frames(tmp_path / name, "REF_energy", "REF_forces")
        assert frame.energy == -5.0
        np.testing.assert_allclose(frame.forces, FORCES)


def test_a_wrong_key_of_forces_does_not_train_energies_alone(tmp_path):
    """metatrain#1159, mace#412, #1031: labels that are not found are an error that names those that are there, not a loss of 0."""
    frames = []
    for energy in (-5.0, -5.1, -5.2):
        atoms = molecule(energy=energy)
        atoms.arrays["dft_forces"] = FORCES
        frames.append(atoms)
    ase.io.write(tmp_path / "a.xyz", frames)
    raw = {"data": {"train": str(tmp_path / "a.xyz"), "valid": 1}, "training": {"output": str(tmp_path / "run")}}
    with pytest.raises(ValueError, match=r"(?s)expected forces under the key 'forces'.*Did you mean 'dft_forces'"):
        PotentialData(parse_config(raw))


def test_constraints_do_not_set_forces_to_zero(tmp_path):
    """mace PR#1448: get_forces() of a structure with FixAtoms gives zeros, which are no labels."""
    atoms = molecule()
    atoms.calc = SinglePointCalculator(atoms, energy=-5.0, forces=FORCES)
    atoms.set_constraint(FixAtoms([0]))
    assert not atoms.get_forces()[0].any(), "ASE does so still"
    ase.io.write(tmp_path / "a.traj", atoms)
    (frame,) = read_frames(tmp_path / "a.traj")
    np.testing.assert_allclose(frame.forces, FORCES)


def test_a_missing_label_does_not_dilute_the_others():
    """mace reduce_loss: the mean runs over labels that exist; a structure without forces changes nothing of the loss of forces."""
    with_forces = Frame(molecule(), 0, energy=-5.0, forces=FORCES)
    without = Frame(molecule(), 1, energy=-5.0)

    def loss(frames: list[Frame]) -> float:
        batch = Batch.from_data_list(list(AtomsDataset(frames, 3.0)))
        nodes, graphs = batch.num_nodes, batch.num_graphs
        zeros = Prediction(
            batch.energy.clone(), torch.zeros(nodes), torch.zeros(nodes, 3).double(), torch.zeros(graphs, 3, 3)
        )
        return float(Loss(energy=0.0, forces=1.0)(zeros, batch))

    expected = float(np.square(FORCES).mean())
    assert loss([with_forces]) == pytest.approx(expected)
    assert loss([with_forces, without, without, without]) == pytest.approx(expected)


def test_energies_alone_train(tmp_path):
    """mace#1385, SevenNet#179, metatrain#394: a file without forces trains, on what it has."""
    from eqgraph.train import fit

    rng = np.random.default_rng(0)
    frames = [ase.Atoms("HO", [(0, 0, 0), (0, 0, z)], info={"energy": float(z)}) for z in rng.uniform(0.9, 1.2, 8)]
    ase.io.write(tmp_path / "a.xyz", frames)
    raw = {
        "data": {"train": str(tmp_path / "a.xyz"), "valid": 2},
        "model": {"num_layers": 1, "num_features": 2, "lmax": 1, "cutoff": 3.0},
        "loss": {"forces": 0.0},
        "training": {"output": str(tmp_path / "run"), "max_epochs": 2, "threads": 1, "device": "cpu"},
    }
    result = fit(parse_config(raw))
    assert np.isfinite(result.errors["valid"].energy_per_atom.rmse)
    assert result.errors["valid"].forces.count == 0


def test_no_frame_is_lost_behind_a_blank_line(tmp_path):
    """ASE stops reading extended XYZ at a blank line, and says nothing."""
    text = "1\nenergy=-1.0\nH 0 0 0\n"
    (tmp_path / "a.xyz").write_text(text + "\n" + text)
    assert len(ase.io.read(tmp_path / "a.xyz", ":")) == 1, "ASE does so still"
    with pytest.raises(ValueError, match=r"a\.xyz, line 4: .*blank line"):
        read_frames(tmp_path / "a.xyz")
