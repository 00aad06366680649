"""Invariants that people made for this purpose, and a small network on them: a yardstick for networks that find their own.

References: Steinhardt, Nelson and Ronchetti 1983, doi:10.1103/PhysRevB.28.784; averaging over neighbors: Lechner and Dellago 2008,
doi:10.1063/1.2977970.
"""

from collections.abc import Callable

import numpy as np
import torch

from eqgraph import o3

NEAREST = 29  # every cloud has so many neighbors
SHELLS = (4, 6, 8, 12, 14, 18)  # numbers of neighbors over which harmonics are averaged
DEGREES = (4, 6, 8)
WIGNER = {l: o3.wigner_3j(l, l, l, dtype=torch.float64) for l in DEGREES}


def orders(q: torch.Tensor, l: int) -> list[torch.Tensor]:
    """Q_l = √(4π/(2l+1)) |q_l| and W_l = Σ 3j q q q / |q_l|³ of averaged harmonics (..., 2l+1)."""
    norm = q.norm(dim=-1)
    cubic = torch.einsum("abc,...a,...b,...c->...", WIGNER[l], q, q, q)
    return [norm * (4 * np.pi / (2 * l + 1)) ** 0.5, cubic / norm.clamp(min=1e-9) ** 3]


def histogram(values: torch.Tensor, bins: int, low: float, high: float) -> torch.Tensor:
    """(clouds, bins): counts of the values (clouds, n) between low and high."""
    index = ((values - low) * (bins / (high - low))).floor().long()
    inside = (index >= 0) & (index < bins)
    return torch.zeros(len(values), bins).scatter_add_(1, index.clamp(0, bins - 1), inside.float())


def invariants(clouds: list[np.ndarray]) -> np.ndarray:
    """(clouds, dim): sorted distances, histograms of angles and of distances between neighbors, Q_l and W_l (also averaged)."""
    return torch.cat([_invariants(clouds[start : start + 500]) for start in range(0, len(clouds), 500)]).numpy()


def _invariants(clouds: list[np.ndarray]) -> torch.Tensor:
    nearest = [np.argsort(np.linalg.norm(cloud - cloud[0], axis=1), kind="stable")[: NEAREST + 1] for cloud in clouds]
    near = [cloud[index] - cloud[0] for cloud, index in zip(clouds, nearest, strict=True)]
    points = torch.as_tensor(np.stack(near), dtype=torch.float64)  # (clouds, NEAREST + 1, 3)
    length, unit = points[:, 1:].norm(dim=2), torch.nn.functional.normalize(points[:, 1:], dim=2)
    features = [length, length.diff(dim=1)]
    for count in SHELLS[:4]:
        first, second = torch.triu_indices(count, count, 1)
        cos = (unit[:, :count] @ unit[:, :count].mT)[:, first, second]
        features.append(histogram(cos, 16, -1, 1 + 1e-5) / count)
    distance = torch.cdist(points, points, compute_mode="donot_use_mm_for_euclid_dist")
    first, second = torch.triu_indices(NEAREST + 1, NEAREST + 1, 1)
    features.append(histogram(distance[:, first, second], 40, 0.6, 3.2) / NEAREST)
    closest = distance[:, :13].argsort(dim=2, stable=True)  # around the atom and its twelve neighbors
    for l in DEGREES:
        harmonics = o3.spherical_harmonics(l, points[:, 1:], normalize=True, normalization="integral")
        for count in SHELLS:
            features += orders(harmonics[:, :count].mean(1), l)
        for count in (4, 12):
            index = closest[:, :, 1 : count + 1].flatten(1)
            around = (
                points.gather(1, index[:, :, None].expand(-1, -1, 3)).unflatten(1, (13, count)) - points[:, :13, None]
            )
            q = o3.spherical_harmonics(l, around, normalize=True, normalization="integral").mean(2)
            features += orders(q[:, : count + 1].mean(1), l)
            features.append(torch.nn.functional.cosine_similarity(q[:, :1], q[:, 1 : count + 1], dim=2).mean(1))
    return torch.cat([feature.reshape(len(clouds), -1) for feature in features], dim=1).float()


def fitted(features: np.ndarray, label: np.ndarray, epochs: int = 60) -> Callable[[np.ndarray], np.ndarray]:
    """A network with two hidden layers, trained on standardized features; returns features -> class."""
    torch.manual_seed(0)
    mean, std = features.mean(0), features.std(0) + 1e-6
    x, y = torch.as_tensor((features - mean) / std), torch.as_tensor(label, dtype=torch.int64)
    layers = [torch.nn.Linear(x.shape[1], 256), torch.nn.SiLU(), torch.nn.Dropout(0.2), torch.nn.Linear(256, 256),
              torch.nn.SiLU(), torch.nn.Dropout(0.2), torch.nn.Linear(256, int(y.max()) + 1)]  # fmt: skip
    network = torch.nn.Sequential(*layers)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    for _ in range(epochs):
        for rows in torch.randperm(len(x)).split(64):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(network(x[rows]), y[rows], label_smoothing=0.02).backward()
            optimizer.step()
        schedule.step()
    network.eval()
    return lambda other: network(torch.as_tensor((other - mean) / std)).argmax(1).numpy()
