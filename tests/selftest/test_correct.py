"""Correct potentials pass everything."""

import pytest
import torch
from broken_networks import correct_potential, crystal, peroxide

from eqgraph.models import MODELS
from eqgraph.selftest import run_selftest


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
@pytest.mark.parametrize("architecture", MODELS)
def test_every_architecture_passes_on_a_molecule_and_on_a_crystal(architecture, dtype):
    potential = correct_potential(architecture, dtype)
    for atoms, nothing in ((peroxide(), {"stress"}), (crystal(), set())):
        results = run_selftest(potential, atoms, md_steps=30)
        assert {r.test: r.worst for r in results if r.verdict == "fail"} == {}
        assert {r.test for r in results if r.verdict == "not applicable"} == nothing
        for test in ("rotation", "backend"):
            (measurements,) = (r.measurements for r in results if r.test == test)
            assert any(one.value != 0 for one in measurements), "something was compared"


def test_the_potential_stays_as_it_is():
    potential = correct_potential().train()
    before = {name: tensor.clone() for name, tensor in potential.state_dict().items()}
    atoms = peroxide()
    steps = []
    run_selftest(potential, atoms, md_steps=10, step=lambda *progress: steps.append(progress))
    assert potential.training
    assert potential.dtype == torch.float32
    assert all(p.requires_grad for p in potential.parameters())
    assert all(torch.equal(before[name], tensor) for name, tensor in potential.state_dict().items())
    assert (atoms.positions == peroxide().positions).all()
    assert atoms.calc is None
    assert [(name, done) for name, done, _ in steps][:2] == [("finite", 0), ("response", 1)]
    assert {total for _, _, total in steps} == {len(steps)}
