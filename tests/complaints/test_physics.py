"""Numbers that are wrong, and nobody told: `eqgraph selftest` does."""

import ase
import ase.build
import pytest
from broken_networks import Constant, FarAway, Superlinear, as_class, correct_potential, with_network

import eqgraph.ops.cpu
from eqgraph.graph import from_ase
from eqgraph.ops import reference_only
from eqgraph.selftest import run_selftest

WATER = ase.build.molecule("H2O")


def verdicts(potential, atoms) -> dict[str, str]:
    return {result.test: result.verdict for result in run_selftest(potential, atoms, md_steps=10)}


def test_an_accelerated_backend_is_not_silently_wrong(monkeypatch):
    """mace#1298, #1469, #1543, nequip#574: kernels that were off by 1.25 eV or by 5,700 eV, and nothing noticed."""
    assert verdicts(correct_potential(), WATER)["backend"] == "pass"
    right = eqgraph.ops.cpu.conv
    monkeypatch.setattr(eqgraph.ops.cpu, "conv", lambda *arguments: 1.01 * right(*arguments))
    assert verdicts(correct_potential(), WATER)["backend"] == "fail"


@pytest.mark.parametrize("architecture", ["nequip", "se3_transformer", "tensor_field_network"])
def test_what_kernels_are_compared_with_uses_none_of_them(architecture, monkeypatch):
    """A reference that runs half of the fast path would agree with its mistakes."""
    potential, data = correct_potential(architecture), from_ase(WATER, 3.5)

    def kernel(*arguments):
        raise AssertionError("a kernel ran")

    for name in eqgraph.ops.cpu.__all__:
        monkeypatch.setattr(eqgraph.ops.cpu, name, kernel)
    with reference_only():
        assert potential(data).forces.isfinite().all()
    with pytest.raises(AssertionError, match="a kernel ran"):
        potential(data)


def test_energies_that_are_not_size_extensive_are_found():
    """fairchem#1215: two copies far apart had 4 eV more than twice the energy of one."""
    assert verdicts(correct_potential(), WATER)["extensivity"] == "pass"
    assert verdicts(as_class(Superlinear), WATER)["extensivity"] == "fail"


def test_an_energy_that_is_independent_of_positions_is_found():
    """fairchem#1218: with the wrong type of task the energy was a constant, and all forces zero."""
    assert verdicts(with_network(Constant), WATER)["response"] == "fail"


def test_a_translation_by_100_angstrom_is_tried():
    """mace PR#1726: far from the origin molecules had edges of 155.9 Å."""
    assert verdicts(as_class(FarAway), WATER)["translation"] == "fail"


def test_isolated_atoms_among_others_pass_and_alone_are_refused():
    """mace PR#493, symmetrix#42, fairchem#1388: structures without edges crashed or gave NaN."""
    with_lone = WATER + ase.Atoms("Cu", [(0.0, 0.0, 30.0)])
    assert "fail" not in verdicts(correct_potential(), with_lone).values()
    for atoms in (ase.Atoms("O"), ase.Atoms("OH", [(0, 0, 0), (0, 0, 30)])):
        assert correct_potential()(from_ase(atoms, 3.5)).forces.abs().max() == 0
        with pytest.raises(ValueError, match="without neighbors: there is nothing to test"):
            run_selftest(correct_potential(), atoms)


def test_small_cells_with_edges_to_their_own_images_pass():
    """FeNNol#11: edges of an atom to its own images were missing; a supercell then has another energy."""
    copper = ase.build.bulk("Cu")
    found = verdicts(correct_potential(), copper)
    assert "fail" not in found.values()
    assert found["extensivity"] == found["stress"] == found["NVE drift"] == "pass"
