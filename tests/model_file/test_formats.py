"""Older formats become the present one; newer ones name the version that reads them."""

import pytest
import torch

from eqgraph.model_file import formats, model_card, read_header
from eqgraph.model_file.formats import Upgrade
from eqgraph.models import build_potential, load_potential, save_potential


@pytest.fixture
def path(tmp_path):
    save_potential(
        tmp_path / "model.eqg",
        build_potential("nequip", {"num_layers": 1, "num_features": 2}, [1, 8], 4.0, [-1.0, -2.0], [1.0, 1.0], 2.0),
    )
    return tmp_path / "model.eqg"


def rewritten(path, old: bytes, new: bytes) -> None:
    data = path.read_bytes()
    assert data.count(old) == 1
    assert len(old) == len(new), "offsets stay"
    path.write_bytes(data.replace(old, new))


@pytest.mark.parametrize("read", [load_potential, read_header, model_card])
def test_a_newer_format_names_the_version_that_reads_it(path, read):
    rewritten(path, b"eqgraph-potential-1", b"eqgraph-potential-2")
    rewritten(path, b'eqgraph_version\\": \\"0.1.0', b'eqgraph_version\\": \\"0.9.4')
    message = r"model\.eqg': .*got eqgraph-potential-2, which eqgraph 0\.9\.4 wrote.*Use eqgraph 0\.9\.4 or newer"
    with pytest.raises(ValueError, match=message):
        read(path)


@pytest.mark.parametrize("name", [b"eqgraph-potential-0", b"eqgraph-potential-x", b"neqraph-potential-1"])
def test_formats_that_never_were(path, name):
    rewritten(path, b"eqgraph-potential-1", name)
    with pytest.raises(ValueError, match=f"got '?{name.decode()}.*does not fit"):
        read_header(path)


def test_an_older_format_is_upgraded_step_by_step(path, monkeypatch):
    """As if two formats had come since: one added a key to the header, the other changed its meaning and a tensor."""
    before = load_potential(path)[0].state_dict()
    monkeypatch.setitem(formats.NUMBERS, "eqgraph-potential", 3)

    def other_key(header):
        return header | {"cutoff": header["radius"] / 2}

    steps = {1: Upgrade(lambda header: header | {"radius": 16.0}, lambda tensors: tensors)}
    steps[2] = Upgrade(other_key, lambda tensors: tensors | {"shifts": 2 * tensors["shifts"]})
    for number, step in steps.items():
        monkeypatch.setitem(formats.UPGRADES, ("eqgraph-potential", number), step)
    potential, header = load_potential(path)
    assert potential.cutoff == header["cutoff"] == 8.0
    assert model_card(path).cutoff == 8.0
    assert torch.equal(potential.shifts, 2 * before.pop("shifts"))
    for name, tensor in before.items():
        assert torch.equal(potential.state_dict()[name], tensor)


def test_a_classifier_is_no_potential(tmp_path, path):
    from eqgraph.models import load_classifier

    with pytest.raises(
        ValueError, match=r"expected a model of the kind eqgraph-points, got one of the format eqgraph-pot"
    ):
        load_classifier(path)
