"""Which normalization? The same networks, seeds and data with each of them, on two tasks.

    python examples/compare_normalizations.py                    # both experiments, minutes on 2 cores
    python examples/compare_normalizations.py --quick            # seconds: shows that it runs, not who is better

1. Point clouds: which crystal lattice do these 20 - 40 atoms come from? Strong thermal displacements, random orientation, few samples.
2. A small potential for ethanol, where only layers that leave energies local and extensive are allowed.

Prints a table each, and writes learning curves (PNG, CSV) to --output.
"""

import argparse
import csv
import io
import math
import statistics
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import ase.io
import matplotlib
import torch
from ase.build import bulk
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from torch import Tensor
from torch_geometric.data import Batch, Data

from eqgraph import nn, o3
from eqgraph.train import PotentialErrors, fit, parse_config

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.ticker import LogLocator, NullFormatter

ETHANOL = Path(__file__).parents[1] / "datasets" / "ethanol"
LATTICES = ("fcc", "bcc", "hcp", "sc", "diamond")
POINT_CLOUD_NORMS = {
    "none": {},
    "batch": {},
    "instance": {"affine": True},  # the default of InstanceNorm is no weights, which would compare two things at once
    "graph": {},
    "layer": {},
    "rms": {},
    "group": {"num_groups": 4},
    "pair": {},
}
POTENTIAL_NORMS = ("none", "batch", "layer", "rms")
COLORS = dict(
    zip(
        POINT_CLOUD_NORMS,
        ("#000000", "#D55E00", "#E69F00", "#CC79A7", "#0072B2", "#56B4E9", "#009E73", "#8C6BB1"),
        strict=True,
    )
)


class Size(NamedTuple):
    """How much of everything."""

    seeds: int
    training_samples: int
    test_samples: int
    epochs: int
    structures: int
    held_out: int
    potential_epochs: int
    potential_seeds: int


FULL = Size(
    seeds=3,
    training_samples=150,
    test_samples=250,
    epochs=24,
    structures=100,
    held_out=50,
    potential_epochs=30,
    potential_seeds=3,
)
QUICK = Size(
    seeds=1,
    training_samples=10,
    test_samples=10,
    epochs=2,
    structures=10,
    held_out=2,
    potential_epochs=1,
    potential_seeds=1,
)
TEST_EVERY = 2
"""Epochs between two looks at the test samples."""


# Point clouds


def lattice_points(name: str) -> Tensor:
    """(points, 3) positions of a crystal around the origin, one point per unit of volume."""
    options = {"c": math.sqrt(8 / 3)} if name == "hcp" else {}
    crystal = bulk("Cu", name, a=1.0, **options)  # the species does not matter
    crystal.set_cell(crystal.cell * (len(crystal) / crystal.get_volume()) ** (1 / 3), scale_atoms=True)
    crystal = crystal.repeat(10)
    return torch.tensor(crystal.positions - crystal.positions.mean(0), dtype=torch.float32)


def point_clouds(num: int, displacement: float, cutoff: float, seed: int) -> list[Data]:
    """As many environments of each lattice, in the order of LATTICES: 20 - 40 points around a place in the crystal.

    Lengths vary by 10 %, so that distances alone do not tell. Displacements are Gaussian; without them, there is a point per unit of
    volume.
    """
    generator = torch.Generator().manual_seed(seed)
    samples = []
    for label, name in enumerate(LATTICES):
        crystal = lattice_points(name)
        for _ in range(num // len(LATTICES)):
            number = int(torch.randint(20, 41, (), generator=generator))
            center = torch.rand(3, generator=generator) - 0.5
            nearest = (crystal - center).norm(dim=1).argsort()[:number]
            pos = crystal[nearest] - center
            pos = pos * (0.95 + 0.1 * torch.rand((), generator=generator))
            pos = pos + displacement * torch.randn(pos.shape, generator=generator)
            rotation, _ = torch.linalg.qr(torch.randn(3, 3, generator=generator))  # improper for one half of them
            pos = pos @ rotation.T
            distances = torch.cdist(pos, pos, compute_mode="donot_use_mm_for_euclid_dist")
            edge_index = ((distances < cutoff) & ~torch.eye(number, dtype=torch.bool)).nonzero().T
            samples.append(Data(pos=pos, edge_index=edge_index.contiguous(), y=torch.tensor([label]), num_nodes=number))
    return samples


class Layer(torch.nn.Module):
    """x_i ← Gate(Norm(Linear(conv(x))_i + Linear(x)_i)): the normalization stands between what mixes and what bends."""

    def __init__(
        self, irreps_in: o3.Irreps, irreps_out: o3.Irreps, irreps_sh: o3.Irreps, neighbors: float, norm: str
    ) -> None:
        super().__init__()
        scalars = o3.Irreps([(mul, ir) for mul, ir in irreps_out if ir.is_scalar()])
        gated = o3.Irreps([(mul, ir) for mul, ir in irreps_out if ir.l > 0])
        self.gate = nn.Gate(
            scalars, [torch.nn.functional.silu], o3.Irreps([(gated.num_irreps, "0e")]), [torch.sigmoid], gated
        )
        irreps = self.gate.irreps_in
        self.conv = nn.TensorProductConv(
            irreps_in, irreps_sh, irreps, num_radial=6, radial_hidden=(16,), avg_num_neighbors=neighbors
        )
        self.linear = o3.Linear(self.conv.irreps_out, irreps)
        self.self_connection = o3.Linear(irreps_in, irreps)
        self.norm = nn.normalization_resolver(norm, irreps, **POINT_CLOUD_NORMS[norm])
        self.irreps_out = self.gate.irreps_out

    def forward(self, x: Tensor, data: Data, edge_sh: Tensor, edge_radial: Tensor) -> Tensor:
        x = self.linear(self.conv(x, data.edge_index, edge_sh, edge_radial)) + self.self_connection(x)
        if self.norm is not None:
            x = self.norm(x, data.batch, data.num_graphs)
        return self.gate(x)


class LatticeClassifier(torch.nn.Module):
    """Points to one logit per lattice: layers, mean over the points, invariants of it, a linear map."""

    def __init__(self, norm: str, cutoff: float, neighbors: float, num_layers: int = 3) -> None:
        super().__init__()
        irreps_sh = o3.Irreps.spherical_harmonics(2)
        hidden = o3.Irreps("16x0e + 8x1o + 8x2e")
        self.harmonics = o3.SphericalHarmonics(irreps_sh, normalize=True, normalization="component")
        self.basis, self.envelope = nn.BesselBasis(6, cutoff), nn.PolynomialCutoff(cutoff)
        self.start = torch.nn.Parameter(torch.randn(8))  # all points are alike
        self.layers = torch.nn.ModuleList()
        irreps = o3.Irreps("8x0e")
        for _ in range(num_layers):
            self.layers.append(Layer(irreps, hidden, irreps_sh, neighbors, norm))
            irreps = self.layers[-1].irreps_out
        self.invariants = o3.Norm(irreps, squared=True)
        self.readout = torch.nn.Linear(16 + irreps.num_irreps, len(LATTICES))

    def forward(self, data: Data) -> Tensor:
        src, dst = data.edge_index
        edge_vec = data.pos[dst] - data.pos[src]
        edge_len = edge_vec.norm(dim=1)
        edge_sh = self.harmonics(edge_vec)
        edge_radial = self.basis(edge_len) * self.envelope(edge_len).unsqueeze(1)
        x = self.start.expand(len(data.pos), -1)
        for layer in self.layers:
            x = layer(x, data, edge_sh, edge_radial)
        counts = data.batch.bincount(minlength=data.num_graphs).unsqueeze(1)
        mean = x.new_zeros(data.num_graphs, x.shape[1]).index_add(0, data.batch, x) / counts
        return self.readout(torch.cat([mean[:, :16], self.invariants(mean)], 1))


def train_classifier(
    norm: str, seed: int, size: Size, batch_size: int, learning_rate: float, displacement: float
) -> Iterator[dict]:
    """A row of numbers every few epochs. The data, their order and the first weights of all but the norm depend on the seed alone."""
    cutoff = 1.6
    training = point_clouds(size.training_samples, displacement, cutoff, seed=2 * seed)
    test = Batch.from_data_list(point_clouds(size.test_samples, displacement, cutoff, seed=2 * seed + 1))
    neighbors = sum(data.num_edges for data in training) / sum(data.num_nodes for data in training)
    torch.manual_seed(seed)
    model = LatticeClassifier(norm, cutoff, neighbors)
    optimizer = torch.optim.Adam(model.parameters(), lr=learning_rate)
    steps = size.epochs * math.ceil(len(training) / batch_size)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, learning_rate, total_steps=steps, pct_start=0.1)
    order = torch.Generator().manual_seed(seed)
    for epoch in range(1, size.epochs + 1):
        model.train()
        losses = []
        for chosen in torch.randperm(len(training), generator=order).split(batch_size):
            batch = Batch.from_data_list([training[i] for i in chosen])
            loss = torch.nn.functional.cross_entropy(model(batch), batch.y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
        if epoch % TEST_EVERY:
            continue
        model.eval()
        with torch.no_grad():
            logits = model(test)
        yield {
            "normalization": norm,
            "seed": seed,
            "epoch": epoch,
            "train_loss": statistics.fmean(losses),
            "test_loss": torch.nn.functional.cross_entropy(logits, test.y).item(),
            "test_accuracy_percent": 100 * (logits.argmax(1) == test.y).double().mean().item(),
        }


# Potentials


def write_structures(size: Size, output: Path) -> None:
    """Evenly spaced frames of the data that come with the project, from all of its trajectories."""
    (output / "potentials").mkdir(exist_ok=True)
    for name, number in (
        ("train_300K", size.structures + size.held_out),
        ("test_300K", 2 * size.held_out),
        ("test_600K", 2 * size.held_out),
    ):
        frames = ase.io.read(ETHANOL / f"{name}.xyz", ":")
        chosen = [frames[len(frames) * index // number] for index in range(number)]
        ase.io.write(output / "potentials" / f"{name}.xyz", chosen)


def train_potential(norm: str, seed: int, size: Size, output: Path) -> Iterator[dict]:
    """One row of numbers per epoch, those of the test sets in the last."""
    data = output / "potentials"
    config = parse_config(
        {
            "data": {
                "train": str(data / "train_300K.xyz"),
                "valid": size.held_out,
                "test": {name: str(data / f"test_{name}.xyz") for name in ("300K", "600K")},
                "isolated_atoms": str(ETHANOL / "isolated_atoms.xyz"),
            },
            "model": {"num_layers": 2, "num_features": 8, "lmax": 1, "cutoff": 4.0, "normalization": norm},
            "training": {
                "output": str(data / f"{norm}_{seed}"),
                "overwrite": True,
                "seed": seed,
                "max_epochs": size.potential_epochs,
                "threads": torch.get_num_threads(),
            },
        }
    )
    result = fit(config, Console(file=io.StringIO()))  # its tables are not for this report
    for row in result.history:
        yield {
            "normalization": norm,
            "seed": seed,
            "epoch": int(row["epoch"]),
            "train_loss": row["train_loss"],
            "valid_forces_rmse_meV_per_A": row["valid_forces_rmse_meV_per_A"],
            **(_test_errors(result.errors) if row is result.history[-1] else {}),
        }


def _test_errors(errors: dict[str, PotentialErrors]) -> dict[str, float]:
    """Of the best model."""
    found = {}
    for name in ("300K", "600K"):
        found[f"{name}_forces_rmse_meV_per_A"] = 1000 * errors[name].forces.rmse
        found[f"{name}_energy_rmse_meV_per_atom"] = 1000 * errors[name].energy_per_atom.rmse
    return found


# Reports


def by_norm(rows: list[dict]) -> dict[str, list[dict]]:
    """Rows of each normalization, in the order in which they came."""
    return {
        norm: [row for row in rows if row["normalization"] == norm]
        for norm in dict.fromkeys(row["normalization"] for row in rows)
    }


def last_of(rows: list[dict], column: str) -> list[float]:
    """The number at the end of the training, one per seed."""
    return list({row["seed"]: row[column] for row in rows if column in row}.values())  # later rows replace earlier ones


def mean_and_deviation(values: list[float], digits: int) -> str:
    """'12.3 ± 0.4', without ± if there is one value."""
    text = f"{statistics.fmean(values):.{digits}f}"
    return text if len(values) == 1 else f"{text} ± {statistics.stdev(values):.{digits}f}"


def epochs_until(rows: list[dict], column: str, reached: Callable[[float], bool]) -> str:
    """Mean over seeds of the first epoch that reaches something; '-' if a seed never does."""
    first: dict[int, int] = {}
    for row in rows:
        if reached(row[column]):
            first.setdefault(row["seed"], row["epoch"])
    seeds = {row["seed"] for row in rows}
    return f"{statistics.fmean(first.values()):.0f}" if seeds == first.keys() else "-"


def table(title: str, columns: list[str], rows: list[tuple[float, list[str]]]) -> Table:
    """Best first: each row comes with the number by which it is sorted."""
    shown = Table(title=title, title_justify="left")
    for column in columns:
        shown.add_column(column, justify="left" if column == columns[0] else "right")
    for _, cells in sorted(rows, key=lambda row: row[0]):
        shown.add_row(*cells)
    return shown


def point_cloud_table(rows: list[dict]) -> Table:
    """Accuracy at the end, and how fast it came."""
    found = []
    for norm, of_norm in by_norm(rows).items():
        accuracy = last_of(of_norm, "test_accuracy_percent")
        cells = [
            norm,
            mean_and_deviation(accuracy, 1),
            mean_and_deviation(last_of(of_norm, "test_loss"), 2),
            mean_and_deviation(last_of(of_norm, "train_loss"), 3),
            epochs_until(of_norm, "test_accuracy_percent", lambda value: value >= 60),
        ]
        found.append((-statistics.fmean(accuracy), cells))
    columns = ["normalization", "test accuracy (%)", "test loss", "training loss", "epochs to 60 %"]
    return table("Point clouds: which lattice?", columns, found)


def potential_table(rows: list[dict]) -> Table:
    """Errors of the best model on the test sets."""
    found = []
    for norm, of_norm in by_norm(rows).items():
        forces = last_of(of_norm, "300K_forces_rmse_meV_per_A")
        cells = [norm, mean_and_deviation(forces, 1)]
        cells.append(mean_and_deviation(last_of(of_norm, "600K_forces_rmse_meV_per_A"), 1))
        cells += [
            mean_and_deviation(last_of(of_norm, f"{name}_energy_rmse_meV_per_atom"), 2) for name in ("300K", "600K")
        ]
        found.append((statistics.fmean(forces), cells))
    columns = ["normalization", "forces 300 K", "forces 600 K", "energy 300 K", "energy 600 K"]
    return table("Potential for ethanol: RMSE, forces in meV/Å, energies in meV/atom", columns, found)


def plot(path: Path, rows: list[dict], panels: list[tuple[str, str, bool]], title: str) -> None:
    """Mean over seeds of each column (column, label, logarithmic) against the epoch, with the range of the seeds."""
    figure, axes = plt.subplots(1, len(panels), figsize=(4.6 * len(panels), 3.9), layout="constrained", squeeze=False)
    for axis, (column, label, logarithmic) in zip(axes[0], panels, strict=True):
        for norm, of_norm in by_norm(rows).items():
            epochs = sorted({row["epoch"] for row in of_norm})
            values = [[row[column] for row in of_norm if row["epoch"] == epoch] for epoch in epochs]
            means = [statistics.fmean(each) for each in values]
            axis.plot(epochs, means, color=COLORS[norm], label=norm, lw=1.6, ls="--" if norm == "none" else "-")
            axis.fill_between(
                epochs, list(map(min, values)), list(map(max, values)), color=COLORS[norm], alpha=0.1, lw=0
            )
        axis.set_xlabel("epoch")
        axis.set_ylabel(label)
        axis.grid(alpha=0.25)
        if logarithmic:
            axis.set_yscale("log")
            axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axis.yaxis.set_major_formatter("{x:g}")
            axis.yaxis.set_minor_formatter(NullFormatter())
    figure.legend(*axes[0][0].get_legend_handles_labels(), loc="outside right center", frameon=False)
    figure.suptitle(title, fontsize=11)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def write_csv(path: Path, rows: list[dict]) -> None:
    """All rows, with the columns of all of them."""
    columns = list(dict.fromkeys(column for row in rows for column in row))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)


def run(args: argparse.Namespace, console: Console) -> None:
    size = QUICK if args.quick else FULL
    args.output.mkdir(parents=True, exist_ok=True)
    classifiers = [(norm, seed) for seed in range(size.seeds) for norm in args.norms or POINT_CLOUD_NORMS]
    potentials = [
        (norm, seed)
        for seed in range(size.potential_seeds)
        for norm in POTENTIAL_NORMS
        if norm in (args.norms or COLORS)
    ]
    point_cloud_rows, potential_rows = [], []
    columns = (
        TextColumn("{task.description:<32}"),
        BarColumn(),
        TimeElapsedColumn(),
        TextColumn("<"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:
        if args.only != "potentials":
            bar = progress.add_task("", total=len(classifiers) * size.epochs // TEST_EVERY)
            for norm, seed in classifiers:
                progress.update(bar, description=f"point clouds: {norm}, seed {seed}")
                for row in train_classifier(norm, seed, size, args.batch_size, args.learning_rate, args.displacement):
                    point_cloud_rows.append(row)
                    progress.advance(bar)
            progress.update(bar, description="point clouds")
        if args.only != "point_clouds":
            write_structures(size, args.output)
            bar = progress.add_task("", total=len(potentials))
            for norm, seed in potentials:
                progress.update(bar, description=f"potentials: {norm}, seed {seed}")
                potential_rows += train_potential(norm, seed, size, args.output)
                progress.advance(bar)
            progress.update(bar, description="potentials")
    if point_cloud_rows:
        title = f"Lattices of point clouds, {size.training_samples} training samples, {size.seeds} seeds"
        panels = [
            ("train_loss", "training loss (cross entropy)", True),
            ("test_accuracy_percent", "test accuracy [%]", False),
        ]
        console.print(point_cloud_table(point_cloud_rows))
        plot(args.output / "point_clouds.png", point_cloud_rows, panels, title)
        write_csv(args.output / "point_clouds.csv", point_cloud_rows)
    if potential_rows:
        title = f"Potential for ethanol, {size.structures} training structures, {size.potential_seeds} seeds"
        panels = [
            ("train_loss", "training loss", True),
            ("valid_forces_rmse_meV_per_A", "force RMSE, held out [meV/Å]", True),
        ]
        console.print(potential_table(potential_rows))
        plot(args.output / "potentials.png", potential_rows, panels, title)
        write_csv(args.output / "potentials.csv", potential_rows)
    console.print(f"Curves and numbers: {args.output}", highlight=False, soft_wrap=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="seconds instead of minutes")
    parser.add_argument("--only", choices=("point_clouds", "potentials"), help="one of the two experiments")
    parser.add_argument("--norms", nargs="+", choices=tuple(POINT_CLOUD_NORMS), help="some of the normalizations")
    parser.add_argument("--batch-size", type=int, default=10, help="point clouds per step; default 10")
    parser.add_argument("--learning-rate", type=float, default=0.005, help="of the point clouds; default 0.005")
    parser.add_argument("--displacement", type=float, default=0.1, help="of the points; default 0.1")
    parser.add_argument(
        "--threads", type=int, default=1, help="of PyTorch: the networks are too small for more; default 1"
    )
    parser.add_argument("--output", type=Path, default=Path("runs/normalizations"), help="folder of curves and numbers")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    run(args, Console())


if __name__ == "__main__":
    main()
