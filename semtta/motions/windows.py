"""Random windows of labelled motion, with mirroring and speed changes, and ways to corrupt them."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from ..constants import mirrored as mirror_map
from ..geometry import axis_angle_to_matrix, matrix_from_6d, matrix_to_6d
from ..priors.text import mirrored_label
from ..types import TensorFields
from .mocap import MotionClip

#: Styles held out of every training run: the ``val-style`` part.
HELD_OUT_STYLES = ("masculine", "exhausted")

LEGS = (1, 2, 4, 5, 7, 8, 10, 11)
LEFT_ARM, RIGHT_ARM = (16, 18, 20, 22), (17, 19, 21, 23)
#: Groups of rotations that are hidden or corrupted together.
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
    """Whether the clip's style is held out of training."""
    return clip.style in HELD_OUT_STYLES


def all_labels(clips: Sequence[MotionClip]) -> list[str]:
    """Content labels of the clips and of their mirror images, sorted."""
    labels = {clip.content for clip in clips}
    return sorted(labels | {mirrored_label(label) for label in labels})


def orthonormalise(six: Tensor) -> Tensor:
    """6D columns [..., 24, 6] that are not quite orthonormal -> rotation matrices [..., 24, 3, 3]."""
    return matrix_from_6d(six, "columns")


@dataclass(frozen=True)
class Batch(TensorFields):
    """Windows of motion, y up; rotation 0 is global and faces +z in the first frame."""

    rotations: Tensor  # [B, T, 24, 3, 3]
    mask: Tensor  # [B, T] True = real frame
    label: Tensor  # [B] index into the sampler's labels


class WindowSampler:
    """Draws windows from clips; each content counts by the square root of its length.

    ``augment`` mirrors half of the windows (labels too), changes the speed by a factor from the range ``speeds``, and ends a
    fraction ``cut`` of the windows early (at 20 frames or later), so that a short clip's padding does not give its label away.
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
        self.mirror_label = torch.tensor([self.labels.index(mirrored_label(label)) for label in self.labels])
        total = torch.zeros(len(self.labels)).index_add(0, self.content, lengths.float())
        self.weight = lengths / total[self.content].sqrt()
        self.mirror_joint = torch.tensor(mirror_map("smpl24"))
        self.mean_six = mean_pose(self)

    def sample(self, batch: int, generator: torch.Generator) -> Batch:
        """A random batch of ``batch`` windows; the same generator state gives the same batch."""
        clip = torch.multinomial(self.weight, batch, replacement=True, generator=generator)
        chance = torch.rand(batch, 3, generator=generator)
        slowest, fastest = self.speeds
        speed = slowest + (fastest - slowest) * chance[:, 0] if self.augment else torch.ones(batch)
        flip = (chance[:, 1] < 0.5) & self.augment
        slack = (self.lengths[clip] - 1 - (self.length - 1) * speed).clamp(min=0)
        windows = self._windows(clip, chance[:, 2] * slack, speed, flip)
        if not (self.augment and self.cut):
            return windows
        last = 20 + (self.length - 20) * torch.rand(batch, generator=generator) / self.cut
        return replace(windows, mask=windows.mask & (torch.arange(self.length) < last[:, None]))

    def to(self, device: torch.device | str) -> WindowSampler:
        """The same sampler on another device; sample there under ``torch.device(device)``, with a generator of that device."""
        moved = copy(self)
        vars(moved).update({name: value.to(device) for name, value in vars(self).items() if isinstance(value, Tensor)})
        return moved

    def subset(self, clips: Tensor) -> WindowSampler:
        """The same sampler restricted to some of its clips (indices)."""
        part = copy(self)
        part.starts, part.lengths, part.content = self.starts[clips], self.lengths[clips], self.content[clips]
        part.weight = self.weight[clips]
        return part

    def every(self, per_clip: int = 1) -> Batch:
        """``per_clip`` evenly spaced windows of every clip, unaugmented."""
        clip = torch.arange(len(self.lengths)).repeat_interleave(per_clip)
        fraction = (torch.arange(per_clip) + 0.5).repeat(len(self.lengths)) / per_clip
        slack = (self.lengths[clip] - self.length).clamp(min=0)
        ones = torch.ones(len(clip))
        return self._windows(clip, (fraction * slack).floor(), ones, torch.zeros(len(clip), dtype=torch.bool))

    def mirrored(self, batch: Batch) -> Batch:
        """The mirror image of a batch, labels included."""
        rotations = face_forward(mirror(batch.rotations, self.mirror_joint))
        return Batch(rotations, batch.mask, self.mirror_label[batch.label])

    def nearest(self, exemplars: Tensor, count: int = 6, step: int = 3) -> Batch:
        """For each label, the ``count`` windows nearest to its exemplar [N, T, 24, 3, 3], one per clip, mirrored ones too.

        The distance compares local rotations at the same time, so all windows of a label have the same phase.
        """
        rows: list[tuple[int, int, bool]] = []
        for index, exemplar in enumerate(exemplars):
            candidates = []
            for flip in (False, True):
                target = matrix_to_6d((mirror(exemplar, self.mirror_joint) if flip else exemplar)[::5, 1:], "columns")
                content = int(self.mirror_label[index]) if flip else index
                for clip in (self.content == content).nonzero()[:, 0].tolist():
                    last = int(self.lengths[clip]) - 1
                    start = torch.arange(0, max(last + 1 - self.length, 0) + 1, step)
                    time = (start[:, None] + torch.arange(0, self.length, 5)).clamp(max=last)
                    distance = (self.six[int(self.starts[clip]) + time][:, :, 1:] - target).square().mean((1, 2, 3))
                    candidates.append((float(distance.min()), clip, int(start[distance.argmin()]), flip))
            rows += [row[1:] for row in sorted(candidates)[:count]]
        clips, starts, flips = zip(*rows, strict=True)
        return self._windows(torch.tensor(clips), torch.tensor(starts).float(), torch.ones(len(rows)), torch.tensor(flips))

    def _windows(self, clip: Tensor, start: Tensor, speed: Tensor, flip: Tensor) -> Batch:
        time = start[:, None] + speed[:, None] * torch.arange(self.length)
        last = (self.lengths[clip] - 1)[:, None]
        mask = time <= last
        time = torch.minimum(time, last)
        low = time.floor().long()
        high = torch.minimum(low + 1, last)
        base = self.starts[clip][:, None]
        fraction = (time - low)[..., None, None]
        rotations = orthonormalise(self.six[base + low] * (1 - fraction) + self.six[base + high] * fraction)
        rotations = torch.where(flip[:, None, None, None, None], mirror(rotations, self.mirror_joint), rotations)
        label = torch.where(flip, self.mirror_label[self.content[clip]], self.content[clip])
        return Batch(face_forward(rotations), mask, label)


def mirror(rotations: Tensor, joints: Tensor) -> Tensor:
    """Left-right mirror image of rotations [..., 24, 3, 3]: reflects x and swaps the sides (``joints``: the permutation)."""
    sign = torch.tensor([-1.0, 1.0, 1.0]).to(rotations)
    return rotations[..., joints, :, :] * (sign[:, None] * sign)


def face_forward(rotations: Tensor) -> Tensor:
    """Rotate each window [B, T, 24, 3, 3] about y so that its first frame faces +z."""
    facing = rotations[:, 0, 0, :, 2]
    angle = -torch.atan2(facing[:, 0], facing[:, 2])
    heading = axis_angle_to_matrix(torch.stack((0 * angle, angle, 0 * angle), -1))
    return torch.cat(((heading[:, None] @ rotations[:, :, 0])[:, :, None], rotations[:, :, 1:]), 2)


def group_masks(groups: Sequence[str]) -> Tensor:
    """Names of groups -> masks [G, 24], 1 for the joints of the group."""
    return torch.stack([torch.zeros(24).index_fill(0, torch.tensor(PART_GROUPS[name]), 1.0) for name in groups])


def mean_pose(sampler: WindowSampler) -> Tensor:
    """Mean local pose over the sampler's frames: 6D columns [24, 6]; rotation 0 is the identity."""
    mean = matrix_to_6d(orthonormalise(sampler.six.mean(0)), "columns")
    mean[0] = torch.tensor([1.0, 0, 0, 0, 1.0, 0])
    return mean


def smooth_noise(shape: Sequence[int], length: int, generator: torch.Generator, knots: int = 7) -> Tensor:
    """Noise [B, length, J, 3], interpolated linearly between ``knots`` unit-variance random values; ``shape`` is (B, J)."""
    values = torch.randn(shape[0], shape[1] * 3, knots, generator=generator)
    line = torch.nn.functional.interpolate(values, size=length, mode="linear", align_corners=True)
    return line.unflatten(1, (shape[1], 3)).permute(0, 3, 1, 2)


def corrupt(rotations: Tensor, mean_six: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Corrupt one part group of each window [B, T, 24, 3, 3], as a pose estimator does when it cannot see that part.

    The group is moved 30 to 100 % of the way to the mean pose, a frozen frame, a smoothed or time-shifted copy, or another
    clip's motion, and noise is added.

    Returns:
        The corrupted rotations, and which joints [B, 24] are corrupted.
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
    target = mean_six.expand_as(six)
    target = torch.where(kind < 0.50, six[torch.arange(batch), frame][:, None], target)
    target = torch.where(kind < 0.35, smoothed.mT.unflatten(-1, (24, 6)), target)
    target = torch.where(kind < 0.25, six.roll(shift, 1), target)
    target = torch.where(kind < 0.15, six.roll(1, 0), target)
    strength = (0.3 + 0.9 * torch.rand(batch, generator=generator)).clamp(max=1)[:, None, None, None]
    noise = 0.08 * torch.rand(batch, 1, 1, 1, generator=generator) * smooth_noise((batch, 24), length, generator)
    corrupted = orthonormalise(six + strength * (target - six)) @ axis_angle_to_matrix(noise)
    return torch.where(group[:, None, :, None, None] > 0, corrupted, rotations), group


def restyle(rotations: Tensor, generator: torch.Generator) -> Tensor:
    """Imitate other people's style: half of the windows get another posture and amplitude.

    Every local rotation gets a constant extra rotation (standard deviation 0.1 rad) for the whole window, and its deviation
    from its mean over the window is scaled by 0.8 to 1.25. The motions come from few actors; without this the networks
    memorise them.
    """
    batch = len(rotations)
    six = matrix_to_6d(rotations[:, :, 1:], "columns")
    mean = six.mean(1, keepdim=True)
    chance = torch.rand(batch, 2, 1, 1, 1, generator=generator)
    chosen = chance[:, 0] < 0.5
    amplitude = torch.where(chosen, 0.8 + 0.45 * chance[:, 1], torch.ones(()))
    posture = 0.1 * chosen * torch.randn(batch, 1, 23, 3, generator=generator)
    local = orthonormalise(mean + amplitude * (six - mean)) @ axis_angle_to_matrix(posture)
    return torch.cat((rotations[:, :, :1], local), 2)
