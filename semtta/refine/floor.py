"""One floor under the people of a clip."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor
from torch.nn.functional import normalize

from ..body import Body, Surface
from ..constants import joint_set
from ..geometry import axis_angle_to_matrix
from ..registry import Settings
from ..types import FOOT_POINTS, CameraPath, Result
from .base import register
from .gravity import estimate_up, up_of_pitch
from .ground import Ground, GroundNet, read_ground
from .placing import into_world, moved_path, path_of, told, world_of
from .turning import DRIFT, PASSING, azimuths, drift

#: Of the heights of standing feet, the share that may lie below the floor: it is under the lowest steps, not under the average.
_LOW = 0.3
_RARE = 0.35  # share of the frames in which somebody must stand, for the floor to be under those that stand
#: A foot that stands is lower than this above the floor (metres), or slower than this (metres a second).
NEAR, STILL = 0.1, 0.25
_SEEN = 0.1  # share of the frames in which an ankle must be seen for the feet to count as seen

Component = Annotated[float, Field(ge=-1e6, le=1e6)]


class FloorSettings(Settings):
    """Of ``floor``."""

    up: tuple[Component, Component, Component] | None = Field(
        None, description="where up is in the (first) camera's frame, x right, y down, z forward; by default from the people"
    )
    pitch: float | None = Field(None, ge=-90, le=90, description="degrees that the camera looks down by; instead of up")
    camera: Literal["auto", "still", "turning"] = Field(
        "auto", description="whether a camera without a given path stands still or turns to follow people"
    )

    @model_validator(mode="after")
    def _one_direction(self) -> FloorSettings:
        if self.up is not None and self.pitch is not None:
            raise ValueError("give up or pitch, not both")
        if self.up is not None and max(map(abs, self.up)) < 1e-6:
            raise ValueError("up has no direction: it is 0")
        return self


@dataclass(frozen=True)
class Person:
    """One person in the frame of the reference camera, before there is a world."""

    path: CameraPath
    ground: Ground
    outer: Tensor  # [T, K, 3]
    feet: Tensor  # [T, 4, 3]
    neck: Tensor  # [T, 3]
    stature: float  # metres from the sole to the neck at rest
    seen: Tensor  # [T, 4] bool: whether the ankle of a point is seen


@register("floor", settings=FloorSettings)
@torch.no_grad()
def floor(results: Sequence[Result], body: Body, settings: FloorSettings) -> list[Result]:
    """One gravity and one floor for the people of a clip; sets ``world``.

    Up is where people's poses say, blended with how cameras are held. The floor is under the feet that carry weight. Without a
    given path a camera stands still, or turns on the spot if feet that stand move across its picture. Each shot of a clip has a
    camera and a floor of its own.
    """
    done = list(results)
    for shot in dict.fromkeys(result.shot for result in results):
        rows = [row for row, result in enumerate(results) if result.shot == shot]
        for row, result in zip(rows, _on_one_floor([results[row] for row in rows], body, settings), strict=True):
            done[row] = result
    return done


def _on_one_floor(results: Sequence[Result], body: Body, settings: FloorSettings) -> list[Result]:
    whole = [result for result in results if len(result.joints)]
    if not whole:
        return list(results)
    model, surface = GroundNet.from_checkpoint(), Surface(body)
    start = mean_rotation(torch.cat([path_of(result).rotation for result in whole]))
    people = [_read(result, start, model, surface, body) for result in whole]
    people = [_turned(person, levelling(_up(settings, people))) for person in people]
    notes: list[str] = []
    rest = torch.tensor(surface.heights)
    if settings.camera != "still" and all(result.camera_path is None for result in whole):
        people = _following(people, whole, settings.camera == "turning", notes)
        people = _tilting(people, whole, rest, notes)
    height = _height(people, rest, notes)
    first = into_world(whole[0].joints[:1, :1].cpu().float(), people[0].path[:1])[0, 0]
    origin = torch.stack((first[0], first[1], torch.tensor(height)))
    done = []
    placed = iter(people)
    for result in results:
        if len(result.joints):
            person = next(placed)
            camera = moved_path(person.path, torch.eye(3), origin)
            contacts = person.ground.contacts * grounded(person.feet - origin, result.times)
            result = replace(result, world=world_of(result, camera, contacts))
            for note in notes:
                result = told(result, note)
        done.append(result)
    return done


def grounded(feet: Tensor, times: Tensor) -> Tensor:
    """Whether points [T, 4, 3] can stand: near the floor, or still, as on a step; [T, 4] in [0, 1].

    A pose does not tell a person in the air from one who stands; a height and a speed do.
    """
    low = torch.sigmoid((NEAR - feet[..., 2]) / (0.2 * NEAR))
    if len(feet) < 2:
        return low
    span = times.float().diff().clamp(min=1e-6)[:, None]
    speed = feet.diff(dim=0).norm(dim=-1) / span
    speed = torch.maximum(torch.cat((speed[:1], speed)), torch.cat((speed, speed[-1:])))
    return torch.maximum(low, torch.sigmoid((STILL - speed) / (0.2 * STILL)))


def mean_rotation(rotations: Tensor) -> Tensor:
    """The rotation [3, 3] nearest to the mean of some [T, 3, 3] (chordal)."""
    u, _, v = torch.linalg.svd(rotations.mean(0))
    flip = torch.ones(3)
    flip[2] = torch.det(u @ v).sign()
    return (u * flip) @ v


def _read(result: Result, start: Tensor, model: GroundNet, surface: Surface, body: Body) -> Person:
    """What is known of one person, in a frame with the reference camera's axes."""
    path = moved_path(path_of(result), start, torch.zeros(3))
    params = result.params.to("cpu", torch.float32)
    rotations = torch.cat((path.rotation.mT[:, None] @ params.rotations[:, :1], params.rotations[:, 1:]), 1)
    ground = read_ground(rotations, result.times, model)
    outer, feet = (into_world(points.cpu().float(), path) for points in surface.points(result.params))
    rest = body.rest_joints(params.betas[:1].to(body.v_template)).cpu().float()[0]
    neck = into_world(result.joints[:, 12].cpu().float(), path)
    return Person(path, ground, outer, feet, neck, float(rest[12, 1] - rest[[10, 11], 1].mean()) + 0.03, seen_feet(result))


def seen_feet(result: Result) -> Tensor:
    """Whether the ankle of each point of FOOT_POINTS is seen [T, 4]."""
    names, known = joint_set(result.keypoints_before.joint_set), result.keypoints_before.confidence.cpu()
    sides = [f"{name[0]}_Ankle" for name in FOOT_POINTS]
    if any(side not in names for side in sides) or len(known) != len(result.joints):
        return torch.ones(len(result.joints), 4, dtype=torch.bool)
    return known[:, [names.index(side) for side in sides]] > 0


def _up(settings: FloorSettings, people: Sequence[Person]) -> Tensor:
    """Up [3] in the axes of the reference camera."""
    if settings.up is not None:
        return normalize(torch.tensor(settings.up), dim=-1)
    if settings.pitch is not None:
        return up_of_pitch(settings.pitch)
    return estimate_up([(person.ground.up, person.ground.spread) for person in people])


def levelling(up: Tensor) -> Tensor:
    """Rotation [3, 3] from the reference camera's axes to those of the world: z up, y ahead of the camera, x to its right."""
    ahead = torch.tensor([0.0, 0.0, 1.0]) if up[2].abs() < 0.99 else torch.tensor([0.0, -1.0, 0.0]) * -up[2].sign()
    ahead = normalize(ahead - (ahead @ up) * up, dim=-1)
    return torch.stack((torch.linalg.cross(ahead, up), ahead, up))


def _turned(person: Person, turn: Tensor) -> Person:
    """A person after the world was turned by [3, 3], or by [T, 3, 3]."""
    path = moved_path(person.path, turn, torch.zeros(3))
    each = turn.expand(len(person.neck), 3, 3)
    ground = replace(person.ground, up=(each @ person.ground.up[..., None])[..., 0])
    return replace(
        person, path=path, ground=ground, outer=person.outer @ each.mT, feet=person.feet @ each.mT,
        neck=(each @ person.neck[..., None])[..., 0],
    )  # fmt: skip


def _following(people: list[Person], results: Sequence[Result], always: bool, notes: list[str]) -> list[Person]:
    """The people after the camera's panning was taken back, if it pans."""
    rows = [
        (person.feet[..., :2], person.ground.contacts * person.seen, result.times.float(), result.frame_index.cpu())
        for person, result in zip(people, results, strict=True)
    ]
    frames, turned, passing = azimuths(rows)
    if not always and passing < PASSING:
        return people
    notes.append(
        f"The camera is taken to pan with the people: feet that stand pass across its picture at {passing:.1f} m/s. "
        "If it stood still, set refiners.floor.camera=still; if its path is known, give it."
    )
    done = []
    for person, result in zip(people, results, strict=True):
        back = -turned[torch.searchsorted(frames, result.frame_index.cpu())]
        done.append(_turned(person, axis_angle_to_matrix(torch.stack((0 * back, 0 * back, back), -1))))
    return done


def _tilting(people: list[Person], results: Sequence[Result], rest: Tensor, notes: list[str]) -> list[Person]:
    """The people after the camera's tilting was taken back, if no floor fits without that; then no foot counts as standing."""
    ahead = [person.neck[:, 1:2].clamp(min=1.0) for person in people]
    standing = [_standing(person, rest, seen=False) for person in people]  # also of feet below the picture
    slopes = [heights / far for heights, far in zip(standing, ahead, strict=True)]
    alone = [drift([slope], [result])[0] for slope, result in zip(slopes, results, strict=True)]
    spread = [float((one.quantile(0.9) - one.quantile(0.1)) * far.median()) for one, far in zip(alone, ahead, strict=True)]
    if min(spread) < DRIFT:  # a camera that tilts does so for everybody
        return people
    notes.append(
        f"No floor fits a camera that is level all the time: the heights of standing feet drift by {min(spread):.1f} m. It is "
        "taken to tilt. On stairs set refiners.floor.camera=still; if its path is known, give it (--camera)."
    )
    done = []
    for person, angle in zip(people, drift(slopes, results), strict=True):
        person = replace(person, ground=replace(person.ground, contacts=0 * person.ground.contacts))
        done.append(_turned(person, axis_angle_to_matrix(torch.stack((-angle, 0 * angle, 0 * angle), -1))))
    return done


def _height(people: Sequence[Person], rest: Tensor, notes: list[str]) -> float:
    """The floor's height: under the feet that carry weight, else under what is lowest, else a body's height below the neck."""
    seen = [person for person in people if person.seen.float().mean() >= _SEEN]
    if not seen:
        notes.append("No feet are seen: where the floor is, is guessed from the height of the body.")
        return min(float((person.neck[:, 2] - person.stature).median()) for person in people)
    stands = [_standing(person, rest) for person in seen]
    standing = torch.cat([heights[~heights.isnan()] for heights in stands])
    lowest = [person.outer[..., 2].amin(1) for person in seen]
    if torch.cat([(~heights.isnan()).any(1) for heights in stands]).float().mean() < _RARE:
        return min(float(height.quantile(_LOW)) for height in lowest)
    return min(float(standing.quantile(_LOW)), *(float(height.median()) for height in lowest))


def _standing(person: Person, rest: Tensor, seen: bool = True) -> Tensor:
    """Heights [T, 4] of the points that stand, and are seen, over those of a foot flat on the floor; NaN for the others."""
    stands = person.ground.contacts > 0.5
    return (person.feet[..., 2] - rest).masked_fill(~(stands & person.seen if seen else stands), torch.nan)
