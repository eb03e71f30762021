"""Clips whose colour tells the action, and (as a program) the labelling of one, for the test that kills it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from semtta.data import ArrayFrames
from semtta.labelers import LabelContext, labelers
from semtta.labelers.settings import VLMSettings
from semtta.types import SegmentLabel, Video

sys.path.insert(0, __file__.rsplit("/", 1)[0])
from vlm_server import COLORS

SPAN = 4  # frames
SIZE = (96, 72)
FAST = VLMSettings(frames=2, backoff_s=0.02, verify="never", timeout_s=30)


def clip(actions: Sequence[str], name: str = "clip") -> Video:
    """Four frames an action: its colour, and dots that no other span has."""
    frames = []
    for i, action in enumerate(actions):
        picture = np.empty((SIZE[1], SIZE[0], 3), np.uint8)
        picture[:] = COLORS[action]
        for bit in range(8):
            if i >> bit & 1:
                picture[60:68, 8 + 10 * bit : 16 + 10 * bit] = 255
        frames += [picture] * SPAN
    boxes = torch.tensor([48.0, 36.0, 40.0]).expand(len(frames), 3)
    labels = tuple(SegmentLabel(i * SPAN, (i + 1) * SPAN, action) for i, action in enumerate(actions))
    return Video(name, ArrayFrames(frames), len(frames), 30.0, SIZE, boxes=boxes, labels=labels)


def spans(video: Video) -> list[tuple[int, int]]:
    return [(i, i + SPAN) for i in range(0, video.num_frames, SPAN)]


def actions(count: int) -> list[str]:
    names = list(COLORS)
    return [names[i * 7 % len(names)] for i in range(count)]


def settings(base: str, cache: object, **changes: object) -> VLMSettings:
    return FAST.model_copy(update={"api_base": base, "cache_dir": str(cache), **changes})


def context(**more: Any) -> LabelContext:
    return LabelContext(tuple(COLORS), **more)


if __name__ == "__main__":
    video = clip(actions(int(sys.argv[3])))
    chosen = settings(sys.argv[1], sys.argv[2], concurrency=3)
    labelers.create("vlm:hosted_vllm/tiny", chosen).label(video, spans(video), context())
