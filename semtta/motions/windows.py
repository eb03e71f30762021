"""Random windows of labelled motion, with mirroring and speed changes, and ways to spoil them."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from ..constants import mirrored as mirror_map
from ..geometry import axis_angle_to_matrix, matrix_from_6d, matrix_to_6d
from ..priors.text import mirrored
from ..types import TensorFields
from .mocap import MotionClip

#: Styles that no training run sees: the ``val-style`` part.
HELD_OUT_STYLES = ("masculine", "exhausted")

LEGS = (1, 2, 4, 5, 7, 8, 10, 11)
LEFT_ARM, RIGHT_ARM = (16, 18, 20, 22), (17, 19, 21, 23)
#: Groups of rotations that are hidden or spoilt together.
PART_GROUPS: dict[str, tuple[int, ...]] = {
    "legs": LEGS,
    "left leg": (1, 4, 7, 10),
    "right leg": (2, 5, 8, 11),
    "shanks": (4, 5, 7, 8, 10, 11),
    "left arm": LEFT_ARM,
    "right arm": RIGHT_ARM,
    "arms": (*LEFT_ARM, *RIGHT_ARM),
    "forearms": (18, 19, 20, 21, 22, 23),
    "left side": (1, 4, 7, 10, *LEFT_ARM),
    "right side": (2, 5, 8, 11, *RIGHT_ARM),
    "upper body": (3, 6, 9, 12, 13, 14, 15, *LEFT_ARM, *RIGHT_ARM),
    "limbs": (*LEGS, *LEFT_ARM, *RIGHT_ARM),
}


def held_out(clip: MotionClip) -> bool:
    """Whether the clip is of a style kept out of training."""
    return clip.style in HELD_OUT_STYLES


def all_labels(clips: Sequence[MotionClip]) -> list[str]:
    """Content labels of the clips and of their mirror images, sorted."""
    found = {clip.content for clip in clips}
    return sorted(found | {mirrored(label) for label in found})


def smooth6(six: Tensor) -> Tensor:
    """[..., 24, 6] columns, not quite orthonormal -> matrices [..., 24, 3, 3]."""
    return matrix_from_6d(six, "columns")


@dataclass(frozen=True)
class Batch(TensorFields):
    """Windows of motion; rotation 0 is global, y up, facing +z in the first frame."""

    rotations: Tensor  # [B, T, 24, 3, 3]
    mask: Tensor  # [B, T] True = real frame
    label: Tensor  # [B] index into the sampler's labels


class WindowSampler:
    """Draws windows from clips, contents balanced by the square root of their length.

    ``augment`` mirrors half of the windows (labels too), changes the speed by factors of the range ``speeds``, and ends
    the share ``cut`` of the windows early (at 20 frames or later), so that a short clip's padding tells nothing.
    """

    def __init__(
        self,
        clips: Sequence[MotionClip],
        labels: Sequence[str],
        length: int = 60,
        augment: bool = True,
        speeds: tuple[float, float] = (0.75, 1.25),
        cut: float = 0.0,
    ) -> None:
        self.labels, self.length, self.augment, self.speeds, self.cut = list(labels), length, augment, speeds, cut
        lengths = torch.tensor([len(clip) for clip in clips])
        self.starts, self.lengths = lengths.cumsum(0) - lengths, lengths
        frames = torch.from_numpy(np.concatenate([clip.axis_angle for clip in clips])).unflatten(-1, (24, 3))
        self.six = torch.cat([matrix_to_6d(axis_angle_to_matrix(part), "columns") for part in frames.split(8192)])
        self.content = torch.tensor([self.labels.index(clip.content) for clip in clips])
        self.mirror_label = torch.tensor([self.labels.index(mirrored(label)) for label in self.labels])
        total = torch.zeros(len(self.labels)).index_add(0, self.content, lengths.float())
        self.weight = lengths / total[self.content].sqrt()
        self.mirror_joint = torch.tensor(mirror_map("smpl24"))
        self.mean_six = mean_pose(self)

    def sample(self, batch: int, generator: torch.Generator) -> Batch:
        """A random batch; the same generator state gives the same batch."""
        clip = torch.multinomial(self.weight, batch, replacement=True, generator=generator)
        chance = torch.rand(batch, 3, generator=generator)
        slowest, fastest = self.speeds
        speed = slowest + (fastest - slowest) * chance[:, 0] if self.augment else torch.ones(batch)
        flip = (chance[:, 1] < 0.5) & self.augment
        room = (self.lengths[clip] - 1 - (self.length - 1) * speed).clamp(min=0)
        drawn = self._take(clip, chance[:, 2] * room, speed, flip)
        if not (self.augment and self.cut):
            return drawn
        last = 20 + (self.length - 20) * torch.rand(batch, generator=generator) / self.cut
        return replace(drawn, mask=drawn.mask & (torch.arange(self.length) < last[:, None]))

    def to(self, device: torch.device | str) -> WindowSampler:
        """The same sampler on another device; there it draws under ``torch.device(device)``, with a generator of the device."""
        moved = copy(self)
        vars(moved).update({name: value.to(device) for name, value in vars(self).items() if isinstance(value, Tensor)})
        return moved

    def subset(self, clips: Tensor) -> WindowSampler:
        """The same sampler on some of its clips (indices)."""
        part = copy(self)
        part.starts, part.lengths, part.content = self.starts[clips], self.lengths[clips], self.content[clips]
        part.weight = self.weight[clips]
        return part

    def every(self, per_clip: int = 1) -> Batch:
        """Evenly spread windows of every clip, as recorded."""
        clip = torch.arange(len(self.lengths)).repeat_interleave(per_clip)
        part = (torch.arange(per_clip) + 0.5).repeat(len(self.lengths)) / per_clip
        room = (self.lengths[clip] - self.length).clamp(min=0)
        ones = torch.ones(len(clip))
        return self._take(clip, (part * room).floor(), ones, torch.zeros(len(clip), dtype=torch.bool))

    def mirrored(self, batch: Batch) -> Batch:
        """The mirror image of a batch, labels too."""
        rotations = face_forward(mirror(batch.rotations, self.mirror_joint))
        return Batch(rotations, batch.mask, self.mirror_label[batch.label])

    def nearest(self, exemplars: Tensor, count: int = 6, step: int = 3) -> Batch:
        """For each label (mirror images too) the ``count`` windows most like its exemplar [N, T, 24, 3, 3], one a clip.

        Likeness is of the local rotations at the same time, so that all of a label's windows have one phase.
        """
        rows: list[tuple[int, int, bool]] = []
        for index, exemplar in enumerate(exemplars):
            found = []
            for flip in (False, True):
                goal = matrix_to_6d((mirror(exemplar, self.mirror_joint) if flip else exemplar)[::5, 1:], "columns")
                content = int(self.mirror_label[index]) if flip else index
                for clip in (self.content == content).nonzero()[:, 0].tolist():
                    last = int(self.lengths[clip]) - 1
                    begin = torch.arange(0, max(last + 1 - self.length, 0) + 1, step)
                    time = (begin[:, None] + torch.arange(0, self.length, 5)).clamp(max=last)
                    apart = (self.six[int(self.starts[clip]) + time][:, :, 1:] - goal).square().mean((1, 2, 3))
                    found.append((float(apart.min()), clip, int(begin[apart.argmin()]), flip))
            rows += [row[1:] for row in sorted(found)[:count]]
        clips, begins, flips = zip(*rows, strict=True)
        return self._take(torch.tensor(clips), torch.tensor(begins).float(), torch.ones(len(rows)), torch.tensor(flips))

    def _take(self, clip: Tensor, start: Tensor, speed: Tensor, flip: Tensor) -> Batch:
        time = start[:, None] + speed[:, None] * torch.arange(self.length)
        last = (self.lengths[clip] - 1)[:, None]
        mask = time <= last
        time = torch.minimum(time, last)
        low = time.floor().long()
        high = torch.minimum(low + 1, last)
        base = self.starts[clip][:, None]
        part = (time - low)[..., None, None]
        rotations = smooth6(self.six[base + low] * (1 - part) + self.six[base + high] * part)
        rotations = torch.where(flip[:, None, None, None, None], mirror(rotations, self.mirror_joint), rotations)
        label = torch.where(flip, self.mirror_label[self.content[clip]], self.content[clip])
        return Batch(face_forward(rotations), mask, label)


def mirror(rotations: Tensor, joints: Tensor) -> Tensor:
    """Left-right mirror image of [..., 24, 3, 3]: reflect x, swap the sides."""
    sign = torch.tensor([-1.0, 1.0, 1.0]).to(rotations)
    return rotations[..., joints, :, :] * (sign[:, None] * sign)


def face_forward(rotations: Tensor) -> Tensor:
    """Turn each window [B, T, 24, 3, 3] about y so that its first frame faces +z."""
    facing = rotations[:, 0, 0, :, 2]
    angle = -torch.atan2(facing[:, 0], facing[:, 2])
    turn = axis_angle_to_matrix(torch.stack((0 * angle, angle, 0 * angle), -1))
    return torch.cat(((turn[:, None] @ rotations[:, :, 0])[:, :, None], rotations[:, :, 1:]), 2)


def group_masks(groups: Sequence[str]) -> Tensor:
    """Named groups -> [G, 24], 1 for joints of the group."""
    return torch.stack([torch.zeros(24).index_fill(0, torch.tensor(PART_GROUPS[name]), 1.0) for name in groups])


def mean_pose(sampler: WindowSampler) -> Tensor:
    """Mean local pose of the sampler's frames: 6D columns [24, 6] of rotation matrices; rotation 0 is the identity."""
    mean = matrix_to_6d(smooth6(sampler.six.mean(0)), "columns")
    mean[0] = torch.tensor([1.0, 0, 0, 0, 1.0, 0])
    return mean


def smooth_noise(shape: Sequence[int], length: int, generator: torch.Generator, knots: int = 7) -> Tensor:
    """Unit-variance noise [B, length, J, 3], linear between ``knots`` random values; ``shape`` is (B, J)."""
    values = torch.randn(shape[0], shape[1] * 3, knots, generator=generator)
    line = torch.nn.functional.interpolate(values, size=length, mode="linear", align_corners=True)
    return line.unflatten(1, (shape[1], 3)).permute(0, 3, 1, 2)


def corrupt(rotations: Tensor, mean_six: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Spoil part groups of windows [B, T, 24, 3, 3] as a pose estimator does that cannot see them.

    A random group is moved by 30 to 100 % towards the mean pose, a frozen frame, a smoothed or time-shifted copy, or
    another clip's motion, and noise is added.

    Returns:
        Spoilt rotations and the joints [B, 24] that were spoilt.
    """
    batch, length = rotations.shape[:2]
    six = matrix_to_6d(rotations, "columns")
    names = list(PART_GROUPS)
    group = group_masks(names)[torch.randint(len(names), (batch,), generator=generator)]
    kind = torch.rand(batch, generator=generator)[:, None, None, None]
    shift = int(torch.randint(8, 30, (1,), generator=generator))
    frame = torch.randint(length, (batch,), generator=generator)
    smoothed = six.flatten(2).mT
    smoothed = torch.nn.functional.avg_pool1d(torch.nn.functional.pad(smoothed, (15, 15), "replicate"), 31, 1)
    bad = mean_six.expand_as(six)
    bad = torch.where(kind < 0.50, six[torch.arange(batch), frame][:, None], bad)
    bad = torch.where(kind < 0.35, smoothed.mT.unflatten(-1, (24, 6)), bad)
    bad = torch.where(kind < 0.25, six.roll(shift, 1), bad)
    bad = torch.where(kind < 0.15, six.roll(1, 0), bad)
    strength = (0.3 + 0.9 * torch.rand(batch, generator=generator)).clamp(max=1)[:, None, None, None]
    noise = 0.08 * torch.rand(batch, 1, 1, 1, generator=generator) * smooth_noise((batch, 24), length, generator)
    spoilt = smooth6(six + strength * (bad - six)) @ axis_angle_to_matrix(noise)
    return torch.where(group[:, None, :, None, None] > 0, spoilt, rotations), group


def restyle(rotations: Tensor, generator: torch.Generator) -> Tensor:
    """Other people's ways of doing the same: half of the windows get another posture and amplitude.

    Every local rotation keeps a constant extra turn (0.1 rad) for the whole window, and its distance from its mean over
    the window changes by -20 to +25 %. Few actors made the motions; without this the networks learn them by heart.
    """
    batch = len(rotations)
    six = matrix_to_6d(rotations[:, :, 1:], "columns")
    middle = six.mean(1, keepdim=True)
    chance = torch.rand(batch, 2, 1, 1, 1, generator=generator)
    chosen = chance[:, 0] < 0.5
    amplitude = torch.where(chosen, 0.8 + 0.45 * chance[:, 1], torch.ones(()))
    posture = 0.1 * chosen * torch.randn(batch, 1, 23, 3, generator=generator)
    local = smooth6(middle + amplitude * (six - middle)) @ axis_angle_to_matrix(posture)
    return torch.cat((rotations[:, :, :1], local), 2)
