"""A package from outside, as an installer would leave it: a dataset of pieces of the demo clip, a small estimator with
random weights (so that the tests need no trained ones), a prior, a labeler, a method.

Files in the dataset's folder say what happens when a clip is loaded: ``fail-CLIP`` (an error), ``kill-CLIP`` (the process
is killed, as often as the file has letters), ``slow`` (it waits until the file is gone).
"""

from __future__ import annotations

import os
import signal
import time
from dataclasses import replace
from itertools import islice
from pathlib import Path

import torch
from pydantic import Field

from semtta.data.frames import ArrayFrames
from semtta.datasets import EvaluationProtocol, Finding
from semtta.errors import SemttaError
from semtta.estimators import HMR, HMRConfig, estimators
from semtta.labelers import Labeler
from semtta.methods import methods
from semtta.priors import MotionTextPrior, register
from semtta.priors.dictionary import MotionDictionary
from semtta.registry import Settings
from semtta.runs.demo import demo_video
from semtta.types import SegmentLabel, Video

PIECES = {"walk_a": (0, 12), "walk_b": (4, 14), "walk_c": (10, 18)}


class Pieces:
    """Pieces of the demo clip, of different lengths."""

    name = "pieces"
    protocol = EvaluationProtocol("pieces/all", "smpl24", None, "Pelvis", "smpl24", "neutral", "all frames", "tests")

    def __init__(self, root: str | None = None, split: str = "test") -> None:
        self.root = Path(root) if root else None

    def tracks(self) -> list[str]:
        return sorted(PIECES)

    def load(self, track: str) -> Video:
        self._happen(track)
        start, stop = PIECES[track]
        whole = demo_video()
        frames = list(islice(whole.frames, start, stop))
        part = slice(start, stop)
        truth, count = whole.ground_truth, stop - start
        return replace(
            whole, name=track, frames=ArrayFrames(frames), num_frames=count, keypoints=whole.keypoints[part],
            labels=(SegmentLabel(0, count, "walking" if track != "walk_c" else "running"),), frame_index=torch.arange(count),
            ground_truth=replace(truth[part], params=truth.params[part]),
        )  # fmt: skip

    def check(self) -> list[Finding]:
        return [Finding("pieces", len(PIECES), len(PIECES))]

    def _happen(self, track: str) -> None:
        if self.root is None:
            return
        kill = self.root / f"kill-{track}"
        if kill.exists() and (left := kill.read_text()):
            kill.write_text(left[1:])
            os.kill(os.getpid(), signal.SIGKILL)
        if (self.root / f"fail-{track}").exists():
            raise SemttaError(f"{track} is damaged: fetch it again.")
        while (self.root / "slow").exists():
            time.sleep(0.05)


TINY = HMRConfig(block="basic", depths=(1, 1), widths=(8, 16), stem=8, crop_px=32, hidden=32, dropout=0.0)


class PriorSettings(Settings):
    sigma: float = Field(0.0, ge=-1, le=1, description="similarity above which its motion fills in")


LABELS = ("walking", "running", "jumping", "bowing")


@estimators.register("outside-tiny", suits={"loop.learning_rate": 1e-3, "loop.epochs": 1})
def tiny() -> HMR:
    """Learns fast, and knows nothing."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = HMR(TINY)
        torch.nn.init.normal_(network.decpose.weight, std=0.01)
    network.name = "outside-tiny"
    return network


@register("outside-prior", settings=PriorSettings)
class Prior(MotionTextPrior):
    """Likes it when nothing is turned, whatever the label."""

    name = "outside-prior"
    threshold = 0.0
    dictionary = MotionDictionary(LABELS, torch.eye(4, 384))  # as wide as the sentence encoder
    global_rotation = "predicted"

    def __init__(self, settings: PriorSettings) -> None:
        self.settings = settings

    def encode_motion(self, motion):
        return motion.rotations[:, :, 1:, 0].flatten(2).mean(1)

    def encode_text(self, labels):
        return torch.eye(3)[0].repeat(len(labels), 23)


class Says(Labeler):
    name = "outside-labeler"

    def label(self, video, spans, context):
        return [SegmentLabel(start, stop, "walking", source=self.name) for start, stop in spans]


def method(problem, roles, config, before, on_epoch=None, resume=None):
    return methods.entry("semantic").build(problem, roles, config.changed({"updaters": ()}), before, on_epoch, resume)


ENTRY_POINTS = """
[semtta.datasets]
pieces = outside_semtta:Pieces
[semtta.estimators]
outside-tiny = outside_semtta:tiny
[semtta.priors]
outside-prior = outside_semtta:Prior
[semtta.labelers]
outside-labeler = outside_semtta:Says
[semtta.methods]
outside-method = outside_semtta:method
"""
