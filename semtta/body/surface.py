"""The outermost points of a body: what can touch a floor, and the soles of the feet, without posing the whole mesh."""

from __future__ import annotations

import copy
import itertools

import torch
from torch import Tensor

from ..constants import SMPL24
from ..types import FOOT_POINTS, BodyParams
from .base import Body

#: Of a foot's sole: how far above its lowest point at rest (metres), and the share of it that is the heel, or the toes.
_THICK, _END = 0.015, 0.25
_CHUNK = 512  # frames that are posed at once


class Surface:
    """A few hundred vertices of a body: those that lie outermost on each bone, in 26 directions, and those of the soles.

    Works for any body in SMPL's format. A bone that no vertex belongs to most is stood for by nothing, and a foot without
    vertices by its joints.
    """

    def __init__(self, body: Body) -> None:
        template, owner = body.v_template.detach(), body.lbs_weights.argmax(1)
        axes = [axis for axis in itertools.product((-1.0, 0.0, 1.0), repeat=3) if any(axis)]
        directions = torch.nn.functional.normalize(template.new_tensor(axes), dim=-1)
        chosen: set[int] = set()
        for bone in range(len(SMPL24)):
            own = (owner == bone).nonzero()[:, 0]
            if len(own):
                chosen.update(own[(template[own] @ directions.mT).argmax(0)].tolist())
        soles = [self._sole(template, owner, side) for side in "LR"]
        ends = [self._end(template, sole, front) for sole in soles for front in (False, True)]  # in the order of FOOT_POINTS
        chosen.update(index for end in ends for index in end.tolist())
        vertices = sorted(chosen)
        self._body = _reduced(body, torch.tensor(vertices, dtype=torch.long, device=template.device))
        self._means = template.new_zeros(len(FOOT_POINTS), len(vertices))
        for row, end in enumerate(ends):
            self._means[row, [vertices.index(index) for index in end.tolist()]] = 1 / max(1, len(end))
        rest = self._means @ template[vertices]
        lowest = [float(template[sole, 1].amin()) if len(sole) else None for sole in soles]
        #: Heights [4] of the points of FOOT_POINTS over a floor that the sole stands on, at rest.
        self.heights = tuple(
            0.0 if lowest[row // 2] is None else float(rest[row, 1]) - float(lowest[row // 2] or 0.0)
            for row in range(len(FOOT_POINTS))
        )
        feet = {side: torch.tensor([SMPL24.index(f"{side}_{name}") for name in ("Ankle", "Foot")]) for side in "LR"}
        self._owner = owner[vertices].cpu()
        self._sides = {side: torch.isin(self._owner, joints) for side, joints in feet.items()}
        self._bare = [row for row, end in enumerate(ends) if not len(end)]

    @staticmethod
    def _sole(template: Tensor, owner: Tensor, side: str) -> Tensor:
        """Vertices [N] of a foot that are lowest at rest."""
        own = ((owner == SMPL24.index(f"{side}_Ankle")) | (owner == SMPL24.index(f"{side}_Foot"))).nonzero()[:, 0]
        heights = template[own, 1]
        return own[heights < heights.amin() + _THICK] if len(own) else own

    @staticmethod
    def _end(template: Tensor, sole: Tensor, front: bool) -> Tensor:
        """The rear or the front part of a sole."""
        order = template[sole, 2].argsort(descending=front)
        return sole[order[: max(1, round(_END * len(sole)))]]

    def of_foot(self, side: str) -> Tensor:
        """Which of the outermost points belong to the left or the right foot ("L" or "R"): bool [K]."""
        return self._sides[side]

    @property
    def of_feet(self) -> Tensor:
        """Which of the outermost points belong to a foot: bool [K]."""
        return self._sides["L"] | self._sides["R"]

    @torch.no_grad()
    def points(self, params: BodyParams) -> tuple[Tensor, Tensor]:
        """Outermost points [T, K, 3] and the four of FOOT_POINTS on the soles [T, 4, 3]; metres, in the frame of the parameters.

        The points of FOOT_POINTS are the middles of the heel's and of the front part's soles.
        """
        params = params.to(self._means)
        outer = torch.cat([
            self._body.vertices(part.rotations, part.betas, part.translation)
            for part in (params[i : i + _CHUNK] for i in range(0, len(params.rotations), _CHUNK))
        ])  # fmt: skip
        feet = self._means @ outer
        if self._bare:
            joints = self._body.joints(params.rotations, params.betas, params.translation)
            rows = [SMPL24.index(name) for name in FOOT_POINTS]
            feet[:, self._bare] = joints[:, [rows[row] for row in self._bare]]
        return outer, feet


def _reduced(body: Body, vertices: Tensor) -> Body:
    """The body with these vertices only: for ``vertices`` and ``joints``, nothing else."""
    small = copy.copy(body)
    small._buffers = dict(body._buffers)
    for name in ("v_template", "shapedirs", "posedirs", "lbs_weights"):
        value = getattr(body, name)
        small._buffers[name] = None if value is None else value[vertices]
    return small
