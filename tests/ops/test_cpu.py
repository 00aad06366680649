"""How kernels are compiled, kept and run."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from ops.tables import path_table, random_arguments, random_edges

from eqgraph import ops
from eqgraph.ops.cpu import jobs

PRELUDE = f"import sys; sys.path.insert(0, {str(Path(__file__).parents[1])!r})\n"
CONV = """
import torch
from eqgraph import ops
from ops.tables import path_table, random_arguments, random_edges

table, edges = path_table([(0, 4), (1, 4)], [0, 1], 1), random_edges(9, 9, 300)
x, y, w = random_arguments(table, edges, torch.float64)
expected = ops.tensor_product_conv(x, y, w, edges, table, table.edge_matrix_coefficients())
torch.testing.assert_close(ops.conv(x, y, w, edges.sorted, table), expected)
"""


def start(script: str, cache: Path) -> subprocess.Popen:
    environment = {**os.environ, "EQGRAPH_CACHE_DIR": str(cache)}
    command = [sys.executable, "-c", PRELUDE + script]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process: subprocess.Popen) -> str:
    """What a process wrote to standard error, after a good end."""
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    return errors


def test_a_second_process_takes_the_kernel_from_the_disk(tmp_path):
    assert finish(start(CONV, tmp_path)).count("eqgraph: compiled conv_forward in") == 1
    assert len(list(tmp_path.glob("conv_forward_*.o"))) == 1
    assert "compiled" not in finish(start(CONV, tmp_path))


@pytest.mark.parametrize(
    "damage", [lambda code: code[:-1], lambda code: b"", lambda code: code[:40] + b"?" + code[41:]]
)
def test_a_damaged_file_is_written_anew(tmp_path, damage):
    finish(start(CONV, tmp_path))
    (path,) = tmp_path.glob("conv_forward_*.o")
    code = path.read_bytes()
    path.write_bytes(damage(code))
    assert "compiled conv_forward" in finish(start(CONV, tmp_path))
    assert path.read_bytes() == code


def test_two_processes_may_compile_the_same_kernel_at_once(tmp_path):
    for process in [start(CONV, tmp_path) for _ in range(2)]:
        finish(process)
    assert "compiled" not in finish(start(CONV, tmp_path))
    assert [path.suffix for path in tmp_path.iterdir()] == [".o"] * len(list(tmp_path.iterdir()))


def test_a_cache_that_cannot_be_written_warns_once(tmp_path):
    (tmp_path / "file").touch()
    errors = finish(start(CONV, tmp_path / "file" / "kernels"))
    assert errors.count("RuntimeWarning: Expected to keep compiled kernels in") == 1
    assert "set EQGRAPH_CACHE_DIR to a directory that can be written" in errors.replace("\n", " ")


WORKERS = """
import torch
from torch.utils.data import DataLoader, Dataset
from eqgraph import ops
from ops.tables import path_table, random_arguments, random_edges

class Convolutions(Dataset):
    table, edges = path_table([(0, 4), (1, 4)], [0, 1], 1), random_edges(9, 9, 3000)
    arguments = random_arguments(table, edges, torch.float32)

    def __len__(self):
        return 4

    def __getitem__(self, index):
        return ops.conv(*self.arguments, self.edges.sorted, self.table)

if __name__ == "__main__":
    torch.set_num_threads(2)
    dataset = Convolutions()
    expected = dataset[0]  # the parent has used its threads before it forks
    loader = DataLoader(dataset, batch_size=2, num_workers=2, multiprocessing_context="fork")
    for batch in loader:
        assert all(torch.equal(row, expected) for row in batch)
"""


def test_forked_workers_of_a_loader_run_kernels(tmp_path):
    finish(start(WORKERS, tmp_path))


DDP = """
import sys
import torch
from torch.nn.parallel import DistributedDataParallel
from eqgraph import nn, ops

def gradients(layer, rank):
    torch.manual_seed(rank)
    x, sh = torch.randn(5, 16), torch.randn(40, 4, requires_grad=True)
    edge_index, radial = torch.randint(5, (2, 40)), torch.rand(40, 8)
    energy = layer(x, edge_index, sh, radial).square().sum()
    (force,) = torch.autograd.grad(energy, sh, create_graph=True)
    force.square().sum().backward()

def make():
    torch.manual_seed(0)
    return nn.TensorProductConv("4x0e + 4x1o", "0e + 1o", "0e + 1o")

rank, store = int(sys.argv[1]), sys.argv[2]
torch.distributed.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
layer = DistributedDataParallel(make())
gradients(layer, rank)
alone = make()
for other in range(2):
    gradients(alone, other)
for ours, both in zip(layer.parameters(), alone.parameters(), strict=True):
    torch.testing.assert_close(ours.grad, both.grad / 2)
torch.distributed.destroy_process_group()
"""


def test_two_processes_train_together(tmp_path):
    script = tmp_path / "train.py"
    script.write_text(DDP)
    command = [sys.executable, "-W", "ignore", str(script)]
    processes = [
        subprocess.Popen([*command, str(rank), str(tmp_path / "store")], stderr=subprocess.PIPE, text=True)
        for rank in range(2)
    ]
    for process in processes:
        finish(process)


def test_pythons_own_threads_give_the_same_bits(monkeypatch):
    table, edges = path_table([(0, 4), (1, 4)], [0, 1], 1), random_edges(20, 20, 2000)
    x, y, w = random_arguments(table, edges, torch.float32)
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        expected = ops.conv(x, y, w, edges.sorted, table)
        monkeypatch.setattr(jobs, "_team", lambda: jobs._python_threads)
        assert torch.equal(ops.conv(x, y, w, edges.sorted, table), expected)
    finally:
        torch.set_num_threads(threads)


def test_torchs_openmp_runtime_is_found():
    assert jobs._team() is not jobs._python_threads
