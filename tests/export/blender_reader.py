"""A program for Blender's Python: reads exported files and writes what Blender makes of them. Run by test_blender.py.

Argument: a JSON list of [FILE, SCALE of BVH, OUT.npz or OUT.png]. OUT.npz has the joints [F, J, 3] of each armature in each frame
by its name, ``names``, and ``rate``; OUT.png is a picture of frame 8 through the file's own camera.
"""

from __future__ import annotations

import json
import math
import sys

import bpy
import numpy as np


def read(path: str, scale: float) -> None:
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.context.scene.render.fps = 30
    if path.endswith(".bvh"):
        bpy.ops.import_anim.bvh(filepath=path, global_scale=scale, frame_start=1, update_scene_fps=True)
    elif path.endswith(".fbx"):
        bpy.ops.import_scene.fbx(filepath=path, anim_offset=0.0)
    else:
        bpy.ops.import_scene.gltf(filepath=path)


def joints() -> dict[str, np.ndarray]:
    scene, found = bpy.context.scene, {}
    armatures = [thing for thing in bpy.data.objects if thing.type == "ARMATURE"]
    last = max(action.frame_range[1] for action in bpy.data.actions)
    for frame in range(math.floor(last + 1.01)):
        scene.frame_set(frame)
        for armature in armatures:
            heads = [(armature.matrix_world @ bone.head)[:] for bone in armature.pose.bones]
            found.setdefault(armature.name, []).append(heads)
    found["rate"] = [scene.render.fps / scene.render.fps_base]
    found["names"] = [bone.name for bone in armatures[0].pose.bones]
    return {name: np.array(values) for name, values in found.items()}


def picture(path: str) -> None:
    scene = bpy.context.scene
    scene.camera = next(thing for thing in bpy.data.objects if thing.type == "CAMERA")
    scene.frame_set(8)
    bpy.ops.mesh.primitive_plane_add(size=12)
    bpy.ops.object.light_add(type="SUN", rotation=(0.6, 0.3, 0))
    bpy.context.object.data.energy = 3
    scene.world = bpy.data.worlds.new("sky")
    scene.render.engine = "CYCLES"
    scene.cycles.samples = 8
    scene.render.resolution_x, scene.render.resolution_y, scene.render.resolution_percentage = 320, 240, 100
    scene.render.filepath = path
    bpy.ops.render.render(write_still=True)


for file, scale, out in json.loads(sys.argv[-1]):
    read(file, scale)
    np.savez(out, **joints()) if out.endswith(".npz") else picture(out)
