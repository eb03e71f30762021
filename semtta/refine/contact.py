"""Feet that stand, stand still."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from pydantic import Field
from scipy.ndimage import gaussian_filter1d, maximum_filter1d
from torch import Tensor

from ..body import Body, Surface
from ..geometry import axis_angle_to_matrix, project_to_image
from ..registry import Settings
from ..types import FOOT_POINTS, BodyParams, Result, World
from .base import moved, register
from .floor import FloorSettings, floor, seen_feet
from .legs import Leg, reach
from .placing import into_world, world_of
from .smooth import Array, blend, shift_root
from .turning import runs

#: A foot that stands further than this from the floor (metres) stands on something else, or the floor is wrong: it is left alone.
_STEP = 0.12
#: Seconds: contacts that are nearer to one another are one, and shorter ones are none.
_GAP_S, _SHORT_S = 0.07, 0.1
_DEPTH = 0.15  # metres: standard deviation of what the picture leaves open of depth
_STANDING, _ROOT_ACCELERATION, _LEG_ACCELERATION = 0.01, 2.0, 4.0  # metres, m/s^2, m/s^2
_SOLE = 0.005  # metres that a point may lie below the floor
_LEG = 0.02  # metres that a leg lifts its foot out of the floor


class ContactSettings(Settings):
    """Of ``contact``."""

    threshold: float = Field(0.5, gt=0, lt=1, description="how sure a contact must be")
    picture: float = Field(
        0.006, gt=0, le=1, description="how far a seen foot may move in the picture, as a share of the person's box"
    )  # fmt: skip
    reach: float = Field(0.1, gt=0, le=2, description="how far a foot may move at all, metres")
    strain: float = Field(
        0.02, gt=0, le=1, description="how far the joints may move in the picture, mean over the clip, as a share of the box of "
        "the person; where holding the feet takes more, floor or contacts do not fit, and they are left as they are"
    )  # fmt: skip


@register("contact", settings=ContactSettings)
@torch.no_grad()
def contact(results: Sequence[Result], body: Body, settings: ContactSettings) -> list[Result]:
    """Feet keep their place while they carry weight, and nothing goes through the floor; changes the pose, and ``world``.

    First the whole body moves, smoothly, and mostly where the picture does not decide: in depth. Then the legs reach for what is
    left. A foot that is seen moves only as far in the picture as a detector errs.
    """
    if any(result.world is None and len(result.joints) for result in results):
        results = floor(results, body, FloorSettings())
    surface = Surface(body)
    return [_held(result, body, surface, settings) if _firm(result) else result for result in results]


def _held(result: Result, body: Body, surface: Surface, settings: ContactSettings) -> Result:
    """The result with feet that keep their place, or as it was if that would take the body off the picture."""
    locked = _locked(result, body, surface, settings)
    moved_by = picture_motion(result, locked)
    if moved_by <= settings.strain:
        return locked
    message = (
        f"Feet are not held in place: that would move the body by {100 * moved_by:.1f} % of its size in the picture, so floor or "
        "contacts do not fit it (refiners.contact.strain)."
    )
    return replace(result, messages=(*result.messages, message))


def picture_motion(before: Result, after: Result) -> float:
    """How far the joints of one result are from those of another in the picture, mean over the clip, as a share of its boxes."""
    focal, center = before.camera.focal_px, before.camera.center_px
    points = [project_to_image(result.joints.cpu().float(), focal, center) for result in (before, after)]
    distance = (points[1] - points[0]).norm(dim=-1).mean(-1) / before.boxes[:, 2].cpu().float()
    finite = distance.isfinite()
    return float(distance[finite].mean()) if finite.any() else 0.0


def _firm(result: Result) -> bool:
    """Whether there is a floor to stand on; where it is a guess frame by frame, ``floor`` says that no foot stands at all."""
    return result.world is not None and bool((result.world.contacts > 0).any())


@dataclass
class _State:
    """One person in the world while it is being changed."""

    result: Result
    world: World
    body: Body
    surface: Surface

    def look(self) -> tuple[Tensor, Tensor]:
        """Outermost points [T, K, 3] and foot points [T, 4, 3] in the world."""
        outer, feet = self.surface.points(self.world.params)
        return outer.cpu().float(), feet.cpu().float()

    def set(self, rotations: Tensor | None = None, shift: Tensor | None = None) -> None:
        """Other rotations [T, 24, 3, 3] into the world, a shift [T, 3] of the body, or both."""
        params = self.world.params
        rotations = params.rotations if rotations is None else rotations
        assert params.translation is not None
        translation = params.translation if shift is None else params.translation + shift
        params = BodyParams(rotations, params.betas, translation)
        on_body = params.to(self.body.v_template)
        joints = self.body.joints(on_body.rotations, on_body.betas, on_body.translation).cpu().float()
        self.world = replace(self.world, params=params, joints=joints)


def _locked(result: Result, body: Body, surface: Surface, settings: ContactSettings) -> Result:
    assert result.world is not None
    state = _State(result, result.world, body, surface)
    times = result.times.numpy()
    seen = seen_feet(result)
    _, feet = state.look()
    spans = [
        (point, start, stop)
        for point, start, stop in contact_runs(result.world.contacts, result.times, settings.threshold)
        if abs(float(feet[start:stop, point, 2].median()) - surface.heights[point]) < _STEP
    ]
    sure = np.zeros((len(times), len(FOOT_POINTS)))
    for point, start, stop in spans:
        sure[start:stop, point] = result.world.contacts[start:stop, point].clamp(min=0.5).numpy()
    levels = np.array([surface.heights[point] for point, _, _ in spans])

    _flatten_feet(state, sure, times)
    _, feet = state.look()
    shift, _ = shift_root(
        feet.double().numpy(), spans, sure, levels, _hold(result, state.world, settings.picture), times, 0.02, _ROOT_ACCELERATION
    )
    state.set(shift=torch.from_numpy(shift).float())
    _lift_body(state, times)
    _plant_feet(state, spans, sure, levels, times, seen, settings)
    return _finished(state)


def contact_runs(contacts: Tensor, times: Tensor, threshold: float) -> list[tuple[int, int, int]]:
    """Contacts as (point, first frame, last frame exclusive): short gaps closed, then short contacts left out.

    >>> contact_runs(torch.tensor([[0.9], [0.2], [0.8], [0.1], [0.1], [0.1]]), torch.arange(6) / 30, 0.5)
    [(0, 0, 3)]
    """
    found = []
    for point in range(contacts.shape[1]):
        joined: list[list[int]] = []
        for start, stop in runs(contacts[:, point] >= threshold):
            if joined and float(times[start] - times[joined[-1][1] - 1]) <= _GAP_S + 1e-6:
                joined[-1][1] = stop
            else:
                joined.append([start, stop])
        alone = len(times) == 1
        found += [(point, a, b) for a, b in joined if alone or _lasts(times, a, b)]
    return found


def _lasts(times: Tensor, start: int, stop: int) -> bool:
    """Whether a contact is long enough; its last frame lasts as long as the one before."""
    step = float(times[-1] - times[0]) / max(1, len(times) - 1)
    return float(times[stop - 1] - times[start]) + step >= _SHORT_S - 1e-6


def _hold(result: Result, world: World, share: float) -> Array:
    """One over the variance of what the picture lets a body move by, [T, 3, 3] in the world: tight across, loose in depth."""
    ray = torch.nn.functional.normalize(world.joints[:, 0] - _eye(world), dim=-1).double()
    across = (_metres_per_pixel(result) * share * result.boxes[:, 2].cpu()).double().clamp(min=1e-3)
    along = ray[:, :, None] * ray[:, None, :]
    flat = torch.eye(3, dtype=torch.float64) - along
    return (flat / across[:, None, None].square() + along / _DEPTH**2).numpy()


def _eye(world: World) -> Tensor:
    """Where the camera is in the world [T, 3]."""
    return into_world(torch.zeros(len(world.joints), 3), world.camera)


def _metres_per_pixel(result: Result) -> Tensor:
    """At the person's depth [T]."""
    return result.joints[:, 0, 2].cpu().float().abs() / result.camera.focal_px


def _flatten_feet(state: _State, sure: Array, times: Array) -> None:
    """Feet that stand on heel and toes lie flat: turned about the ankle."""
    _, feet = state.look()
    rotations, joints = state.world.params.rotations, state.world.joints
    for side, first in (("L", 0), ("R", 2)):
        both = np.minimum(sure[:, first], sure[:, first + 1])
        sole = feet[:, first + 1] - feet[:, first]
        flat = sole * torch.tensor([1.0, 1.0, 0.0])
        axis = torch.linalg.cross(sole, flat)
        angle = torch.atan2(axis.norm(dim=-1), (sole * flat).sum(-1)).clamp(max=0.5)
        turn = torch.nn.functional.normalize(axis, dim=-1) * angle[:, None]
        smooth = blend(turn.double().numpy(), both / 0.03**2, times, 20.0, 0.3)
        leg = Leg.of(side)
        rotations = reach(rotations, joints, leg, joints[:, leg.ankle], axis_angle_to_matrix(torch.from_numpy(smooth).float()))
    state.set(rotations)


def _lift_body(state: _State, times: Array) -> None:
    """Raise a body of which anything is below the floor, a foot by more than its leg will lift it."""
    heights, feet = state.look()[0][..., 2], state.surface.of_feet.cpu()
    low = torch.minimum(heights.masked_fill(feet, torch.inf).amin(1), heights.amin(1) + _LEG)
    rise = _envelope(_missing(low), times)
    if rise.any():
        state.set(shift=torch.from_numpy(np.stack((0 * rise, 0 * rise, rise), -1)).float())


def _missing(low: Tensor) -> Array:
    """How far lowest points [T] must be raised; what is far below does not belong to this floor."""
    need = (-_SOLE - low).clamp(min=0)
    return (need * (need < _STEP)).double().numpy()


def _envelope(need: Array, times: Array) -> Array:
    """A smooth curve that is nowhere below what is needed [T]."""
    if not need.any() or len(need) < 2:
        return need
    frames = max(1, round(0.1 / float(np.median(np.diff(times)))))
    wide = maximum_filter1d(need, 4 * frames + 1, mode="nearest")
    return gaussian_filter1d(wide, frames, mode="nearest", truncate=2)  # as wide as the maximum's half window


def _plant_feet(
    state: _State, spans: list[tuple[int, int, int]], sure: Array, levels: Array, times: Array, seen: Tensor,
    settings: ContactSettings,
) -> None:  # fmt: skip
    """The legs reach for where their feet stand, and out of the floor."""
    _, feet = state.look()
    world, result = state.world, state.result
    ray = torch.nn.functional.normalize(world.joints[:, 0] - _eye(world), dim=-1).numpy()
    limit = (_metres_per_pixel(result) * settings.picture * result.boxes[:, 2].cpu()).numpy()
    goals = np.zeros((len(times), len(FOOT_POINTS), 3))
    for (point, start, stop), level in zip(spans, levels, strict=True):
        where, weight = feet[start:stop, point].double().numpy(), sure[start:stop, point, None]
        place = (where * weight).sum(0) / weight.sum()
        place[2] = level
        goals[start:stop, point] = place - where
    moves = []
    for first in (0, 2):
        weight = sure[:, first : first + 2]
        total = weight.sum(1)
        wanted = (goals[:, first : first + 2] * weight[..., None]).sum(1) / np.maximum(total, 1e-9)[:, None]
        wanted = _limited(wanted, ray, np.where(seen[:, first], limit, settings.reach), settings.reach)
        moves.append(blend(wanted, total / 0.002**2, times, _LEG_ACCELERATION, 0.05))
    rotations = world.params.rotations
    for side, move in zip("LR", moves, strict=True):
        leg = Leg.of(side)
        rotations = reach(
            rotations, world.joints, leg, world.joints[:, leg.ankle] + torch.from_numpy(move).float(), _unturned(world)
        )
    state.set(rotations)
    _raise_feet(state, times)


def _unturned(world: World) -> Tensor:
    """No turn of the foot [T, 3, 3]."""
    return torch.eye(3).expand(len(world.joints), 3, 3)


def _raise_feet(state: _State, times: Array) -> None:
    """Feet that are below the floor are lifted out of it."""
    outer, _ = state.look()
    world, rotations = state.world, state.world.params.rotations
    lifted = False
    for side in "LR":
        low = outer[..., 2].masked_fill(~state.surface.of_foot(side).cpu(), torch.inf).amin(1)
        rise = _envelope(_missing(low), times)
        if not rise.any():
            continue
        leg, lifted = Leg.of(side), True
        up = torch.from_numpy(np.stack((0 * rise, 0 * rise, rise), -1)).float()
        rotations = reach(rotations, world.joints, leg, world.joints[:, leg.ankle] + up, _unturned(world))
    if lifted:
        state.set(rotations)


def _limited(moves: Array, ray: Array, across: Array, most: float) -> Array:
    """Moves [T, 3] no longer than ``across`` [T] at right angles to the line of sight [T, 3], and than ``most`` in all."""
    along = (moves * ray).sum(-1, keepdims=True) * ray
    sideways = moves - along
    length = np.linalg.norm(sideways, axis=-1, keepdims=True)
    sideways = sideways * np.minimum(1, across[:, None] / np.maximum(length, 1e-9))
    out = along + sideways
    length = np.linalg.norm(out, axis=-1, keepdims=True)
    return out * np.minimum(1, most / np.maximum(length, 1e-9))


def _finished(state: _State) -> Result:
    """The result with the changed motion, in the camera's frame and in the world."""
    world, params, before = state.world, state.result.params, state.result
    local = world.params.rotations
    camera = world.camera
    rotations = params.rotations.clone()
    rotations[:, 1:] = local[:, 1:].to(rotations)
    pelvis = (camera.rotation @ world.joints[:, 0, :, None])[..., 0] + camera.translation
    rest = before.joints[:, 0].cpu().float()
    if params.translation is not None:
        rest = rest - params.translation.cpu().float()
    translation = (pelvis - rest).to(rotations)
    after = moved(before, replace(params, rotations=rotations, translation=translation), state.body)
    return replace(after, world=world_of(after, camera, world.contacts))
