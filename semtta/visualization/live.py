"""The people of a clip served to a browser while the program runs, through ``viser`` (extra ``viser``)."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import roma
import torch
from numpy.typing import NDArray

from ..body import body_of
from ..constants import SMPL24, SMPL_PARENTS
from ..errors import SemttaError, missing_extra
from ..geometry.kinematics import global_rotations
from ..rendering.drawing import BEFORE, Image
from ..types import FOOT_POINTS, Result, Video
from .clip import clip_of
from .stage import Actor, Stage, stage_of, stage_pictures
from .viewer import CONFIDENCE_COLORS

SPEEDS = {"0.1": 0.1, "0.25": 0.25, "0.5": 0.5, "1": 1.0, "2": 2.0, "4": 4.0}
#: Only this machine is served.
HOST = "127.0.0.1"


def serve(results: Result | Sequence[Result], body: Any = None, video: Video | None = None, port: int = 8080) -> LiveViewer:
    """A running server that shows what ``write_viewer`` shows; ``stop`` ends it.

    Args:
        results, body, video: as for ``write_viewer``.
        port: of this machine, to which the server is bound (nobody else is served); 0: any free one.

    Raises:
        SemttaError: the extra ``viser`` is not installed, or the port is taken.
    """
    try:
        import viser
    except ImportError as error:
        raise missing_extra("semtta view --live", "viser", error) from error
    clip = clip_of(results)
    stage = stage_of(clip, body_of(clip.first, body))
    with socket.socket() as free:
        try:
            free.bind((HOST, port))
        except (OSError, OverflowError) as error:
            raise SemttaError(f"Port {port} cannot be used ({error}): give another one with --port, or 0 for any.") from error
        port = free.getsockname()[1]
    pictures = dict(stage_pictures(stage, video))
    return LiveViewer(viser.ViserServer(HOST, port, label=clip.name, verbose=False), stage, pictures)


class LiveViewer:
    """The scene of a stage in a viser server: bodies, floor, paths, contacts, camera with the video's pictures."""

    def __init__(self, server: Any, stage: Stage, pictures: Mapping[int, Image]) -> None:
        self.server, self.stage, self.pictures = server, stage, pictures
        self.port: int = server.get_port()
        self._picture_at = np.array(sorted(pictures), int)
        self._stopped = threading.Event()
        server.scene.set_up_direction("+z")
        server.scene.add_grid("/floor", 20.0, 20.0, cell_size=1.0, section_size=5.0)
        self._bodies = [_Body(server, actor, i, len(stage.actors) > 1) for i, actor in enumerate(stage.actors)]
        camera, (width, height) = stage.clip.first.camera, stage.clip.first.size
        self._camera = server.scene.add_camera_frustum(
            "/camera", fov=2 * np.arctan(height / 2 / camera.focal_px), aspect=width / height, scale=0.8
        )
        gui = server.gui
        self.time = gui.add_slider("frame", 0, max(1, len(stage.times) - 1), 1, 0)
        self.playing = gui.add_checkbox("play", True)
        self.speed = gui.add_dropdown("speed", tuple(SPEEDS), initial_value="1")
        self.shown = {name: gui.add_checkbox(name, name == "after") for name in ("before", "after")}
        self.confidence = gui.add_checkbox("confidence", False, hint="joints: orange is a guess, teal well seen")
        self.contacts = gui.add_checkbox("contacts", True)
        self.show(0)

    def show(self, t: int) -> None:
        """Show frame ``t`` of the stage."""
        for body in self._bodies:
            body.show(t, {name: box.value for name, box in self.shown.items()}, self.confidence.value, self.contacts.value)
        i = t if len(self.stage.camera_position) > 1 else 0
        quaternion = roma.rotmat_to_unitquat(torch.from_numpy(self.stage.camera_rotation[i].T.copy())).numpy()
        self._camera.wxyz, self._camera.position = quaternion[[3, 0, 1, 2]], self.stage.camera_position[i]
        before = self._picture_at[self._picture_at <= t]
        if len(before):
            self._camera.image = self.pictures[int(before[-1])]

    def play(self, seconds: float | None = None) -> None:
        """Play until ``stop`` is called (or for some seconds)."""
        times, end = self.stage.times, None if seconds is None else time.monotonic() + seconds
        now, last, shown = 0.0, time.monotonic(), -1
        while not self._stopped.is_set() and (end is None or time.monotonic() < end):
            step, last = time.monotonic() - last, time.monotonic()
            if self.playing.value:
                now = (now + step * SPEEDS[self.speed.value]) % (float(times[-1]) + 1 / self.stage.fps)
                self.time.value = t = int(np.searchsorted(times, now, "right") - 1)
            else:
                t = min(int(self.time.value), len(times) - 1)
                now = float(times[t])
            if t != shown or not self.playing.value:
                self.show(t)
                shown = t
            self._stopped.wait(max(1 / 60, 1 / self.stage.fps / 2))

    def stop(self) -> None:
        """End the server."""
        self._stopped.set()
        self.server.stop()


class _Body:
    """One person's meshes, joints, feet and path."""

    def __init__(self, server: Any, actor: Actor, index: int, several: bool) -> None:
        self.actor, place, skin = actor, f"/people/{index}", actor.skin
        weights = np.zeros((len(skin.vertices), 24), np.float32)
        np.add.at(weights, (np.arange(len(weights))[:, None], skin.influences), skin.weights)  # a joint may stand there twice
        still = np.tile(np.array([1.0, 0, 0, 0]), (24, 1))
        grey = tuple(int(0.45 * c + 90) for c in actor.color)
        colors = {"before": grey if several else BEFORE, "after": actor.color}
        self.meshes = {
            when: server.scene.add_mesh_skinned(
                f"{place}/{when}", skin.vertices, skin.faces, bone_wxyzs=still, bone_positions=skin.joints, skin_weights=weights,
                color=color,
            )
            for when, color in colors.items()
        }  # fmt: skip
        blank = np.zeros((24, 3), np.float32)
        self.joints = server.scene.add_point_cloud(f"{place}/joints", blank, blank.astype(np.uint8), point_size=0.03)
        self.feet = [server.scene.add_icosphere(f"{place}/foot{k}", 0.035, color=(33, 178, 90)) for k in range(4)]
        pelvis = actor.motions["after"].pelvis.float().numpy() * (1, 1, 0) + (0, 0, 0.005)
        if len(pelvis) > 1:
            lines = np.stack((pelvis[:-1], pelvis[1:]), 1)
            server.scene.add_line_segments(f"{place}/path", lines, actor.color, thickness=0.015)
        self.poses = {when: _bones(actor, when) for when in actor.motions}

    def show(self, t: int, shown: Mapping[str, bool], confidence: bool, contacts: bool) -> None:
        row = int(self.actor.at[t])
        for when, mesh in self.meshes.items():
            mesh.visible = row >= 0 and shown[when]
            if mesh.visible:
                quaternions, places = self.poses[when]
                for bone, wxyz, position in zip(mesh.bones, quaternions[row], places[row], strict=True):
                    bone.wxyz, bone.position = wxyz, position
        self.joints.visible = row >= 0 and confidence and self.actor.confidence is not None
        if self.joints.visible:
            assert self.actor.confidence is not None
            self.joints.points = self.poses["after"][1][row]
            self.joints.colors = confidence_colors(self.actor.confidence[row])
        self.meshes["after"].opacity = 0.4 if self.joints.visible else None
        for k, (ball, joint) in enumerate(zip(self.feet, map(SMPL24.index, FOOT_POINTS), strict=True)):
            ball.visible = row >= 0 and contacts and self.actor.contacts is not None and self.actor.contacts[row, k] > 0.5
            if ball.visible:
                ball.position = self.poses["after"][1][row, joint] * (1, 1, 0)


def _bones(actor: Actor, when: str) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """Quaternions w, x, y, z [T, 24, 4] and places [T, 24, 3] of the joints in the world."""
    moves = actor.motions[when]
    rest = torch.from_numpy(actor.skin.joints).double()
    turns = global_rotations(moves.rotations)
    places = [moves.pelvis]
    for joint, parent in enumerate(SMPL_PARENTS[1:], 1):
        places.append(places[parent] + turns[:, parent] @ (rest[joint] - rest[parent]))
    return roma.rotmat_to_unitquat(turns).numpy()[..., [3, 0, 1, 2]], torch.stack(places, 1).float().numpy()


def confidence_colors(confidence: NDArray[np.floating]) -> NDArray[np.uint8]:
    """RGB [..., 3] of confidence [...]: orange is a guess, teal well seen."""
    places = [place for place, _ in CONFIDENCE_COLORS]
    channels = zip(*(color for _, color in CONFIDENCE_COLORS), strict=True)
    return np.stack([np.interp(confidence, places, channel) for channel in channels], -1).round().astype(np.uint8)
