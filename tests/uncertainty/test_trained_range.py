import itertools
import json

import ase.build
import numpy as np
import pytest
from squares import dataset, squares

from eqgraph.graph import from_ase
from eqgraph.uncertainty import RangeWatch, TrainedRange, range_warnings


def test_distances_and_neighbors_are_those_of_ase():
    atoms = squares(20)
    found = TrainedRange.of([from_ase(each, 4.0) for each in atoms], 4.0).as_metadata()
    expected: dict[str, float] = {}
    for each in atoms:
        distances = each.get_all_distances()
        for a, b in itertools.combinations(range(4), 2):
            pair = "-".join(sorted((each.symbols[a], each.symbols[b])))
            expected[pair] = min(expected.get(pair, np.inf), distances[a, b])
    assert found["distances"] == pytest.approx(expected)
    assert found["neighbors"] == {"H": 3, "O": 3}


def test_periodic_images_count():
    copper = ase.build.bulk("Cu", cubic=True)
    found = TrainedRange.of([from_ase(copper, 3.0)], 3.0).as_metadata()
    assert found["distances"] == {"Cu-Cu": pytest.approx(3.61 / np.sqrt(2))}
    assert found["neighbors"] == {"Cu": 12}


def test_it_survives_a_header():
    trained = TrainedRange.of([from_ase(each, 4.0) for each in squares(5)], 4.0)
    header = json.loads(json.dumps({"metadata": {"trained_range": trained.as_metadata()}}))
    assert TrainedRange.of_header(header).as_metadata() == trained.as_metadata()


@pytest.mark.parametrize(
    "metadata", [{}, {"trained_range": None}, {"trained_range": {"distances": {"Xx-H": 1}}}, {"trained_range": [1]}]
)
def test_a_header_without_it_warns_of_nothing(metadata):
    assert TrainedRange.of_header({"metadata": metadata}) is None
    assert range_warnings(None, dataset(squares(2))) == []


def test_pair_distance_and_trained_distance_are_named_once():
    atoms = squares(20)
    watch = RangeWatch(TrainedRange.of([from_ase(each, 4.0) for each in atoms], 4.0))
    smallest = watch.trained.as_metadata()["distances"]["H-O"]
    close = atoms[1].copy()  # H H O O
    close.positions[2] = close.positions[1] + [0, 0.5, 0]
    (message,) = [text for text in watch.news(from_ase(close, 4.0)) if "H-O" in text]
    assert f"came H-O at 0.500 Å, the smallest distance trained on is {smallest:.3f} Å" in message
    assert watch.news(from_ase(close, 4.0)) == []


def test_what_is_a_little_closer_is_no_news():
    pair = ase.Atoms("HO", [(0, 0, 0), (0, 0, 1.0)])
    trained = TrainedRange.of([from_ase(pair, 4.0)], 4.0)
    for distance, number in ((0.96, 0), (0.94, 1)):
        pair.positions[1, 2] = distance
        assert len(trained.beyond(from_ase(pair, 4.0))) == number


def test_unseen_pairs_and_crowds():
    trained = TrainedRange.of([from_ase(ase.Atoms("HO", [(0, 0, 0), (0, 0, 1.0)]), 3.0)], 3.0)
    crowd = from_ase(ase.Atoms("HOO", [(0, 0, 0), (0, 0, 1.0), (0, 0, -1.0)]), 3.0)
    messages = {found.what: found.message for found in trained.beyond(crowd)}
    assert messages["O-O"] == "O-O at 2.000 Å, no such pair within 3 Å was trained on"
    assert messages["H"] == "H with 2 neighbors within 3 Å, the largest number trained on is 1"
    far = from_ase(ase.Atoms("OO", [(0, 0, 0), (0, 0, 3.5)]), 4.0)
    assert trained.beyond(far) == [], "a list with a skin has longer edges"


def test_structures_are_named():
    trained = TrainedRange.of([from_ase(each, 4.0) for each in squares(20)], 4.0)
    far = dataset([*squares(3), *squares(1, scale=0.5)])
    messages = range_warnings(trained, far)
    assert messages
    assert all(message.startswith("structures, frame 3: Expected a structure like") for message in messages)
