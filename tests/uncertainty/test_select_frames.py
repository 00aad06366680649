"""The greedy choice against fitting again after each step, and against chance."""

import numpy as np
import pytest
import torch
from squares import dataset, squares, tiny

from eqgraph.models import Potential
from eqgraph.uncertainty import (
    Committee,
    LastLayerPotential,
    LastLayerUncertainty,
    Pool,
    choose,
    choose_randomly,
    describe_pool,
    fit_to_features,
)


def linear_pool(features: np.ndarray, last_layer: LastLayerUncertainty) -> Pool:
    vectors = last_layer.whiten(torch.from_numpy(features)).numpy()
    return Pool(features, np.linalg.norm(vectors, axis=1), "energy per atom", vectors, last_layer.factor**2)


def test_updates_are_those_of_a_new_fit():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(40, 6)) * [3, 1, 1, 0.3, 0.1, 0.1]
    covariance = 0.5 * torch.eye(6, dtype=torch.float64)
    choices = choose(linear_pool(features, LastLayerUncertainty(covariance, 0.1, 0.2)), 10)
    for choice in choices:
        again = LastLayerUncertainty(covariance, 0.1, 0.2).variance(torch.from_numpy(features)).sqrt()
        assert choice.given_others == pytest.approx(float(again[choice.row]), rel=1e-9)
        taken = [earlier.row for earlier in choices[: choices.index(choice)]]
        again[taken] = 0
        assert choice.row == int(again.argmax())
        one = torch.from_numpy(features[choice.row])
        covariance = covariance + torch.outer(one, one)


def test_no_structure_is_chosen_twice():
    """Copies, turned copies and supercells have the same mean features."""
    rng = np.random.default_rng(0)
    features = np.repeat(rng.normal(size=(5, 3)) + 3.0, 4, axis=0) * (1 + 1e-7 * rng.normal(size=(20, 1)))
    pool = linear_pool(features, LastLayerUncertainty(1e-6 * torch.eye(3), 1e-6, 1.0))
    for choices in (choose(pool, 20), choose_randomly(pool, 20)):
        assert sorted(choice.row // 4 for choice in choices) == [0, 1, 2, 3, 4]
    for choices in (choose(pool, 20, features[:1]), choose_randomly(pool, 20, known=features[:1])):
        assert sorted(choice.row // 4 for choice in choices) == [1, 2, 3, 4]


def test_copies_in_other_orientations_are_not_chosen_twice():
    potential = tiny()
    atoms = squares(6)
    for copy in [each.copy() for each in atoms]:
        copy.rotate(73, (1, 2, 3))
        copy.positions += 5.0
        atoms.append(copy[::-1])
        atoms[-1].calc = atoms[len(atoms) - 7].calc
    for each in atoms:
        each.calc = None
    from eqgraph.datasets import AtomsDataset, frames_from_atoms

    pool_data = AtomsDataset(frames_from_atoms(atoms, require=()), 4.0)
    model = LastLayerPotential(potential, LastLayerUncertainty(1e-6 * torch.eye(4), 1e-8, 1.0)).eval()
    rows = [choice.row % 6 for choice in choose(describe_pool(model, pool_data), 12)]
    assert sorted(rows) == list(range(6))


def test_what_is_chosen_has_larger_errors_than_what_chance_takes():
    """A linear model fitted to few structures of one kind, in a pool with a second kind."""
    rng = np.random.default_rng(0)
    kinds = np.vstack([rng.normal(size=(170, 4)) * [1, 1, 0.05, 0.05], rng.normal(size=(30, 4)) * [1, 1, 1, 1]])
    true = rng.normal(size=4)
    few, valid = kinds[:15], kinds[15:30]
    noise = 0.01 * rng.normal(size=200)
    weights = np.linalg.lstsq(few, few @ true + noise[:15], rcond=None)[0]
    errors = kinds @ (weights - true) - noise
    last_layer = fit_to_features(few, valid, errors[15:30])
    pool = linear_pool(kinds[30:], last_layer)
    of_pool = np.abs(errors[30:])
    chosen = np.mean([of_pool[choice.row] for choice in choose(pool, 10)])
    random = np.mean([of_pool[choice.row] for seed in range(20) for choice in choose_randomly(pool, 10, seed)])
    assert chosen > 3 * random


def test_a_committee_chooses_what_is_uncertain_and_different():
    members = [tiny() for _ in range(3)]
    with torch.no_grad():
        for number, member in enumerate(members):
            member.network.readout.weight *= 1 + 0.1 * number
    pool = describe_pool(Committee(members).eval(), dataset(squares(30, seed=4)))
    assert pool.quantity == "forces"
    assert pool.vectors is None
    choices = choose(pool, 10)
    assert choices[0].rank == 1
    assert len({choice.row for choice in choices}) == 10
    # the same by conditioning a Gaussian process on all choices at once
    rows = [choice.row for choice in choices]
    covariance = np.stack([pool.column(row) for row in range(30)])
    before, last = rows[:-1], rows[-1]
    gain = covariance[last, before] @ np.linalg.solve(
        covariance[np.ix_(before, before)] + pool.noise * np.eye(len(before)), covariance[before, last]
    )
    assert choices[-1].given_others == pytest.approx(np.sqrt(covariance[last, last] - gain), rel=1e-6)


def test_a_random_choice_repeats_itself_with_its_seed():
    pool = linear_pool(np.random.default_rng(0).normal(size=(30, 3)), LastLayerUncertainty(torch.eye(3), 1.0, 1.0))
    first, again, other = (choose_randomly(pool, 8, seed) for seed in (0, 0, 1))
    assert first == again != other
    assert len({choice.row for choice in first}) == 8


@pytest.mark.parametrize("count", [0, 31])
def test_wrong_numbers(count):
    pool = linear_pool(np.random.default_rng(0).normal(size=(30, 3)), LastLayerUncertainty(torch.eye(3), 1.0, 1.0))
    for function in (choose, choose_randomly):
        with pytest.raises(ValueError, match=f"Expected to choose between 1 and 30 structures, .* came {count}"):
            function(pool, count)


def test_a_model_without_uncertainty_is_refused():
    assert isinstance(tiny(), Potential)
    with pytest.raises(ValueError, match=r"came a model file without uncertainty .* --committee"):
        describe_pool(LastLayerPotential(tiny()), dataset(squares(2)))
