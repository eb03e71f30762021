"""USD, read back by Pixar's own library."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from worlds import CENTER, in_a_world

from semtta.constants import SMPL24
from semtta.export import export
from semtta.types import Camera

pytest.importorskip("pxr")


def test_joints_camera_and_clock(make_result, open_body, tmp_path):
    from pxr import Gf, Usd, UsdGeom, UsdSkel

    result = in_a_world(replace(make_result(frames=5), camera=Camera(600.0, (150.0, 130.0))))  # the principal point is off
    stage = Usd.Stage.Open(str(export(result, "usd", tmp_path, body=open_body, up="z", fps=15)))
    assert (UsdGeom.GetStageUpAxis(stage), UsdGeom.GetStageMetersPerUnit(stage)) == ("Z", 1)
    assert (stage.GetTimeCodesPerSecond(), stage.GetEndTimeCode()) == (15, 2)
    cache = UsdSkel.Cache()
    cache.Populate(UsdSkel.Root(stage.GetPrimAtPath("/Scene/Person_1")), Usd.PrimDefaultPredicate)
    query = cache.GetSkelQuery(UsdSkel.Skeleton(stage.GetPrimAtPath("/Scene/Person_1/Skeleton")))
    assert [str(path).split("/")[-1] for path in query.GetJointOrder()] == list(SMPL24)
    seen = Usd.TimeCode(1)
    joints = np.array([list(m.ExtractTranslation()) for m in query.ComputeJointSkelTransforms(seen)])
    np.testing.assert_allclose(joints, result.world.joints[2], atol=1e-4)

    camera = UsdGeom.Camera(stage.GetPrimAtPath("/Scene/Camera")).GetCamera(seen)
    place = (CENTER + np.array([0.4 * 2 / 30, 0, 0])).numpy()
    np.testing.assert_allclose(camera.transform.ExtractTranslation(), place, atol=1e-5)
    assert math.radians(camera.GetFieldOfView(Gf.Camera.FOVVertical)) == pytest.approx(2 * math.atan(120 / 600), rel=1e-5)
    head = Gf.Vec3d(*map(float, result.world.joints[2, 15]))
    x, y, _ = (camera.frustum.ComputeViewMatrix() * camera.frustum.ComputeProjectionMatrix()).Transform(head)
    pixel = 160 * (1 + x), 120 * (1 - y)
    a, b, depth = result.joints[2, 15].tolist()
    assert pixel == pytest.approx((600 * a / depth + 150, 600 * b / depth + 130), abs=0.05)


def test_one_that_stands_still_has_one_pose(make_result, open_body, tmp_path):
    from pxr import Usd, UsdGeom

    stage = Usd.Stage.Open(str(export(make_result(frames=1, labels=()), "usd", tmp_path, body=open_body)))
    assert UsdGeom.GetStageUpAxis(stage) == "Y"
    operation = UsdGeom.Camera(stage.GetPrimAtPath("/Scene/Camera")).GetOrderedXformOps()[0]
    assert operation.GetNumTimeSamples() == 0
