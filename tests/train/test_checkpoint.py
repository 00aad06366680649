"""Reading checkpoints, whole and damaged."""

import pytest
import torch

from eqgraph.train.checkpoint import CheckpointFile, read_checkpoint

WHOLE = {"state_dict": {"weight": torch.ones(3)}, "optimizer_states": [], "callbacks": {}, "loops": {}}


def test_what_is_saved_is_read(tmp_path):
    CheckpointFile().save_checkpoint(WHOLE, tmp_path / "last.ckpt")
    assert torch.equal(CheckpointFile().load_checkpoint(tmp_path / "last.ckpt")["state_dict"]["weight"], torch.ones(3))


def test_tensors_of_any_device_are_read_to_the_cpu(tmp_path, monkeypatch):
    """A run from a GPU goes on where there is none."""
    arguments = {}
    monkeypatch.setattr(torch, "load", lambda path, **given: arguments.update(given) or WHOLE)
    CheckpointFile().load_checkpoint(tmp_path / "last.ckpt")
    assert arguments == {"map_location": "cpu", "weights_only": True}


@pytest.mark.parametrize("kind", ["junk", "empty", "truncated", "foreign", "list", "code"])
def test_damaged(tmp_path, kind):
    path = tmp_path / "last.ckpt"
    saved = {"foreign": {"epoch": 3}, "list": [1, 2], "code": WHOLE | {"epoch": pytest.raises}}.get(kind, WHOLE)
    torch.save(saved, path)
    if kind in ("junk", "empty", "truncated"):
        path.write_bytes({"junk": b"junk", "empty": b"", "truncated": path.read_bytes()[:-100]}[kind])
    with pytest.raises(
        ValueError,
        match=r"Expected a checkpoint of `eqgraph train` in '.*last\.ckpt', came a damaged or foreign file .* Restore it, or set "
        r"training\.resume=false and training\.overwrite=true",
    ):
        read_checkpoint(path)
