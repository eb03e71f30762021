"""What the report shows of the people of a clip together: who is there, what was guessed, their paths on the floor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from ..constants import SMPL24, SMPL_PARENTS
from ..data.evidence import filled_in, present
from ..metrics.confidence import GUESS
from ..types import Result
from .clip import Clip, color_of, floor_transforms, name_of
from .page import css, number, part

LIMBS = {
    "left arm": ("L_Shoulder", "L_Elbow", "L_Wrist", "L_Hand"), "right arm": ("R_Shoulder", "R_Elbow", "R_Wrist", "R_Hand"),
    "left leg": ("L_Hip", "L_Knee", "L_Ankle", "L_Foot"), "right leg": ("R_Hip", "R_Knee", "R_Ankle", "R_Foot"),
    "trunk and head": ("Pelvis", "Spine1", "Spine2", "Spine3", "Neck", "L_Collar", "R_Collar", "Head"),
}  # fmt: skip
#: Moments that the paths are drawn with a person at.
FIGURES = 5
#: Corners of a path; longer ones are thinned.
CORNERS = 400


@dataclass(frozen=True)
class Guessed:
    """How much of a person's motion is a guess, as shares in [0, 1]."""

    limbs: dict[str, float] | None  # of each limb's joints and frames; None: the run did not tell the confidence
    overall: float | None
    filled: float  # of the frames, those in which a keypoint was filled in from the motion
    unseen: float  # of the frames, those without a detected keypoint

    @property
    def sentence(self) -> str:
        """In words."""
        said = [] if self.overall is None else [f"{self.overall:.0%} of all joints and frames are a guess."]
        if self.filled:
            said.append(f"{self.filled:.0%} of the frames have keypoints that were filled in from the motion.")
        if self.unseen:
            said.append(f"{self.unseen:.0%} of the frames have no detected keypoint.")
        return " ".join(said)


def guessed(result: Result) -> Guessed:
    """What of a result was guessed rather than seen."""
    added = filled_in(result).any(-1).float()
    unseen = (~present(result.keypoints_before).any(-1)).float()
    shares = [float(value.mean()) if len(value) else 0.0 for value in (added, unseen)]
    if result.confidence is None or not len(result.confidence):
        return Guessed(None, None, *shares)
    low = (result.confidence < GUESS).float().mean(0)
    limbs = {name: float(low[[SMPL24.index(joint) for joint in joints]].mean()) for name, joints in LIMBS.items()}
    return Guessed(limbs, float(low.mean()), *shares)


def people_rows(clip: Clip) -> list[dict[str, Any]]:
    """A row of the table of people for each: who, when, how long, doing what, how much of it guessed."""
    rows = []
    for index, person in enumerate(clip.people):
        there = np.flatnonzero(clip.rows[index] >= 0)
        labels = dict.fromkeys(segment.label for segment in person.labels if segment.label)
        rows.append({
            "name": name_of(person), "color": css(color_of(index)), "frames": len(person.joints),
            "start": number(float(clip.times[there[0]])) if len(there) else "–",
            "end": number(float(clip.times[there[-1]]) + 1 / person.fps) if len(there) else "–",
            "first": int(clip.frames[there[0]]) if len(there) else "–",
            "last": int(clip.frames[there[-1]]) if len(there) else "–",
            "label": ", ".join(labels), "guessed": guessed(person),
        })  # fmt: skip
    return rows


def camera_fact(result: Result) -> str:
    """The camera in words: focal length, field of view, and where they come from."""
    camera, (width, height) = result.camera, result.size
    degrees = 2 * np.degrees(np.arctan(max(width, height) / 2 / camera.focal_px))
    text = f"focal length {number(camera.focal_px)} px ({number(float(degrees))}° across the longer side)"
    return f"{text}, {camera.source}" if camera.source else text


# --- paths on the floor -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Track:
    """A person's path and figures, as lines of an SVG in metres."""

    color: str
    name: str
    path: str
    figures: tuple[str, ...]


def floor_views(clip: Clip) -> Markup:
    """The people's paths from above and from the side as SVG, metres, with the people at some moments of the clip."""
    places = _places(clip)
    if not any(len(place) for place in places):
        return Markup()
    pelvis = np.concatenate([place[:, 0, :2] for place in places])
    pelvis = pelvis[np.isfinite(pelvis).all(-1)]
    along = _main_direction(pelvis)
    times = np.linspace(0, len(clip) - 1, min(FIGURES, len(clip))).round().astype(int)
    camera = _camera_place(clip)
    top = [place[..., :2] * (1, -1) for place in places]  # SVG's y points down
    side = [np.stack((place[..., :2] @ along, -place[..., 2]), -1) for place in places]
    views = [
        _view("from above", clip, top, times, None if camera is None else camera[:2] * (1, -1), floor=False),
        _view("from the side", clip, side, times, None, floor=True),
    ]
    return part("paths.html", views=[view for view in views if view])


def _places(clip: Clip) -> list[NDArray[np.float64]]:
    """Joints [T, 24, 3] of each person in the world, z up."""
    out = []
    for person, (turn, shift) in zip(clip.people, floor_transforms(clip), strict=True):
        if person.world is not None:
            out.append(person.world.joints.detach().cpu().double().numpy())
        else:
            joints = person.joints.detach().cpu().double()
            out.append(((turn[:, None] @ joints[..., None])[..., 0] + shift[:, None]).numpy())
    return out


def _camera_place(clip: Clip) -> NDArray[np.float64] | None:
    _, shift = floor_transforms(clip)[0]
    return shift[0].numpy() if len(shift) else None


def _main_direction(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Unit direction [2] along which points [N, 2] are spread most; of people who stand still, along the camera's view."""
    spread = points - points.mean(0) if len(points) else np.zeros((1, 2))
    values, vectors = np.linalg.eigh(spread.T @ spread / len(spread))
    if values[1] < 0.01:
        return np.array([0.0, 1.0])
    direction = vectors[:, 1]
    return direction * np.sign(direction[np.argmax(np.abs(direction))])


def _view(
    title: str, clip: Clip, places: Sequence[NDArray], times: NDArray[np.int64], camera: NDArray | None, floor: bool
) -> dict[str, Any] | None:
    everything = np.concatenate([place.reshape(-1, 2) for place in places])
    everything = everything[np.isfinite(everything).all(-1)]
    if not len(everything):
        return None
    low, high = everything.min(0) - 0.3, everything.max(0) + 0.3
    if floor:
        low[1], high[1] = min(low[1], -2.0), max(high[1], 0.2)
    if camera is not None and np.linalg.norm(camera - everything.mean(0)) < 12:
        low, high = np.minimum(low, camera - 0.3), np.maximum(high, camera + 0.3)
    else:
        camera = None
    tracks = []
    for index, place in enumerate(places):
        rows = clip.rows[index]
        figures = tuple(_figure(place[rows[t]]) for t in times if rows[t] >= 0)
        step = max(1, -(-len(place) // CORNERS))
        tracks.append(Track(css(color_of(index)), name_of(clip.people[index]), _polyline(place[::step, 0]), figures))
    size = high - low
    grid = [int(v) for v in np.arange(np.ceil(low[0]), np.floor(high[0]) + 1)] if size[0] < 60 else []
    rows = [int(v) for v in np.arange(np.ceil(low[1]), np.floor(high[1]) + 1)] if size[1] < 60 and not floor else []
    return {
        "title": title, "box": " ".join(f"{v:.2f}" for v in (*low, *size)), "low": low, "high": high, "tracks": tracks,
        "columns": grid, "lines": rows, "floor": floor, "width": f"{max(0.004 * float(size.max()), 0.01):.4f}",
        "camera": None if camera is None else (round(float(camera[0]), 2), round(float(camera[1]), 2)),
        "span": f"{number(float(size[0]))} × {number(float(size[1]))} m",
    }  # fmt: skip


def _polyline(points: NDArray) -> str:
    return " ".join(f"{x:.2f},{y:.2f}" for x, y in points[np.isfinite(points).all(-1)])


def _figure(joints: NDArray) -> str:
    """A stick figure as an SVG path; empty for one that is not finite."""
    if not np.isfinite(joints).all():
        return ""
    points = [f"{x:.2f},{y:.2f}" for x, y in joints]
    return "".join(f"M{points[parent]}L{points[joint]}" for joint, parent in enumerate(SMPL_PARENTS) if parent >= 0)
