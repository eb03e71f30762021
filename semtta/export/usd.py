"""USD: everybody as a UsdSkel character, and the camera, for Omniverse, Houdini, Blender and Maya."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..constants import SMPL24, SMPL_PARENTS
from ..errors import SemttaError, missing_extra
from ..geometry.world import Origin, Up
from ..rendering.skin import INFLUENCES, skinning
from ..types import Result
from .base import register, require_size
from .glb import COLORS, FLIP, JOINTS, continuous_quaternions
from .scene import CameraTrack, Person, bodies_of, camera_track, from_zero, people_in

#: Width of the film that a camera's focal length is given for, millimetres.
FILM = 36.0


@register("usd")
def write_usd(
    result: Result,
    path: Path,
    people: Sequence[Result] = (),
    body: Any = None,
    up: Up = "y",
    origin: Origin = "person",
    in_place: bool = False,
    fps: float | None = None,
) -> None:
    """The scene that ``glb`` has, as USD; metres. Needs the extra ``usd``.

    Each person is a SkelRoot with skeleton, animation and mesh. Time codes are frames at ``fps``, or at the clip's average rate;
    a frame with another time by the video has a broken one.
    """
    scene = from_zero(people_in(people or [result], up, origin, in_place, fps))
    try:
        from pxr import Usd, UsdGeom
    except ImportError as error:
        raise missing_extra("The format 'usd'", "usd", error) from error
    require_size(sum(len(person.times) for person in scene) * JOINTS * 34)
    rate = result.fps if fps is None else fps
    stage = Usd.Stage.CreateInMemory()
    UsdGeom.SetStageUpAxis(stage, "Z" if up == "z" else "Y")
    UsdGeom.SetStageMetersPerUnit(stage, 1.0)
    stage.SetTimeCodesPerSecond(rate)
    stage.SetFramesPerSecond(rate)
    stage.SetStartTimeCode(0)
    stage.SetEndTimeCode(max(float(person.times[-1]) for person in scene) * rate)
    stage.SetDefaultPrim(UsdGeom.Xform.Define(stage, "/Scene").GetPrim())
    for number, (person, its_body) in enumerate(zip(scene, bodies_of(scene, body), strict=True)):
        _add_person(stage, f"/Scene/Person_{number + 1}", person, its_body, COLORS[number % len(COLORS)], rate)
    if not in_place:
        _add_camera(stage, result, camera_track(scene), rate)
    if not stage.GetRootLayer().Export(str(path)):
        raise SemttaError("The .usd could not be written: make room there or give another place with --file.")


def _add_person(stage: Any, place: str, person: Person, body: Any, color: tuple[float, ...], rate: float) -> None:
    """SkelRoot, skeleton, animation and mesh at ``place``."""
    from pxr import Gf, Sdf, UsdGeom, UsdSkel, Vt

    skin = skinning(body, person.result.params.betas)
    root = UsdSkel.Root.Define(stage, place)
    root.GetPrim().SetDisplayName(person.result.name)
    rest = skin.joints.copy()
    rest[1:] -= skin.joints[list(SMPL_PARENTS[1:])]
    paths = [_joint_path(joint) for joint in range(JOINTS)]
    skeleton = UsdSkel.Skeleton.Define(stage, f"{place}/Skeleton")
    skeleton.CreateJointsAttr(paths)
    skeleton.CreateBindTransformsAttr([Gf.Matrix4d().SetTranslate(Gf.Vec3d(*map(float, joint))) for joint in skin.joints])
    skeleton.CreateRestTransformsAttr([Gf.Matrix4d().SetTranslate(Gf.Vec3d(*map(float, offset))) for offset in rest])

    animation = UsdSkel.Animation.Define(stage, f"{place}/Skeleton/Animation")
    animation.CreateJointsAttr(paths)
    animation.CreateScalesAttr([Gf.Vec3h(1, 1, 1)] * JOINTS)
    places, turns = animation.CreateTranslationsAttr(), animation.CreateRotationsAttr()
    quaternions = np.stack(continuous_quaternions(person.motion.rotations), 1)
    for code, pelvis, frame in zip(person.times.numpy() * rate, person.motion.joints[:, 0].numpy(), quaternions, strict=True):
        rest[0] = pelvis
        places.Set(Vt.Vec3fArray.FromNumpy(np.ascontiguousarray(rest, np.float32)), float(code))
        turns.Set(Vt.QuatfArray([Gf.Quatf(float(w), float(x), float(y), float(z)) for x, y, z, w in frame]), float(code))
    UsdSkel.BindingAPI.Apply(skeleton.GetPrim()).CreateAnimationSourceRel().SetTargets([animation.GetPath()])

    mesh = UsdGeom.Mesh.Define(stage, f"{place}/Mesh")
    mesh.CreatePointsAttr(Vt.Vec3fArray.FromNumpy(skin.vertices))
    mesh.CreateNormalsAttr(Vt.Vec3fArray.FromNumpy(skin.normals))
    mesh.CreateFaceVertexCountsAttr([3] * len(skin.faces))
    mesh.CreateFaceVertexIndicesAttr(Vt.IntArray.FromNumpy(skin.faces.reshape(-1).astype(np.int32)))
    mesh.CreateSubdivisionSchemeAttr("none")
    mesh.CreateDisplayColorAttr([Gf.Vec3f(*color)])
    mesh.CreateExtentAttr(UsdGeom.PointBased.ComputeExtent(mesh.GetPointsAttr().Get()))
    binding = UsdSkel.BindingAPI.Apply(mesh.GetPrim())
    binding.CreateSkeletonRel().SetTargets([Sdf.Path(f"{place}/Skeleton")])
    binding.CreateGeomBindTransformAttr(Gf.Matrix4d(1))
    binding.CreateJointIndicesPrimvar(False, INFLUENCES).Set(Vt.IntArray.FromNumpy(skin.influences.reshape(-1).astype(np.int32)))
    binding.CreateJointWeightsPrimvar(False, INFLUENCES).Set(Vt.FloatArray.FromNumpy(skin.weights.reshape(-1)))


def _joint_path(joint: int) -> str:
    parent = SMPL_PARENTS[joint]
    return SMPL24[joint] if parent < 0 else f"{_joint_path(parent)}/{SMPL24[joint]}"


def _add_camera(stage: Any, result: Result, track: CameraTrack, rate: float) -> None:
    """The camera with its principal point, which an offset of the film stands for; time samples if it moves."""
    from pxr import Gf, UsdGeom

    (width, height), (x, y) = result.size, result.camera.center_px
    scale = FILM / width  # millimetres of the film per pixel
    camera = UsdGeom.Camera.Define(stage, "/Scene/Camera")
    camera.CreateFocalLengthAttr(result.camera.focal_px * scale)
    camera.CreateHorizontalApertureAttr(FILM)
    camera.CreateVerticalApertureAttr(height * scale)
    camera.CreateHorizontalApertureOffsetAttr((width / 2 - x) * scale)
    camera.CreateVerticalApertureOffsetAttr((y - height / 2) * scale)
    camera.CreateClippingRangeAttr(Gf.Vec2f(0.05, 1000))
    placed = camera.AddTransformOp()
    matrices: NDArray = np.zeros((len(track.times), 4, 4))
    matrices[:, :3, :3] = (track.rotations @ FLIP).mT.numpy()  # USD multiplies rows from the left
    matrices[:, 3, :3], matrices[:, 3, 3] = track.centers.numpy(), 1
    if len(matrices) == 1:
        placed.Set(Gf.Matrix4d(matrices[0].tolist()))
        return
    for code, matrix in zip(track.times * rate, matrices, strict=True):
        placed.Set(Gf.Matrix4d(matrix.tolist()), float(code))
