"""A program for Blender's Python: reads GLB_FILE and writes FBX_FILE. ``semtta.export.fbx`` runs it in a process of its own.

Arguments: GLB_FILE FBX_FILE FRAMES_PER_SECOND UP, where UP is y or z. Takes nothing of semtta, so that any Blender can run it.
"""

from __future__ import annotations

import sys
from typing import Any

#: Blender's names of the directions ahead and up in the file.
AXES = {"y": ("-Z", "Y"), "z": ("Y", "Z")}


def whole_rate(fps: float) -> int:
    """The whole number of frames per second by which Blender reads a file of ``fps``.

    glTF's times are seconds. Blender makes frames of them by its whole rate times the base that it should be divided by, so a
    broken rate would come out twice as far off.
    """
    return max(1, round(fps))


def read_glb(bpy: Any, path: str, fps: float) -> tuple[float, float]:
    """Read a GLB file whose times are frames by ``whole_rate``; returns the first and last frame of its animation."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    render = bpy.context.scene.render
    render.fps = whole_rate(fps)
    bpy.ops.import_scene.gltf(filepath=path, disable_bone_shape=True)
    render.fps_base = render.fps / fps
    ranges = [action.frame_range for action in bpy.data.actions]
    return min((r[0] for r in ranges), default=0.0), max((r[1] for r in ranges), default=0.0)


def convert(glb: str, fbx: str, fps: float, up: str) -> None:
    """Read a GLB file and write what is in it as FBX, one key per frame."""
    import bpy

    first, last = read_glb(bpy, glb, fps)
    bpy.context.scene.frame_start, bpy.context.scene.frame_end = round(first), round(last)
    bpy.ops.export_scene.fbx(
        filepath=fbx, axis_forward=AXES[up][0], axis_up=AXES[up][1], object_types={"ARMATURE", "MESH", "CAMERA"},
        add_leaf_bones=False, bake_anim_use_nla_strips=False, bake_anim_use_all_actions=False, bake_anim_simplify_factor=0.0,
        apply_scale_options="FBX_SCALE_ALL",
    )  # fmt: skip


if __name__ == "__main__":
    convert(sys.argv[-4], sys.argv[-3], float(sys.argv[-2]), sys.argv[-1])
