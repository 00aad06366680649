"""Draws crystals.png: surroundings of one atom of each class of datasets/crystals, and how far its neighbors are.

    python docs/figures/draw_crystals.py

Top: the 60 nearest neighbors of an atom (black), lines between neighbors. Bottom: the radial distribution g(r) of the training split at
its three temperatures. Lengths in units of (volume per atom)^(1/3).
"""

from itertools import pairwise
from pathlib import Path

import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from mpl_toolkits.mplot3d.art3d import Line3DCollection

ROOT = Path(__file__).parents[2]
NEIGHBORS, REACH = 60, 2.2  # clouds of so many neighbors are complete up to this distance
BOND = {"fcc": 1.32, "hcp": 1.32, "bcc": 1.18, "sc": 1.2, "diamond": 1.1, "liquid": 1.2, "amorphous": 1.2}
COLORS = ("#0072B2", "#E69F00", "#D55E00")  # cold, warm, hot


def main() -> None:
    with np.load(ROOT / "datasets" / "crystals" / "train.npz") as file:
        columns = {key: file[key] for key in file.files}
    ends = np.cumsum(columns["num_points"])
    points = columns["points"] * columns["scale"]
    clouds = [points[start:end] for start, end in pairwise([0, *ends])]
    figure = plt.figure(figsize=(14, 4.6))
    for index, name in enumerate(columns["classes"]):
        mine = (columns["label"] == index) & (columns["num_points"] > NEIGHBORS)
        temperatures = np.unique(columns["temperature"][mine])
        axis = figure.add_subplot(2, 7, index + 1, projection="3d", computed_zorder=False)
        cloud = clouds[np.flatnonzero(mine & (columns["temperature"] == temperatures[0]))[0]]
        cloud = cloud[np.argsort(np.linalg.norm(cloud, axis=1))[: NEIGHBORS + 1]]
        first, second = np.triu_indices(len(cloud), 1)
        bonded = np.linalg.norm(cloud[first] - cloud[second], axis=1) < BOND[name]
        lines = np.stack([cloud[first[bonded]], cloud[second[bonded]]], axis=1)
        axis.add_collection(Line3DCollection(lines, colors="#AAAAAA", linewidths=0.7))
        axis.scatter(*cloud[1:].T, s=22, color="#56B4E9", edgecolor="#1B4F72", linewidth=0.4, depthshade=True)
        axis.scatter(*cloud[:1].T, s=40, color="black", zorder=5)
        axis.set(xlim=(-1.5, 1.5), ylim=(-1.5, 1.5), zlim=(-1.5, 1.5), title=name)
        axis.set_axis_off()
        axis = figure.add_subplot(2, 7, index + 8)
        for temperature, color in zip(temperatures, COLORS, strict=True):
            chosen = [clouds[row] for row in np.flatnonzero(mine & (columns["temperature"] == temperature))]
            distance = np.linalg.norm(np.concatenate([cloud[1:] for cloud in chosen]), axis=1)
            counts, edges = np.histogram(distance, 60, (0.6, REACH))
            shells = 4 / 3 * np.pi * np.diff(edges**3)
            label = f"{temperature:.1f} " + "$T_m$"
            axis.plot((edges[1:] + edges[:-1]) / 2, counts / shells / len(chosen), color=color, lw=1.2, label=label)
        axis.set(xlabel="r", xlim=(0.6, REACH), ylim=(0, None))
        axis.legend(frameon=False, fontsize=7, handlelength=1)
        axis.tick_params(labelsize=7)
        axis.spines[["top", "right"]].set_visible(False)
    figure.axes[1].set_ylabel("g(r)")
    figure.subplots_adjust(left=0.035, right=0.995, top=0.93, bottom=0.1, wspace=0.22, hspace=0.08)
    path = Path(__file__).with_name("crystals.png")
    figure.savefig(path, dpi=90, pil_kwargs={"optimize": True})
    print(path)


if __name__ == "__main__":
    main()
