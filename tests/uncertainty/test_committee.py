import json
import shutil

import numpy as np
import pytest
import torch
from squares import dataset, squares, tiny

from eqgraph.graph import from_ase
from eqgraph.models import build_potential, load_potential, save_potential
from eqgraph.train import evaluate
from eqgraph.uncertainty import Committee, CommitteeFactors, LastLayerPotential, load_uncertain
from eqgraph.uncertainty.committee import write_factors


def test_mean_and_deviation_are_those_of_numpy(run_of_seeds):
    committee = Committee.load(run_of_seeds)
    graph = from_ase(squares(1, seed=7)[0], 4.0)
    mean, found = committee.predict(graph, stress=False)
    members = [load_potential(run_of_seeds / f"seed_{seed}/model.eqg")[0](graph) for seed in range(2)]
    factors = json.loads((run_of_seeds / "committee.json").read_text())["factors"]
    energies, forces = (np.stack([getattr(each, name).numpy() for each in members]) for name in ("energy", "forces"))
    np.testing.assert_allclose(mean.energy, energies.mean(0), rtol=1e-12)
    np.testing.assert_allclose(mean.forces, forces.mean(0), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(found.energy, factors["energy"] * energies.std(0, ddof=1), rtol=1e-9)
    np.testing.assert_allclose(found.forces, factors["forces"] * forces.std(0, ddof=1), rtol=1e-6, atol=1e-9)
    assert mean.stress is None


def test_seeds_hold_out_the_same_structures_and_are_calibrated_on_them(run_of_seeds):
    """What one seed had trained on would make the mean look better than it is."""
    hashes = [load_potential(run_of_seeds / f"seed_{seed}/model.eqg")[1]["metadata"]["data_hash"] for seed in range(2)]
    assert hashes[0] == hashes[1]
    factors = json.loads((run_of_seeds / "committee.json").read_text())
    assert factors["calibrated_on"] == {"energies": 6, "force_components": 72}
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(0)
    held_out = sorted(torch.randperm(20, generator=generator)[:6].tolist())
    atoms = squares(20)
    evaluation = evaluate(Committee.load(run_of_seeds), dataset([atoms[row] for row in held_out]))
    for row in evaluation.calibrations:
        assert row.predicted == pytest.approx(row.rmse, rel=0.2 if row.quantity.startswith("energy") else 1e-3)


def test_one_file_is_no_committee(run_of_seeds):
    one = run_of_seeds / "seed_0/model.eqg"
    assert isinstance(load_uncertain(one), LastLayerPotential)
    assert isinstance(load_uncertain(run_of_seeds), Committee)
    assert isinstance(load_uncertain([one, run_of_seeds]), Committee)
    assert len(load_uncertain([one, run_of_seeds]).members) == 2, "each model once"
    with pytest.raises(ValueError, match="expected two or more different models, got 1"):
        Committee.load([one, one])


def test_calibration_belongs_to_its_models(run_of_seeds, tmp_path):
    assert Committee.load(run_of_seeds).is_calibrated
    shutil.copytree(run_of_seeds, tmp_path / "moved")
    assert Committee.load(tmp_path / "moved").is_calibrated
    potential, header = load_potential(tmp_path / "moved/seed_1/model.eqg")
    with torch.no_grad():
        potential.network.readout.weight *= 2
    save_potential(tmp_path / "moved/seed_1/model.eqg", potential, header["metadata"])
    changed = Committee.load(tmp_path / "moved")
    assert not changed.is_calibrated
    assert changed.factors == CommitteeFactors(1.0, 1.0)
    (tmp_path / "moved/committee.json").write_text("{")
    assert not Committee.load(tmp_path / "moved").is_calibrated


def test_errors(tmp_path, run_of_seeds):
    with pytest.raises(ValueError, match="expected two or more models, got 1"):
        Committee([tiny()])
    other = build_potential("nequip", tiny().network.config, [1, 6], 4.0, [0.0, 0.0], [1.0, 1.0], 3.0)
    with pytest.raises(
        ValueError, match=r"same species and cutoff, got \[1, 8\] within 4 Å and, as number 1, \[1, 6\]"
    ):
        Committee([tiny(), other])
    with pytest.raises(FileNotFoundError, match=r"Expected the directory of a run with models \(seed_\*/model.eqg\)"):
        Committee.load(tmp_path)
    with pytest.raises(FileNotFoundError, match="expected a model file, found none at"):
        Committee.load([tmp_path / "a.eqg", run_of_seeds])


def test_a_copy_of_a_member_is_no_other_member(run_of_seeds, tmp_path):
    shutil.copy(run_of_seeds / "seed_0/model.eqg", tmp_path / "copy.eqg")
    committee = Committee.load([run_of_seeds, tmp_path / "copy.eqg"])
    assert len(committee.members) == 2
    assert committee.is_calibrated
    with pytest.raises(ValueError, match="got copies of one"):
        Committee.load([run_of_seeds / "seed_0/model.eqg", tmp_path / "copy.eqg"])


def test_factors_of_fewer_seeds_are_not_those_of_more(run_of_seeds, tmp_path):
    """A run that goes on with fewer seeds leaves the models of the others where they were."""
    shutil.copytree(run_of_seeds, tmp_path / "run")
    shutil.copytree(run_of_seeds / "seed_1", tmp_path / "run/seed_2")
    potential, header = load_potential(tmp_path / "run/seed_2/model.eqg")
    potential.shifts += 1.0
    save_potential(tmp_path / "run/seed_2/model.eqg", potential, header["metadata"])
    rng = np.random.default_rng(0)
    energies, forces = rng.normal(size=(2, 5)), rng.normal(size=(2, 20, 3))
    assert write_factors(tmp_path / "run", energies, np.zeros(5), forces, np.zeros((20, 3))) is not None
    assert not Committee.load(tmp_path / "run").is_calibrated
    two = [tmp_path / f"run/seed_{seed}/model.eqg" for seed in range(2)]
    assert Committee.load(two).is_calibrated


def test_forces_alone_calibrate_nothing(run_of_seeds, tmp_path):
    """Without energies, their origin is another one for each seed."""
    shutil.copytree(run_of_seeds, tmp_path / "run")
    rng = np.random.default_rng(0)
    energies, forces = rng.normal(size=(2, 5)), rng.normal(size=(2, 20, 3))
    assert write_factors(tmp_path / "run", energies, np.full(5, np.nan), forces, np.zeros((20, 3))) is None
