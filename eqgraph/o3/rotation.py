"""Rotations as Euler angles, matrices, quaternions and axis + angle, and the way between any two of them; all batched.

Conventions: Euler angles are R = Ry(alpha) Rx(beta) Ry(gamma), gamma first; quaternions are (w, x, y, z); angles are in
radians. No function looks at the values of a tensor from Python: none waits for the device, and vmap works.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

_Angle = Float[Tensor, "*#batch"]
_Angles = tuple[Float[Tensor, "*batch"], Float[Tensor, "*batch"], Float[Tensor, "*batch"]]
_Vector = Float[Tensor, "*#batch 3"]
_Quaternion = Float[Tensor, "*#batch 4"]
_Matrix = Float[Tensor, "*#batch 3 3"]
_Device = torch.device | str | None


# ------------------------------------------------------------------ random and neutral rotations
def rand_angles(
    *shape: int, requires_grad: bool = False, dtype: torch.dtype | None = None, device: _Device = None
) -> _Angles:
    """Euler angles of rotations drawn uniformly from SO(3) (the Haar measure).

    Args:
        shape: leading axes of the result.
        requires_grad: whether autograd records what is done with the angles.
        dtype: of the result, by default torch's default.
        device: of the result.

    Returns:
        (alpha, beta, gamma), each of the given shape [rad].

    Example:
        >>> [angle.shape for angle in rand_angles(2, 5)]
        [torch.Size([2, 5]), torch.Size([2, 5]), torch.Size([2, 5])]
    """
    alpha, gamma = 2 * math.pi * torch.rand(2, *shape, dtype=dtype, device=device)
    beta = (2 * torch.rand(shape, dtype=dtype, device=device) - 1).acos()
    # unbind gives views of one tensor, which cannot each become a leaf that requires a gradient
    return (
        alpha.clone().requires_grad_(requires_grad),
        beta.requires_grad_(requires_grad),
        gamma.clone().requires_grad_(requires_grad),
    )


def rand_matrix(
    *shape: int, requires_grad: bool = False, dtype: torch.dtype | None = None, device: _Device = None
) -> Float[Tensor, "*batch 3 3"]:
    """Rotation matrices drawn uniformly from SO(3). Arguments as for `rand_angles`.

    Example:
        >>> torch.allclose(rand_matrix(7).det(), torch.ones(7))
        True
    """
    return angles_to_matrix(*rand_angles(*shape, dtype=dtype, device=device)).requires_grad_(requires_grad)


def rand_quaternion(
    *shape: int, requires_grad: bool = False, dtype: torch.dtype | None = None, device: _Device = None
) -> Float[Tensor, "*batch 4"]:
    """Unit quaternions of rotations drawn uniformly from SO(3). Arguments as for `rand_angles`.

    Example:
        >>> rand_quaternion(7).shape
        torch.Size([7, 4])
    """
    return angles_to_quaternion(*rand_angles(*shape, dtype=dtype, device=device)).requires_grad_(requires_grad)


def rand_axis_angle(
    *shape: int, requires_grad: bool = False, dtype: torch.dtype | None = None, device: _Device = None
) -> tuple[Float[Tensor, "*batch 3"], Float[Tensor, "*batch"]]:
    """Axes and angles of rotations drawn uniformly from SO(3). Arguments as for `rand_angles`.

    Example:
        >>> axis, angle = rand_axis_angle(7)
        >>> axis.shape, angle.shape
        (torch.Size([7, 3]), torch.Size([7]))
    """
    axis, angle = angles_to_axis_angle(*rand_angles(*shape, dtype=dtype, device=device))
    return axis.requires_grad_(requires_grad), angle.requires_grad_(requires_grad)


def identity_angles(
    *shape: int, requires_grad: bool = False, dtype: torch.dtype | None = None, device: _Device = None
) -> _Angles:
    """Euler angles of the rotation that does nothing. Arguments as for `rand_angles`.

    Example:
        >>> identity_angles()
        (tensor(0.), tensor(0.), tensor(0.))
    """
    alpha, beta, gamma = (torch.zeros(shape, requires_grad=requires_grad, dtype=dtype, device=device) for _ in range(3))
    return alpha, beta, gamma


def identity_quaternion(
    *shape: int, requires_grad: bool = False, dtype: torch.dtype | None = None, device: _Device = None
) -> Float[Tensor, "*batch 4"]:
    """The quaternion of the rotation that does nothing. Arguments as for `rand_angles`.

    Example:
        >>> identity_quaternion()
        tensor([1., 0., 0., 0.])
    """
    q = torch.zeros(*shape, 4, dtype=dtype, device=device)
    q[..., 0] = 1
    return q.requires_grad_(requires_grad)


# ------------------------------------------------------------------ composition and inverse
def compose_angles(a1: _Angle, b1: _Angle, c1: _Angle, a2: _Angle, b2: _Angle, c2: _Angle) -> _Angles:
    """Euler angles of the second rotation followed by the first: R(a1, b1, c1) R(a2, b2, c2).

    Example:
        >>> quarter, zero = torch.tensor(0.25), torch.tensor(0.0)
        >>> [round(float(angle), 3) for angle in compose_angles(zero, quarter, zero, zero, quarter, zero)]
        [0.0, 0.5, 0.0]
    """
    return matrix_to_angles(angles_to_matrix(a1, b1, c1) @ angles_to_matrix(a2, b2, c2))


def inverse_angles(a: _Angle, b: _Angle, c: _Angle) -> tuple[_Angle, _Angle, _Angle]:
    """Euler angles of the inverse rotation.

    Example:
        >>> inverse_angles(torch.tensor(0.1), torch.tensor(0.2), torch.tensor(0.3))
        (tensor(-0.3000), tensor(-0.2000), tensor(-0.1000))
    """
    return -c, -b, -a


def compose_quaternion(q1: _Quaternion, q2: _Quaternion) -> Float[Tensor, "*batch 4"]:
    """Hamilton's product q1 q2: the second rotation followed by the first.

    Example:
        >>> i, j = torch.tensor([0.0, 1.0, 0.0, 0.0]), torch.tensor([0.0, 0.0, 1.0, 0.0])
        >>> compose_quaternion(i, j)
        tensor([0., 0., 0., 1.])
    """
    w1, x1, y1, z1 = q1.unbind(-1)
    w2, x2, y2, z2 = q2.unbind(-1)
    return torch.stack(
        [
            w1 * w2 - x1 * x2 - y1 * y2 - z1 * z2,
            w1 * x2 + x1 * w2 + y1 * z2 - z1 * y2,
            w1 * y2 - x1 * z2 + y1 * w2 + z1 * x2,
            w1 * z2 + x1 * y2 - y1 * x2 + z1 * w2,
        ],
        dim=-1,
    )


def inverse_quaternion(q: _Quaternion) -> _Quaternion:
    """The conjugate, which is the inverse of a unit quaternion.

    Example:
        >>> inverse_quaternion(torch.tensor([0.5, 0.5, 0.5, 0.5]))
        tensor([ 0.5000, -0.5000, -0.5000, -0.5000])
    """
    return torch.cat([q[..., :1], -q[..., 1:]], dim=-1)


def compose_axis_angle(
    axis1: _Vector, angle1: _Angle, axis2: _Vector, angle2: _Angle
) -> tuple[Float[Tensor, "*batch 3"], Float[Tensor, "*batch"]]:
    """Axis and angle of the second rotation followed by the first.

    Example:
        >>> y = torch.tensor([0.0, 1.0, 0.0])
        >>> compose_axis_angle(y, torch.tensor(0.5), y, torch.tensor(0.25))
        (tensor([0., 1., 0.]), tensor(0.7500))
    """
    return quaternion_to_axis_angle(
        compose_quaternion(axis_angle_to_quaternion(axis1, angle1), axis_angle_to_quaternion(axis2, angle2))
    )


# ------------------------------------------------------------------ to matrices
def matrix_x(angle: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch 3 3"]:
    """The rotation about x, which turns y towards z.

    Example:
        >>> matrix_x(torch.tensor(torch.pi / 2)) @ torch.tensor([0.0, 1.0, 0.0])
        tensor([ 0.0000e+00, -4.3711e-08,  1.0000e+00])
    """
    c, s, zero, one = angle.cos(), angle.sin(), torch.zeros_like(angle), torch.ones_like(angle)
    return _matrix((one, zero, zero), (zero, c, -s), (zero, s, c))


def matrix_y(angle: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch 3 3"]:
    """The rotation about y, which turns z towards x.

    Example:
        >>> matrix_y(torch.tensor(torch.pi / 2)) @ torch.tensor([0.0, 0.0, 1.0])
        tensor([ 1.0000e+00, 0.0000e+00, -4.3711e-08])
    """
    c, s, zero, one = angle.cos(), angle.sin(), torch.zeros_like(angle), torch.ones_like(angle)
    return _matrix((c, zero, s), (zero, one, zero), (-s, zero, c))


def matrix_z(angle: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch 3 3"]:
    """The rotation about z, which turns x towards y.

    Example:
        >>> matrix_z(torch.tensor(torch.pi / 2)) @ torch.tensor([1.0, 0.0, 0.0])
        tensor([-4.3711e-08, 1.0000e+00, 0.0000e+00])
    """
    c, s, zero, one = angle.cos(), angle.sin(), torch.zeros_like(angle), torch.ones_like(angle)
    return _matrix((c, -s, zero), (s, c, zero), (zero, zero, one))


def angles_to_matrix(alpha: _Angle, beta: _Angle, gamma: _Angle) -> Float[Tensor, "*batch 3 3"]:
    """R = Ry(alpha) Rx(beta) Ry(gamma).

    Example:
        >>> angles_to_matrix(*identity_angles())
        tensor([[1., 0., 0.],
                [0., 1., 0.],
                [0., 0., 1.]])
    """
    alpha, beta, gamma = torch.broadcast_tensors(alpha, beta, gamma)
    return matrix_y(alpha) @ matrix_x(beta) @ matrix_y(gamma)


def quaternion_to_matrix(q: Float[Tensor, "*batch 4"]) -> Float[Tensor, "*batch 3 3"]:
    """The matrix of a quaternion, which need not have length one.

    Example:
        >>> quaternion_to_matrix(torch.tensor([2.0, 0.0, 0.0, 0.0]))
        tensor([[1., 0., 0.],
                [0., 1., 0.],
                [0., 0., 1.]])
    """
    w, x, y, z = torch.nn.functional.normalize(q, dim=-1).unbind(-1)
    return _matrix(
        (1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
        (2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
        (2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)),
    )


def axis_angle_to_matrix(axis: _Vector, angle: _Angle) -> Float[Tensor, "*batch 3 3"]:
    """The matrix of a turn by angle about axis, of any length.

    Example:
        >>> axis_angle_to_matrix(torch.tensor([0.0, 0.0, 5.0]), torch.tensor(0.0))
        tensor([[1., 0., 0.],
                [0., 1., 0.],
                [0., 0., 1.]])
    """
    return quaternion_to_matrix(axis_angle_to_quaternion(axis, angle))


# ------------------------------------------------------------------ to quaternions
def angles_to_quaternion(alpha: _Angle, beta: _Angle, gamma: _Angle) -> Float[Tensor, "*batch 4"]:
    """The quaternion of Ry(alpha) Rx(beta) Ry(gamma), as the product of the three, which fixes its sign.

    Example:
        >>> angles_to_quaternion(*identity_angles())
        tensor([1., 0., 0., -0.])
    """
    alpha, beta, gamma = torch.broadcast_tensors(alpha, beta, gamma)
    total, difference = (alpha + gamma) / 2, (alpha - gamma) / 2
    c, s = (beta / 2).cos(), (beta / 2).sin()
    return torch.stack([c * total.cos(), s * difference.cos(), c * total.sin(), -s * difference.sin()], dim=-1)


def matrix_to_quaternion(R: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch 4"]:
    """The unit quaternion with w >= 0 of a rotation matrix (determinant +1), accurate at every angle.

    From R follow all products 4 q_i q_j; the row with the largest q_i² is the quaternion up to its length.

    Example:
        >>> matrix_to_quaternion(torch.diag(torch.tensor([-1.0, 1.0, -1.0])))
        tensor([0., 0., 1., 0.])

    Reference: Shepperd 1978, doi:10.2514/3.55767b.
    """
    (xx, xy, xz), (yx, yy, yz), (zx, zy, zz) = (row.unbind(-1) for row in R.unbind(-2))
    products = torch.stack(
        [
            torch.stack([1 + xx + yy + zz, zy - yz, xz - zx, yx - xy], dim=-1),
            torch.stack([zy - yz, 1 + xx - yy - zz, xy + yx, xz + zx], dim=-1),
            torch.stack([xz - zx, xy + yx, 1 - xx + yy - zz, yz + zy], dim=-1),
            torch.stack([yx - xy, xz + zx, yz + zy, 1 - xx - yy + zz], dim=-1),
        ],
        dim=-2,
    )  # (..., 4, 4)
    largest = products.diagonal(dim1=-2, dim2=-1).argmax(-1)[..., None, None]
    q = torch.nn.functional.normalize(products.take_along_dim(largest, dim=-2).squeeze(-2), dim=-1)
    return torch.where(q[..., :1] < 0, -q, q)


def axis_angle_to_quaternion(xyz: _Vector, angle: _Angle) -> Float[Tensor, "*batch 4"]:
    """The quaternion (cos(angle/2), sin(angle/2) axis) of a turn about an axis of any length.

    Example:
        >>> axis_angle_to_quaternion(torch.tensor([0.0, 3.0, 0.0]), torch.tensor(0.0))
        tensor([1., 0., 0., 0.])
    """
    half = angle.unsqueeze(-1) / 2
    vector = half.sin() * torch.nn.functional.normalize(xyz, dim=-1)
    return torch.cat([half.cos().expand(*vector.shape[:-1], 1), vector], dim=-1)


# ------------------------------------------------------------------ to axis and angle
def quaternion_to_axis_angle(
    q: Float[Tensor, "*batch 4"],
) -> tuple[Float[Tensor, "*batch 3"], Float[Tensor, "*batch"]]:
    """The axis, of length one, and the angle in [0, 2π]; for the neutral rotation, which has no axis, zeros.

    Example:
        >>> quaternion_to_axis_angle(torch.tensor([0.0, 0.0, 1.0, 0.0]))
        (tensor([0., 1., 0.]), tensor(3.1416))
    """
    vector = q[..., 1:]
    # not acos(w): it loses half of the digits near the neutral rotation, and its derivative there is infinite
    angle = 2 * torch.atan2(torch.linalg.vector_norm(vector, dim=-1), q[..., 0])
    return torch.nn.functional.normalize(vector, dim=-1), angle


def matrix_to_axis_angle(
    R: Float[Tensor, "*batch 3 3"],
) -> tuple[Float[Tensor, "*batch 3"], Float[Tensor, "*batch"]]:
    """The axis, of length one, and the angle in [0, π] of a rotation matrix (determinant +1), half turns included.

    Example:
        >>> matrix_to_axis_angle(torch.diag(torch.tensor([-1.0, -1.0, 1.0])))
        (tensor([0., 0., 1.]), tensor(3.1416))
    """
    return quaternion_to_axis_angle(matrix_to_quaternion(R))


def angles_to_axis_angle(
    alpha: _Angle, beta: _Angle, gamma: _Angle
) -> tuple[Float[Tensor, "*batch 3"], Float[Tensor, "*batch"]]:
    """The axis and the angle in [0, π] of Ry(alpha) Rx(beta) Ry(gamma).

    Example:
        >>> angles_to_axis_angle(torch.tensor(0.5), torch.tensor(0.0), torch.tensor(0.5))
        (tensor([0., 1., -0.]), tensor(1.))
    """
    q = angles_to_quaternion(alpha, beta, gamma)
    return quaternion_to_axis_angle(torch.where(q[..., :1] < 0, -q, q))


# ------------------------------------------------------------------ to Euler angles
def matrix_to_angles(R: Float[Tensor, "*batch 3 3"]) -> _Angles:
    """Euler angles of a rotation matrix (determinant +1), with beta in [0, π].

    Where beta is 0 or π only one combination of alpha and gamma is defined; alpha is then 0.

    Example:
        >>> matrix_to_angles(torch.eye(3))
        (tensor(0.), tensor(0.), tensor(0.))
    """
    alpha, beta = xyz_to_angles(R[..., 1])  # R y
    rest = angles_to_matrix(alpha, beta, torch.zeros_like(alpha)).mT @ R
    return alpha, beta, torch.atan2(rest[..., 0, 2], rest[..., 0, 0])


def quaternion_to_angles(q: Float[Tensor, "*batch 4"]) -> _Angles:
    """Euler angles of a quaternion.

    Example:
        >>> quaternion_to_angles(identity_quaternion())
        (tensor(0.), tensor(0.), tensor(0.))
    """
    return matrix_to_angles(quaternion_to_matrix(q))


def axis_angle_to_angles(axis: _Vector, angle: _Angle) -> _Angles:
    """Euler angles of a turn by angle about axis.

    Example:
        >>> axis_angle_to_angles(torch.tensor([1.0, 0.0, 0.0]), torch.tensor(0.5))
        (tensor(0.), tensor(0.5000), tensor(0.))
    """
    return matrix_to_angles(axis_angle_to_matrix(axis, angle))


# ------------------------------------------------------------------ points on the sphere
def angles_to_xyz(alpha: _Angle, beta: _Angle) -> Float[Tensor, "*batch 3"]:
    """The point R(alpha, beta, 0) y = (sin β sin α, cos β, sin β cos α).

    Example:
        >>> angles_to_xyz(torch.tensor(0.0), torch.tensor(0.0))
        tensor([0., 1., 0.])
    """
    alpha, beta = torch.broadcast_tensors(alpha, beta)
    return torch.stack([beta.sin() * alpha.sin(), beta.cos(), beta.sin() * alpha.cos()], dim=-1)


def xyz_to_angles(xyz: Float[Tensor, "*batch 3"]) -> tuple[Float[Tensor, "*batch"], Float[Tensor, "*batch"]]:
    """(alpha, beta) with R(alpha, beta, 0) y parallel to xyz, of any length; zeros for the zero vector.

    Example:
        >>> xyz_to_angles(torch.tensor([2.0, 0.0, 0.0]))
        (tensor(1.5708), tensor(1.5708))
    """
    x, y, z = xyz.unbind(-1)
    # not acos(y): it loses half of the digits near the poles, and its derivative there is infinite
    beta = torch.atan2(torch.linalg.vector_norm(xyz[..., ::2], dim=-1), y)
    return torch.atan2(x, z), beta


def _matrix(*rows: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    return torch.stack([torch.stack(row, dim=-1) for row in rows], dim=-2)
