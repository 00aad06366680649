"""What the group O(3) dictates: its representations, rotations, and the linear and bilinear maps between them."""

from .elementwise import ElementwiseTensorProduct
from .full import FullTensorProduct
from .fully_connected import FullyConnectedTensorProduct
from .irreps import Irrep, Irreps, MulIr
from .linear import Linear
from .norm import Norm
from .rotation import (
    angles_to_axis_angle,
    angles_to_matrix,
    angles_to_quaternion,
    angles_to_xyz,
    axis_angle_to_angles,
    axis_angle_to_matrix,
    axis_angle_to_quaternion,
    compose_angles,
    compose_axis_angle,
    compose_quaternion,
    identity_angles,
    identity_quaternion,
    inverse_angles,
    inverse_quaternion,
    matrix_to_angles,
    matrix_to_axis_angle,
    matrix_to_quaternion,
    matrix_x,
    matrix_y,
    matrix_z,
    quaternion_to_angles,
    quaternion_to_axis_angle,
    quaternion_to_matrix,
    rand_angles,
    rand_axis_angle,
    rand_matrix,
    rand_quaternion,
    xyz_to_angles,
)
from .s2_grid import FromS2Grid, ToS2Grid
from .spherical_harmonics import SphericalHarmonics, spherical_harmonics
from .tensor_product import TensorProduct
from .tensor_product_plan import Instruction, plan_tensor_product
from .wigner import change_basis_real_to_complex, so3_generators, su2_generators, wigner_3j, wigner_D

__all__ = [
    "ElementwiseTensorProduct",
    "FromS2Grid",
    "FullTensorProduct",
    "FullyConnectedTensorProduct",
    "Instruction",
    "Irrep",
    "Irreps",
    "Linear",
    "MulIr",
    "Norm",
    "SphericalHarmonics",
    "TensorProduct",
    "ToS2Grid",
    "angles_to_axis_angle",
    "angles_to_matrix",
    "angles_to_quaternion",
    "angles_to_xyz",
    "axis_angle_to_angles",
    "axis_angle_to_matrix",
    "axis_angle_to_quaternion",
    "change_basis_real_to_complex",
    "compose_angles",
    "compose_axis_angle",
    "compose_quaternion",
    "identity_angles",
    "identity_quaternion",
    "inverse_angles",
    "inverse_quaternion",
    "matrix_to_angles",
    "matrix_to_axis_angle",
    "matrix_to_quaternion",
    "matrix_x",
    "matrix_y",
    "matrix_z",
    "plan_tensor_product",
    "quaternion_to_angles",
    "quaternion_to_axis_angle",
    "quaternion_to_matrix",
    "rand_angles",
    "rand_axis_angle",
    "rand_matrix",
    "rand_quaternion",
    "so3_generators",
    "spherical_harmonics",
    "su2_generators",
    "wigner_3j",
    "wigner_D",
    "xyz_to_angles",
]
