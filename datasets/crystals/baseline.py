"""What common-neighbor analysis, and a small network on classical invariants, reach on the crystals data set.

python datasets/crystals/baseline.py                # common-neighbor analysis: a table per class and temperature
python datasets/crystals/baseline.py --invariants   # also trains the network on the training split (a minute)
"""

import argparse
from itertools import pairwise
from pathlib import Path

import numpy as np
from common_neighbors import structure

OTHER = "amorphous"  # what analysis calls "other" counts as this class: it cannot tell a liquid from a glass
DISORDERED = ("liquid", "amorphous")


def clouds_of(path: Path) -> tuple[list[np.ndarray], dict[str, np.ndarray]]:
    """The clouds [(volume per atom)^(1/3)] of a split and its other columns."""
    with np.load(path) as file:
        columns = {key: file[key] for key in file.files}
    ends = np.cumsum(columns["num_points"])
    points = columns.pop("points") * columns.pop("scale")
    return [points[start:end] for start, end in pairwise([0, *ends])], columns


def analysed(clouds: list[np.ndarray], classes: list[str]) -> np.ndarray:
    """The class of each cloud according to common-neighbor analysis."""
    found = [structure(cloud) for cloud in clouds]
    return np.array([classes.index(name if name in classes else OTHER) for name in found])


def merged(labels: np.ndarray, classes: list[str]) -> np.ndarray:
    """Labels in which a liquid and a glass are one class."""
    first, second = (classes.index(name) for name in DISORDERED)
    return np.where(labels == first, second, labels)


def report(title: str, predicted: np.ndarray, columns: dict[str, np.ndarray]) -> None:
    """Accuracies of a split as rows of a Markdown table: all classes, the disordered ones merged, each class; each temperature."""
    label, classes = columns["label"], list(columns["classes"])
    right, right_merged = predicted == label, merged(predicted, classes) == merged(label, classes)
    print(f"\n{title}: {right.mean():.1%} of seven classes, {right_merged.mean():.1%} with liquid and amorphous as one")
    print("| class | " + " | ".join(["coldest", "middle", "hottest", "all"]) + " |\n|---|---|---|---|---|")
    for index, name in enumerate(classes):
        mine = label == index
        counted = right_merged if name in DISORDERED else right
        cells = [counted[mine & (columns["temperature"] == t)].mean() for t in np.unique(columns["temperature"][mine])]
        print(f"| {name} | " + " | ".join(f"{cell:.1%}" for cell in [*cells, counted[mine].mean()]) + " |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(__file__).parent, help="folder of the npz files")
    parser.add_argument(
        "--invariants", action="store_true", help="also a network on distances, angles and Steinhardt's Q and W"
    )
    args = parser.parse_args()
    splits = {name: clouds_of(args.data / f"{name}.npz") for name in ("train", "valid", "test")}
    for name in ("valid", "test"):
        clouds, columns = splits[name]
        report(f"common-neighbor analysis, {name}", analysed(clouds, list(columns["classes"])), columns)
    if args.invariants:
        from steinhardt import fitted, invariants

        features = {name: invariants(clouds) for name, (clouds, _) in splits.items()}
        predict = fitted(features["train"], splits["train"][1]["label"])
        for name in ("train", "valid", "test"):
            columns, predicted = splits[name][1], predict(features[name])
            report(f"network on invariants, {name}", predicted, columns)
            print(np.array([np.bincount(predicted[columns["label"] == c], minlength=7) for c in range(7)]))


if __name__ == "__main__":
    main()
