"""Evaluation against one structure at a time."""

import ase
import ase.io
import numpy as np
import pytest

from eqgraph.calculators import EqgraphCalculator
from eqgraph.datasets import AtomsDataset, Frame, read_frames
from eqgraph.models import build_potential
from eqgraph.train import evaluate, write_predictions


@pytest.fixture
def potential():
    config = {"num_layers": 1, "num_features": 4, "lmax": 1, "num_radial": 4, "radial_hidden": [8]}
    return build_potential("nequip", config, [1, 8], 4.0, [-13.0, -2040.0], [1.0, 1.0], 3.0).train()


def test_batches_are_structures_one_by_one(folder, potential):
    frames = read_frames(folder / "test.xyz")
    evaluation = evaluate(potential, AtomsDataset(frames, 4.0), batch_size=2)
    assert potential.training, "evaluation leaves the mode as it was"
    start = 0
    for index, frame in enumerate(frames):
        atoms = frame.atoms.copy()
        atoms.calc = EqgraphCalculator(potential)
        stop = start + len(atoms)
        assert evaluation.num_atoms[index] == len(atoms)
        assert evaluation.energy[index] == pytest.approx(atoms.get_potential_energy(), abs=1e-5)
        np.testing.assert_allclose(evaluation.forces[start:stop], atoms.get_forces(), atol=1e-5)
        np.testing.assert_array_equal(evaluation.numbers[start:stop], atoms.numbers)
        np.testing.assert_array_equal(evaluation.forces_labels[start:stop], frame.forces)
        expected = -13.0 * (atoms.numbers == 1).sum() - 2040.0 * (atoms.numbers == 8).sum()
        assert evaluation.isolated_energy[index] == expected
        start = stop
    error = evaluation.forces - evaluation.forces_labels
    assert evaluation.errors.forces.rmse == pytest.approx(np.sqrt(np.mean(error**2)), rel=1e-12)


def test_predictions_stand_beside_the_labels(folder, potential):
    frames = read_frames(folder / "test.xyz")
    evaluation = evaluate(potential, AtomsDataset(frames, 4.0))
    write_predictions(folder / "pred.xyz", frames, evaluation)
    written = ase.io.read(folder / "pred.xyz", ":")
    start = 0
    for index, (atoms, frame) in enumerate(zip(written, frames, strict=True)):
        assert atoms.info["pred_energy"] == pytest.approx(evaluation.energy[index], rel=1e-8)
        np.testing.assert_allclose(
            atoms.arrays["pred_forces"], evaluation.forces[start : start + len(atoms)], atol=1e-6
        )
        assert atoms.get_potential_energy() == pytest.approx(frame.energy, rel=1e-8)
        np.testing.assert_allclose(atoms.get_forces(), frame.forces, atol=1e-6)
        start += len(atoms)


def test_structures_with_and_without_a_cell(folder, potential):
    """Stress is predicted, compared and written where there is a volume."""
    frames = ase.io.read(folder / "test.xyz", ":")
    frames[0].set_cell([9.0] * 3)
    frames[0].pbc = True
    frames[0].calc.results["stress"] = np.zeros(6)
    frames[0].calc.atoms = frames[0].copy()
    ase.io.write(folder / "mixed.xyz", frames)
    frames = read_frames(folder / "mixed.xyz")
    evaluation = evaluate(potential, AtomsDataset(frames, 4.0))
    assert evaluation.errors.stress.count == 9
    assert np.isfinite(evaluation.stress[0]).all()
    assert np.isnan(evaluation.stress[1:]).all()
    write_predictions(folder / "pred.xyz", frames, evaluation)
    written = ase.io.read(folder / "pred.xyz", ":")
    np.testing.assert_allclose(written[0].info["pred_stress"].reshape(3, 3), evaluation.stress[0], atol=1e-7)
    assert "pred_stress" not in written[1].info


def test_unknown_species(folder, potential):
    frames = ase.io.read(folder / "test.xyz", ":")
    frames[2].symbols[1] = "Pt"
    ase.io.write(folder / "platinum.xyz", frames)
    dataset = AtomsDataset(read_frames(folder / "platinum.xyz"), 4.0)
    with pytest.raises(
        ValueError,
        match=r"expected only elements that the model is trained on \(H, O\), came Pt in .*platinum\.xyz, frame 2\.",
    ):
        evaluate(potential, dataset)


def test_written_forces_belong_to_their_structures(tmp_path, potential):
    frames = [
        Frame(ase.Atoms("H" * count, 3 * np.random.rand(count, 3)), index, -1.0 * count)
        for index, count in enumerate((2, 5, 3))
    ]
    evaluation = evaluate(potential, AtomsDataset(frames, 4.0))
    write_predictions(tmp_path / "p.xyz", frames, evaluation)
    written = [atoms.arrays["pred_forces"] for atoms in ase.io.read(tmp_path / "p.xyz", ":")]
    np.testing.assert_allclose(np.concatenate(written), evaluation.forces, atol=1e-7)
    assert [len(forces) for forces in written] == [2, 5, 3]
