"""MD17, rMD17 and QM9 as they are distributed, but with few molecules."""

import ase.units
import numpy as np
import pytest
import torch
from torch_geometric.data import Data
from torch_geometric.datasets import MD17, QM9

from eqgraph.datasets import AtomsDataset, frames_from_pyg, read_md17

RNG = np.random.default_rng(0)
NUMBERS = np.array([6, 6, 8, 1, 1, 1, 1, 1, 1])
POSITIONS = RNG.normal(size=(5, 9, 3)) * 2
ENERGY, FORCES = -97000 + RNG.normal(size=5), RNG.normal(size=(5, 9, 3)) * 20  # kcal/mol, kcal/mol/Å


def write_md17(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(
        path, z=NUMBERS.astype(np.uint8), R=POSITIONS, E=ENERGY[:, None], F=FORCES, name="ethanol", theory="PBE+vdW-TS"
    )
    return path


def write_rmd17(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays = {"nuclear_charges": NUMBERS.astype(np.uint8), "coords": POSITIONS, "energies": ENERGY, "forces": FORCES}
    np.savez(path, old_indices=np.arange(5), old_energies=ENERGY, old_forces=FORCES, **arrays)
    return path


def assert_frames(frames, rtol):
    kcal_per_mol = 4184 / (1.602176634e-19 * 6.02214076e23)  # CODATA 2018, exact by definition
    assert [frame.index for frame in frames] == list(range(5))
    for index, frame in enumerate(frames):
        np.testing.assert_array_equal(frame.atoms.numbers, NUMBERS)
        np.testing.assert_allclose(frame.atoms.positions, POSITIONS[index], rtol=rtol, atol=1e-7)
        # ASE's constants are those of CODATA 2014
        assert frame.energy == pytest.approx(ENERGY[index] * kcal_per_mol, rel=max(rtol, 2e-8))
        np.testing.assert_allclose(frame.forces, FORCES[index] * kcal_per_mol, rtol=max(rtol, 2e-8), atol=1e-7)


@pytest.mark.parametrize("write", [write_md17, write_rmd17])
def test_files(tmp_path, write):
    path = write(tmp_path / "a.npz")
    assert_frames(read_md17(path), rtol=1e-12)
    some = read_md17(path, indices=np.array([4, 1]))
    assert [frame.index for frame in some] == [4, 1]
    assert some[0].energy == pytest.approx(ENERGY[4] * ase.units.kcal / ase.units.mol, rel=1e-12)


@pytest.mark.parametrize(
    ("name", "write", "raw"),
    [
        ("ethanol", write_md17, "ethanol/raw/md17_ethanol.npz"),
        ("revised ethanol", write_rmd17, "raw/rmd17/npz_data/rmd17_ethanol.npz"),
    ],
)
def test_pyg_md17(tmp_path, name, write, raw, capsys):
    write(tmp_path / raw)
    dataset = MD17(str(tmp_path), name=name)
    assert_frames(frames_from_pyg(dataset), rtol=1e-6)
    assert len(frames_from_pyg(dataset[:2])) == 2
    graph = AtomsDataset(frames_from_pyg(dataset), cutoff=5.0)[0]
    assert graph.forces.shape == (9, 3)


def test_pyg_qm9(tmp_path, monkeypatch, capsys):
    """The file that PyG offers to those who have no RDKit."""
    monkeypatch.setitem(__import__("sys").modules, "rdkit", None)
    y = torch.randn(3, 1, 19)
    (tmp_path / "raw").mkdir()
    molecules = [
        {"z": torch.tensor([8, 1, 1]), "pos": torch.randn(3, 3), "y": y[index], "name": f"gdb_{index}", "idx": index}
        for index in range(3)
    ]
    torch.save(molecules, tmp_path / "raw" / "qm9_v3.pt")
    dataset = QM9(str(tmp_path))
    frames = frames_from_pyg(dataset)
    assert [frame.energy for frame in frames] == pytest.approx(y[:, 0, 7].tolist())
    np.testing.assert_allclose(frames[2].atoms.positions, molecules[2]["pos"], rtol=1e-6)
    assert frames[0].atoms.get_chemical_formula() == "H2O"
    assert frames[0].forces is None
    assert [frame.energy for frame in frames_from_pyg(dataset, target=12)] == pytest.approx(y[:, 0, 12].tolist())
    with pytest.raises(ValueError, match=r"Data 0: expected z, pos and energy, or y with column 19.*without energy"):
        frames_from_pyg(dataset, target=19)


def test_errors_of_pyg():
    data = Data(z=torch.tensor([1]), pos=torch.zeros(1, 3), energy=torch.tensor([-13.6]))
    with pytest.raises(ValueError, match=r"MD17 or QM9, whose units are known, got list. Pass unit"):
        frames_from_pyg([data])
    assert frames_from_pyg([data], unit=1.0)[0].energy == pytest.approx(-13.6)
    with pytest.raises(ValueError, match=r"Data 0: .* got energy, pos without z"):
        frames_from_pyg([Data(pos=torch.zeros(1, 3), energy=torch.zeros(1))], unit=1.0)
    with pytest.raises(ValueError, match="frame 0: expected finite"):
        frames_from_pyg([Data(z=data.z, pos=data.pos * torch.nan, energy=data.energy)], unit=1.0)


def test_errors_of_files(tmp_path):
    path = tmp_path / "a.npz"
    with pytest.raises(FileNotFoundError):
        read_md17(path)
    path.write_text("no npz")
    with pytest.raises(ValueError, match=r"a\.npz: expected an npz file"):
        read_md17(path)
    np.savez(path, z=NUMBERS, R=POSITIONS, E=ENERGY)
    with pytest.raises(ValueError, match="arrays of MD17 or rMD17, got z, R, E without F or forces"):
        read_md17(path)
    np.savez(path, z=NUMBERS, R=POSITIONS, E=ENERGY, F=FORCES[:4])
    with pytest.raises(ValueError, match=r"forces of shape \(5, 9, 3\) for 5 energies of 9 atoms, got \(4, 9, 3\)"):
        read_md17(path)
    with pytest.raises(ValueError, match="indices from 0 to 4, got 5"):
        read_md17(write_md17(path), indices=[0, 5])
