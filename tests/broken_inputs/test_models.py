"""Model files and checkpoints that are broken, foreign or meant to do harm: refused, and nothing in them is run."""

import json
import pickle
import shutil
import struct
from pathlib import Path

import pytest
import torch

from eqgraph.cli import main


class Evil:
    """Makes a file when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self):
        return Path.touch, (self.marker,)


@pytest.fixture
def evil(tmp_path):
    """Something to pickle, and the file that appears if the pickle is loaded."""
    marker = tmp_path / "marker"
    pickle.loads(pickle.dumps(Evil(marker)))
    assert marker.exists(), "the payload works"
    marker.unlink()
    return Evil(marker)


def header_of(data: bytes) -> tuple[dict, bytes]:
    (length,) = struct.unpack("<Q", data[:8])
    return json.loads(data[8 : 8 + length]), data[8 + length :]


def with_header(header: dict, tensors: bytes) -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + tensors


def changed(**changes):
    """Replaces entries of eqgraph's header; None removes one."""

    def change(data: bytes) -> bytes:
        header, tensors = header_of(data)
        own = json.loads(header["__metadata__"]["eqgraph"]) | changes
        own = {key: value for key, value in own.items() if value is not None}
        header["__metadata__"]["eqgraph"] = json.dumps(own)
        return with_header(header, tensors)

    return change


def raw_header(text: str | None):
    def change(data: bytes) -> bytes:
        header, tensors = header_of(data)
        header["__metadata__"] = {} if text is None else {"eqgraph": text}
        return with_header(header, tensors)

    return change


def flipped(data: bytes) -> bytes:
    return data[:-3] + bytes([data[-3] ^ 1]) + data[-2:]


BROKEN = {
    "empty": (lambda data: b"", "damaged or of another kind"),
    "cut off in the header": (lambda data: data[:100], "damaged or of another kind"),
    "cut off in the tensors": (lambda data: data[:-50], "damaged or of another kind"),
    "longer than it was": (lambda data: data + b"more", "damaged or of another kind"),
    "one bit wrong": (flipped, "the weights are not those that were written: the file is damaged"),
    "binary junk": (lambda data: bytes(range(256)) * 30, "damaged or of another kind"),
    "text": (lambda data: b"import os\nos.system('true')\n", "damaged or of another kind"),
    "no header of eqgraph": (raw_header(None), "without an eqgraph header"),
    "a header that is no JSON": (raw_header("{'format'"), "header in JSON"),
    "a header that is a list": (raw_header("[1, 2]"), "header in JSON"),
    "a header of brackets": (raw_header("[" * 100_000), "header in JSON"),
    "a header without format": (changed(format=None), "header in JSON"),
    "a format that is a number": (changed(format=5), "header in JSON"),
    "metadata that are a list": (changed(metadata=[1]), "header in JSON"),
    "a newer format": (changed(format="eqgraph-potential-99"), "got eqgraph-potential-99, which eqgraph .* wrote"),
    "an unknown network": (changed(architecture="mace"), "does not fit .*'mace'"),
    "another network": (changed(architecture="se3_transformer"), "does not fit"),
    "no config": (changed(config=None), "does not fit"),
    "a config of another size": (changed(config={"num_layers": 2}), "does not fit"),
    "a config that would fill the memory": (changed(config={"num_features": 10**12}), "does not fit"),
    "other species": (changed(species=[1, 6]), "does not fit"),
    "species that are none": (changed(species=[1, 800]), "does not fit"),
    "species in words": (changed(species="HO"), "does not fit"),
    "a dtype that is a function": (changed(dtype="load"), "does not fit"),
    "a cutoff in words": (changed(cutoff="far"), "does not fit"),
    "another checksum": (changed(sha256="0" * 64), "does not fit"),
    "no checksum": (changed(sha256=None), "does not fit"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_model(name, shared, refused, tmp_path):
    change, pattern = BROKEN[name]
    data = (shared / "model.eqg").read_bytes()
    (tmp_path / "broken.eqg").write_bytes(change(data))
    assert change(data) != data
    refused(
        ["eval", str(tmp_path / "broken.eqg"), str(shared / "good.xyz"), "--device", "cpu"], r"broken\.eqg", pattern
    )


@pytest.mark.parametrize("data", [{"energy_key": 5}, {"energy_key": ["a"]}, [1], "text", None])
def test_metadata_of_the_training_may_be_anything(data, shared, tmp_path, capsys):
    """They say which labels were trained on, and are no part of the model."""
    model = (shared / "model.eqg").read_bytes()
    (tmp_path / "odd.eqg").write_bytes(changed(metadata={"training": {"data": data}})(model))
    code = main(["eval", str(tmp_path / "odd.eqg"), str(shared / "good.xyz"), "--device", "cpu"])
    assert code in (0, 2)
    assert code == 0 or capsys.readouterr().err.startswith("error: ")


def test_classifiers_that_are_broken(shared, refused, tmp_path):
    data = (shared / "clouds.eqg").read_bytes()
    for name, change in (
        ("format", changed(format="eqgraph-points-99")),
        ("task", changed(task="regression")),
        ("classes", changed(classes=["ball"])),
        ("irreps", changed(irreps_x="1x1o + nonsense")),
        ("flipped", flipped),
    ):
        (tmp_path / f"{name}.eqg").write_bytes(change(data))
        refused(
            ["eval", str(tmp_path / f"{name}.eqg"), str(shared / "clouds"), "--device", "cpu"],
            f"{name}.eqg",
            "does not fit",
        )


def test_a_pickle_called_a_model_is_refused_and_not_run(evil, shared, refused, tmp_path):
    for name, write in (("pickle", pickle.dump), ("torch", torch.save)):
        with (tmp_path / f"{name}.eqg").open("wb") as file:
            write(evil, file)
        refused(["eval", str(tmp_path / f"{name}.eqg"), str(shared / "good.xyz")], f"{name}.eqg", "of another kind")
    assert not evil.marker.exists()


def test_a_pickle_as_a_checkpoint_is_refused_and_not_run(evil, shared, config, capsys, tmp_path):
    path = config(shared / "good.xyz")
    assert main(["train", path]) == 0
    model = (tmp_path / "run" / "model.eqg").read_bytes()
    for write in (pickle.dump, torch.save):
        with (tmp_path / "run" / "last.ckpt").open("wb") as file:
            write({"state_dict": evil}, file)
        capsys.readouterr()
        (tmp_path / "run" / "previous.ckpt").unlink(missing_ok=True)
        assert main(["train", "--resume", str(tmp_path / "run")]) == 2
        printed = capsys.readouterr().err
        assert "last.ckpt" in printed
        assert "Expected a checkpoint of `eqgraph train`" in printed
        assert "Restore it from a copy, or start again" in printed
        assert not evil.marker.exists()
    assert (tmp_path / "run" / "model.eqg").read_bytes() == model


@pytest.mark.parametrize(
    "name", ["a.xyz", "a.traj", "a.db", "a.json", "a.trj", "a.aselmdb", "a.pkl", "a.pt", "a", "a.extxyz", "a.cif"]
)
def test_a_pickle_as_structures_is_refused_and_not_run(name, evil, shared, config, refused, tmp_path):
    for write in (pickle.dump, torch.save):
        with (tmp_path / name).open("wb") as file:
            write(evil, file)
        refused(
            ["train", config(tmp_path / name)], f"/{name}: expected data, got a pickle", "Convert it where you trust it"
        )
        refused(["eval", str(shared / "model.eqg"), str(tmp_path / name)], "can run any code when it is loaded")
    assert not evil.marker.exists()


def test_old_trajectories_of_ase_and_programs_are_not_run(evil, shared, config, refused, tmp_path):
    """PickleTrajectory began with its own magic; .py files were once a format of ASE."""
    (tmp_path / "old.traj").write_bytes(b"PickleTrajectory" + pickle.dumps(evil))
    refused(["train", config(tmp_path / "old.traj")], "old.traj")
    (tmp_path / "code.py").write_text(f"import pathlib\npathlib.Path({str(evil.marker)!r}).touch()\n")
    refused(["train", config(tmp_path / "code.py")], "code.py: expected data, got a Python program")
    shutil.copy(tmp_path / "code.py", tmp_path / "code.xyz")
    refused(["train", config(tmp_path / "code.xyz")], "code.xyz")
    assert not evil.marker.exists()


def test_json_of_ase_makes_no_objects_of_other_classes(evil, shared, config, refused, tmp_path):
    row = {"numbers": [1], "positions": [[0, 0, 0]], "cell": [[0] * 3] * 3, "pbc": [False] * 3, "unique_id": "a"}
    odd = {"__ase_objtype__": "os.system", "args": ["true"]}
    constraint = {"name": "os", "kwargs": {}}
    for extra in ({"data": odd}, {"constraints": [constraint]}, {"calculator": "os", "calculator_parameters": odd}):
        (tmp_path / "odd.json").write_text(json.dumps({"1": row | extra, "ids": [1], "nextid": 2}))
        refused(["train", config(tmp_path / "odd.json")], "odd.json")
