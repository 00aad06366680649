"""Triangles, and points drawn on them."""

from dataclasses import dataclass

import numpy as np

from .cloud import Cloud, check_points


@dataclass(frozen=True, eq=False)
class Mesh:
    """A surface of triangles.

    Attributes:
        vertices: (n, 3) coordinates.
        triangles: (faces, 3) indices of vertices, counterclockwise as seen from outside; none: a cloud of vertices.

    Example:
        >>> Mesh(np.eye(3), np.array([[0, 1, 2]])).areas.round(3)
        array([0.866])
    """

    vertices: np.ndarray
    triangles: np.ndarray

    @property
    def areas(self) -> np.ndarray:
        """(faces,) areas of the triangles."""
        return np.linalg.norm(self._crosses(), axis=1) / 2

    def sample(self, num: int, rng: np.random.Generator, where: str = "mesh") -> Cloud:
        """Points that are uniform on the surface, with the normals of their triangles.

        p = (1 - √u) a + √u (1 - v) b + √u v c,   u, v uniform in [0, 1], triangles a b c drawn by their areas

        A mesh without triangles gives num of its vertices, or all if there are not more, without normals.

        Args:
            num: number of points.
            rng: draws them.
            where: the mesh's name in messages.

        Raises:
            ValueError: if the vertices are not finite, there are none, or no triangle has an area.

        Example:
            >>> square = Mesh(np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0]]), np.array([[0, 1, 2], [1, 3, 2]]))
            >>> cloud = square.sample(1000, np.random.default_rng(0))
            >>> cloud.points.mean(0).round(1), abs(cloud.normals[0])
            (array([0.5, 0.5, 0. ]), array([0., 0., 1.]))

        Reference: Osada et al. 2002, doi:10.1145/571647.571648, section 4.1.
        """
        check_points(self.vertices, where)
        if not len(self.triangles):
            num_kept = min(num, len(self.vertices))
            return Cloud(self.vertices[np.sort(rng.choice(len(self.vertices), num_kept, replace=False))])
        crosses = self._crosses()
        double_areas = np.linalg.norm(crosses, axis=1)
        total = double_areas.sum()
        if not total > 0:
            raise ValueError(
                f"{where}: expected a surface to draw points on, got {len(self.triangles)} triangles of area 0. Remove the "
                "faces, so that its vertices are taken, or the file."
            )
        chosen = rng.choice(len(crosses), num, p=double_areas / total)
        a, b, c = self.vertices[self.triangles[chosen]].transpose(1, 0, 2)  # (num, 3) each
        root, v = np.sqrt(rng.random((num, 1))), rng.random((num, 1))
        points = (1 - root) * a + root * (1 - v) * b + root * v * c
        return Cloud(points, normals=crosses[chosen] / double_areas[chosen, None])

    def _crosses(self) -> np.ndarray:
        a, b, c = self.vertices[self.triangles].transpose(1, 0, 2)
        return np.cross(b - a, c - a)
