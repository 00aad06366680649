"""The model of torch-sim: its own validation passes, and results are those of the ASE calculator."""

import importlib
import runpy
import sys
from pathlib import Path

import ase.io
import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk, molecule

from eqgraph.calculators import EqgraphCalculator
from eqgraph.models import build_potential, save_potential

torch_sim = pytest.importorskip("torch_sim")

from torch_sim.models.interface import validate_model_outputs  # noqa: E402

from eqgraph.calculators.torch_sim import EqgraphModel  # noqa: E402

ROOT = Path(__file__).parents[2]
SPECIES = [1, 6, 8, 14, 26, 29]


@pytest.fixture(scope="module")
def potential():
    torch.manual_seed(0)
    config = {"num_layers": 2, "num_features": 4, "num_radial": 4, "radial_hidden": [8]}
    shifts = [-13.6, -1030.0, -2041.0, -3.0, -4.0, -5.0]
    return build_potential("nequip", config, SPECIES, 3.5, shifts, [1.0] * len(SPECIES), 8.0, zbl=True).double()


@pytest.fixture(scope="module")
def model(potential):
    return EqgraphModel(potential)


def rattled(atoms: Atoms, seed: int) -> Atoms:
    atoms.rattle(0.1, seed=seed)
    return atoms


def crystals() -> list[Atoms]:
    """A cell smaller than the cutoff, one with off-diagonal elements, one of another size, atoms outside of the cell."""
    sheared = bulk("Cu", cubic=True)
    sheared.set_cell(sheared.cell.array @ [[1, 0.2, 0], [0, 0.9, 0.1], [0, 0, 1]], scale_atoms=True)
    moved = rattled(bulk("Si", cubic=True), 2)
    moved.positions += [30, -50, 100]
    return [bulk("Fe"), rattled(sheared, 1), moved, rattled(bulk("FeO", "rocksalt", a=4.2), 3)]


def molecules() -> list[Atoms]:
    """One of them in a cell that is smaller than it, which pbc = F F F makes meaningless."""
    boxed = rattled(molecule("CH3CH2OH", cell=[2.0, 2.0, 2.0]), 0)
    return [boxed, rattled(molecule("H2O"), 1), Atoms("H", [[5.0, 0, 0]]), rattled(molecule("C6H6"), 2)]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_the_validation_of_torch_sim_passes(potential, dtype):
    model = EqgraphModel(potential, dtype=dtype, compute_forces=False, compute_stress=False)
    validate_model_outputs(model, model.device, dtype)
    assert model.compute_forces
    assert model.compute_stress
    assert model.memory_scales_with == "n_atoms_x_density"
    output = model(torch_sim.initialize_state([bulk("Si")], model.device, dtype))
    assert {values.dtype for values in output.values()} == {dtype}


@pytest.mark.parametrize("structures", [crystals, molecules], ids=lambda make: make.__name__)
def test_a_batch_is_what_the_ase_calculator_says_of_each(potential, model, structures):
    systems = structures()
    output = model(torch_sim.initialize_state(systems, model.device, model.dtype))
    start, calculator = 0, EqgraphCalculator(potential)
    for index, atoms in enumerate(systems):
        end = start + len(atoms)
        atoms.calc = calculator
        assert output["energy"][index].item() == pytest.approx(atoms.get_potential_energy(), rel=1e-12)
        np.testing.assert_allclose(output["forces"][start:end], atoms.get_forces(), atol=1e-10)
        if atoms.cell.rank == 3:
            np.testing.assert_allclose(output["stress"][index], atoms.get_stress(voigt=False), atol=1e-12)
        else:
            assert output["stress"][index].isnan().all()
        start = end
    assert output["forces"].abs().max() > 0.01


def test_a_dict_is_a_state_too(model):
    atoms = rattled(bulk("Cu", cubic=True), 0)
    atoms.cell[1, 2] += 0.5
    state = torch_sim.initialize_state([atoms], model.device, model.dtype)
    fields = {"positions": state.positions, "cell": state.cell, "pbc": True, "atomic_numbers": state.atomic_numbers}
    for name, values in model(fields).items():
        assert torch.equal(values, model(state)[name])


def test_systems_whose_atoms_are_mixed_get_their_own_forces(model):
    """torch-sim lets through systems in any order if they are of the same size."""
    one, two = (rattled(molecule("H2O"), seed) for seed in (0, 1))
    state = torch_sim.initialize_state([one, two], model.device, model.dtype)
    expected = model(state)
    order = torch.tensor([3, 0, 4, 1, 2, 5])
    fields = {name: getattr(state, name)[order] for name in ("positions", "atomic_numbers", "system_idx")}
    output = model({**fields, "cell": state.cell, "pbc": False})
    torch.testing.assert_close(output["energy"], expected["energy"], rtol=1e-12, atol=0)
    torch.testing.assert_close(output["forces"], expected["forces"][order], rtol=1e-9, atol=1e-12)


def test_a_pbc_for_each_direction_is_understood(potential, model):
    """As later versions of torch-sim have it; 0.3 knows one for all."""
    slab = rattled(bulk("Cu", cubic=True), 0)
    slab.pbc = [True, True, False]
    state = torch_sim.initialize_state([slab], model.device, model.dtype)
    state.pbc = torch.tensor(slab.pbc)
    slab.calc = EqgraphCalculator(potential)
    assert model(state)["energy"].item() == pytest.approx(slab.get_potential_energy(), rel=1e-12)


def test_microcanonical_dynamics_conserve_the_energy_to_second_order_in_the_time_step(model):
    """Velocity Verlet: half the time step, a quarter of the error; with forces that are not the derivatives it would stay."""
    systems = [rattled(molecule("CH3CH2OH"), 0), rattled(molecule("H2O"), 1)]
    errors = []
    for steps in (10, 20):
        state = torch_sim.initialize_state(systems, model.device, model.dtype)
        step = torch.tensor(5.0 / steps * 1e-3 * torch_sim.units.MetalUnits.time)  # 5 fs in all
        start, update = torch_sim.nve(model, dt=step, kT=torch.tensor(0.05), seed=0)
        state, total = start(state), []
        for _ in range(steps):
            state = update(state)
            kinetic = torch_sim.calc_kinetic_energy(
                momenta=state.momenta, masses=state.masses, system_idx=state.system_idx
            )
            total.append(state.energy + kinetic)
        total = torch.stack(total)
        errors.append((total - total[0]).abs().max(0).values)
    assert (errors[1] < 0.02).all()
    assert (errors[1] < 0.4 * errors[0]).all()


def test_the_runner_with_batches_of_its_own(potential):
    """torch_sim.static cuts the systems into batches by memory; molecules have no density, so by atoms."""
    systems = molecules()
    model = EqgraphModel(potential, memory_scales_with="n_atoms")
    batcher = torch_sim.BinningAutoBatcher(model, memory_scales_with=model.memory_scales_with, max_memory_scaler=12.0)
    results = torch_sim.static(systems, model, autobatcher=batcher)
    together = model(torch_sim.initialize_state(systems, model.device, model.dtype))
    energies = torch.cat([result["potential_energy"].flatten() for result in results])
    torch.testing.assert_close(energies, together["energy"], rtol=1e-12, atol=0)


def test_a_file_is_read_and_a_network_may_have_another_dtype(potential, model, tmp_path):
    save_potential(tmp_path / "model.eqg", potential)
    state = torch_sim.initialize_state(crystals(), model.device, model.dtype)
    from_file = EqgraphModel(tmp_path / "model.eqg")(state)
    in_float32 = EqgraphModel(str(tmp_path / "model.eqg"), network_dtype=torch.float32)(state)
    for name, values in model(state).items():
        torch.testing.assert_close(from_file[name], values, rtol=0, atol=1e-12)
        assert not torch.equal(in_float32[name], values)
        torch.testing.assert_close(in_float32[name], values, rtol=1e-4, atol=1e-4)


def test_the_potential_that_was_given_stays_as_it_is(potential):
    potential.train()
    model = EqgraphModel(potential, network_dtype=torch.float32)
    assert potential.training
    assert potential.dtype == torch.float64
    assert not model.potential.training
    assert model.device == potential.shifts.device


@pytest.mark.parametrize("name", ["dtype", "network_dtype"])
def test_other_dtypes_are_refused(potential, name):
    with pytest.raises(ValueError, match=rf"expected {name} torch.float32 or torch.float64, got torch.float16"):
        EqgraphModel(potential, **{name: torch.float16})


def test_an_element_that_the_model_does_not_know_is_named(model):
    state = torch_sim.initialize_state([bulk("Cu"), bulk("Au")], model.device, model.dtype)
    with pytest.raises(ValueError, match=r"expected only the species that it was trained on .*, got Au"):
        model(state)


def test_the_system_with_two_atoms_at_one_place_is_named(model):
    state = torch_sim.initialize_state([molecule("H2O"), molecule("H2O")], model.device, model.dtype)
    state.positions[4] = state.positions[5]
    with pytest.raises(ValueError, match=r"System 1 of the state: from_ase: expected atoms at different places"):
        model(state)


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.delitem(sys.modules, "eqgraph.calculators.torch_sim")
    monkeypatch.setitem(sys.modules, "torch_sim.models.interface", None)
    with pytest.raises(ImportError, match=r'pip install "eqgraph\[torchsim\]"'):
        importlib.import_module("eqgraph.calculators.torch_sim")


def test_example(potential, tmp_path, capsys):
    model = build_potential(
        "nequip", potential.network.config, [1, 6, 8], 4.0, [-13.0, -1030.0, -2040.0], [0.1] * 3, 8.0
    )
    save_potential(tmp_path / "model.eqg", model)
    example = runpy.run_path(str(ROOT / "examples" / "torch_sim_md.py"))
    start = ROOT / "datasets" / "ethanol" / "test_300K.xyz"
    drift = example["run"](tmp_path / "model.eqg", start, 3, temperature=300.0, time_step=0.5, duration=0.01, seed=0)
    assert len(drift) == 3
    assert np.abs(drift).max() < 1
    assert "3 systems" in capsys.readouterr().out
    assert len(ase.io.read(tmp_path / "torch_sim_md.xyz", ":")) == 3
