"""What holds for every function on tensors: type and device stay, batches are taken row by row, the host does not wait."""

from __future__ import annotations

import inspect
import pkgutil

import pytest
import torch

import semtta.geometry
from semtta.constants import table
from semtta.geometry import cameras, crops, kinematics, rotations, skeletons, timing, world

CENTER = (320.0, 240.0)
LAYOUTS = ("rows", "columns", "columns_interleaved")
MODULES = (cameras, crops, kinematics, rotations, skeletons, timing, world)

#: Name -> the function of tensors only, and their shapes after the batch; "rotations" are made orthonormal.
CASES = {
    "axis_angle_to_matrix": (rotations.axis_angle_to_matrix, [(24, 3)]),
    "matrix_to_axis_angle": (rotations.matrix_to_axis_angle, ["rotations"]),
    **{f"matrix_to_6d-{x}": (lambda m, x=x: rotations.matrix_to_6d(m, x), ["rotations"]) for x in LAYOUTS},
    **{f"matrix_from_6d-{x}": (lambda s, x=x: rotations.matrix_from_6d(s, x), [(24, 6)]) for x in LAYOUTS},
    "resample_rotations": (lambda m: rotations.resample_rotations(m[..., None, :, :], 20.0, 30.0), ["rotations"]),
    "rotations_at": (
        lambda m: rotations.rotations_at(m[..., None, :, :], table((0.5, 3.0, 22.75), m.device, m.dtype)),
        ["rotations"],
    ),
    "crop_points": (cameras.crop_points, [(24, 2), "camera"]),
    "uncrop_points": (cameras.uncrop_points, [(24, 2), "camera"]),
    "crop_translation": (cameras.crop_translation, ["camera"]),
    "project_to_crop": (cameras.project_to_crop, [(24, 3), "camera"]),
    "image_translation": (lambda c, b: cameras.image_translation(c, b, 600.0, CENTER), ["camera", "camera"]),
    "ray_rotation": (lambda p: cameras.ray_rotation(p[..., :2], 2 + p.abs()), [(3,)]),
    "project_to_image": (lambda p: cameras.project_to_image(p, 600.0, CENTER), [(24, 3)]),
    "global_rotations": (kinematics.global_rotations, ["rotations"]),
    "pelvis_frame_positions": (kinematics.pelvis_frame_positions, ["rotations"]),
    "rotations_from_joints": (kinematics.rotations_from_joints, [(22, 3)]),
}
#: Not of tensors: numbers, pictures, results.
OTHERS = {
    "image_focal_px",
    "crop_square",
    "warp_square",
    "cut",
    "to_world",
    "to_worlds",
    "camera_centers",
    "frame_positions",
    "motion_at_constant_rate",
    "resampled",
}


@pytest.fixture(params=CASES)
def case(request, random, rotations):
    """The function and its arguments."""
    function, shapes = CASES[request.param]
    made = []
    for shape in shapes:
        if shape == "rotations":
            made.append(rotations(24))
        elif shape == "camera":
            made.append(torch.cat((1 + 0.3 * random(1).tanh(), random(1), 1 + 0.3 * random(1).tanh()), -1))
        else:
            made.append(random(*shape))
    return function, made


def test_all_functions_are_here():
    public = {
        name
        for module in MODULES
        for name, function in inspect.getmembers(module, inspect.isfunction)
        if function.__module__ == module.__name__ and not name.startswith("_")
    }
    assert public == {name.split("-")[0] for name in CASES} | OTHERS
    assert {module.__name__.split(".")[-1] for module in MODULES} == {
        x.name for x in pkgutil.iter_modules(semtta.geometry.__path__)
    }


def test_type_device_and_batch_stay(case, batch, dtype, device):
    function, arguments = case
    copies = [x.cpu().clone() for x in arguments]
    out = function(*arguments)
    assert (out.dtype, out.device.type) == (dtype, device.type)
    assert out.shape[: len(batch)] == batch
    assert out.cpu().isfinite().all()
    for argument, copy in zip(arguments, copies, strict=True):
        assert argument.cpu().equal(copy)  # no function writes to what it is given


def test_rows_of_a_batch_do_not_meet(case, batch, close):
    function, arguments = case
    out = function(*arguments)
    for row in (0, -1):
        one = function(*(x.reshape(-1, *x.shape[len(batch) :])[row] for x in arguments))
        close(out.reshape(-1, *one.shape)[row], one, scale=max(1.0, one.cpu().abs().max().item()) * 10)


def test_an_empty_batch_stays_empty(case, batch):
    function, arguments = case
    none = [x.reshape(-1, *x.shape[len(batch) :])[:0] for x in arguments]
    out = function(*arguments)
    assert function(*none).shape == (0, *out.shape[len(batch) :])


def test_single_precision_is_that_of_double(case, close, dtype):
    function, arguments = case
    out, wide = function(*arguments), function(*(x.double() for x in arguments))
    close(out, wide.to(dtype), scale=max(1.0, wide.cpu().abs().max().item()) * 100)


def test_gradients_are_finite(case):
    function, arguments = case
    arguments = [x.clone().requires_grad_() for x in arguments]
    for slope in torch.autograd.grad(function(*arguments).sum(), arguments):
        assert slope.cpu().isfinite().all()


def test_the_host_does_not_wait(case, waits):
    """Once the tables are on the device."""
    function, arguments = case
    function(*arguments)
    before = waits.copy()
    function(*arguments)
    assert waits - before == {}
