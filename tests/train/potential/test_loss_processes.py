"""Two processes with gloo, of which one has no stresses and no dipole moments, against one that has all structures."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from train.potential import loss_process


@pytest.fixture(scope="module")
def found(tmp_path_factory) -> list[dict]:
    """What each of two processes computed."""
    folder = tmp_path_factory.mktemp("processes")
    environment = os.environ | ({"GLOO_SOCKET_IFNAME": "lo"} if sys.platform == "linux" else {})
    processes = [
        subprocess.Popen(
            [sys.executable, loss_process.__file__, str(rank), str(folder)],
            env=environment,
            cwd=Path(loss_process.__file__).parents[3],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in range(2)
    ]
    try:
        said = [process.communicate(timeout=180)[0] for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert [process.returncode for process in processes] == [0, 0], "\n".join(said)
    return [torch.load(folder / f"{rank}.pt") for rank in range(2)]


@pytest.fixture(scope="module")
def expected() -> dict:
    return loss_process.follow([0, 1])


@pytest.mark.parametrize("stage", [0, 1])
def test_averaged_losses_and_gradients_are_those_of_the_joint_batch(found, expected, stage):
    for theirs in found:
        for mine, joint in zip(theirs[f"stage {stage}"], expected[f"stage {stage}"], strict=True):
            torch.testing.assert_close(mine, joint, rtol=1e-9, atol=1e-11)


def test_the_mean_of_the_processes_own_means_would_be_another(expected):
    alone = [loss_process.follow([share])["stage 0"][0] for share in (0, 1)]
    assert abs(sum(alone) / 2 - expected["stage 0"][0]) > 0.01 * expected["stage 0"][0]


def test_a_validation_is_that_of_all_structures_in_each_process(found, expected):
    for theirs in found:
        assert theirs["validation"] == pytest.approx(expected["validation"], rel=1e-12)
        for mine, joint in zip(theirs["errors"], expected["errors"], strict=True):
            assert mine[:3] == joint[:3]
            assert mine[3:] == pytest.approx(joint[3:], rel=1e-12)


def test_all_processes_are_in_the_stage_of_the_one_that_is_furthest(found):
    """Whatever their clocks say: what they minimize together is one function."""
    assert loss_process.follow([0])["stage"] == 0
    assert [theirs["stage"] for theirs in found] == [1, 1]
