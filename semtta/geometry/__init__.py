"""Rotations, cameras and crops, kinematics on the average skeleton; each 6D layout of rotations is named."""

from .cameras import (
    CROP_FOCAL_PX,
    CROP_PX,
    crop_points,
    crop_translation,
    image_focal_px,
    image_translation,
    project_to_crop,
    project_to_image,
    ray_rotation,
    uncrop_points,
)
from .kinematics import global_rotations, pelvis_frame_positions, rotations_from_joints
from .rotations import Layout6D, axis_angle_to_matrix, matrix_from_6d, matrix_to_6d, matrix_to_axis_angle, resample_rotations
