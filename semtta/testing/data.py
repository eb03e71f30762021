"""Conformance tests of parts that read, find, label and write."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch

from ..constants import JOINT_SETS
from ..datasets import Dataset
from ..detectors import Detector
from ..labelers import LabelContext, Labeler
from ..types import FrameSource, Result, Video


def check_labeler(labeler: Labeler, video: Video, context: LabelContext | None = None) -> None:
    """A labeler: one answer for each span, in order, covering just that span."""
    spans = [(0, video.num_frames)]
    found = labeler.label(video, spans, context or LabelContext())
    assert [(item.start, item.stop) for item in found] == spans, "label() must return one SegmentLabel for each span, in order."
    assert all(item.label is None or item.label.strip() for item in found), "an empty label must be None."


def check_dataset(dataset: Dataset) -> None:
    """A dataset: its tracks are sorted, the first one loads with as many frames and labels of time as it says, and is judged."""
    tracks = list(dataset.tracks())
    assert tracks, f"dataset '{dataset.name}' has no tracks."
    assert tracks == sorted(set(tracks)), "tracks() must be sorted, each name once."
    assert all(isinstance(row.what, str) for row in dataset.check()), "check() must give Findings."
    video = dataset.load(tracks[0])
    frames = sum(1 for _ in video.frames)
    assert video.name == tracks[0], f"load('{tracks[0]}') gives a video called '{video.name}': runs would not be found again."
    assert frames == video.num_frames, f"the video says {video.num_frames} frames and has {frames}."
    for what in ("keypoints", "boxes", "frame_index"):
        value = getattr(video, what)
        assert value is None or len(value) == frames, f"{what} are {len(value)} for {frames} frames."
    truth = video.ground_truth
    if truth is not None:
        assert len(truth.joints) == frames, f"the ground truth has {len(truth.joints)} frames, the video {frames}."
        assert torch.isfinite(truth.joints).all(), "the ground truth has NaN: leave such frames out, or say so with an error."


class _Once:
    """Frames that count how often they are read."""

    def __init__(self, frames: FrameSource) -> None:
        self.frames, self.reads = frames, 0

    def __iter__(self) -> Iterator[np.ndarray]:
        self.reads += 1
        return iter(self.frames)


def check_detector(detector: Detector, frames: Sequence[np.ndarray] | None = None) -> None:
    """A detector: people with finite keypoints for every frame, in a known joint set; the frames are read once.

    ``frames``: uint8 RGB [H, W, 3] with people in them; by default noise, in which it may find nobody.
    """
    made = frames is None
    shown = list(np.random.default_rng(0).integers(0, 256, (3, 120, 160, 3), dtype=np.uint8)) if frames is None else frames
    height, width = shown[0].shape[:2]
    source = _Once(shown)
    people = detector.detect(source, (width, height))
    assert source.reads <= 1, f"it reads the frames {source.reads} times: a long video is decoded once."
    assert people or made, "it finds nobody in these frames."
    for person in people:
        assert person.joint_set in JOINT_SETS, f"joint set '{person.joint_set}' is none of {', '.join(JOINT_SETS)}."
        joints = len(JOINT_SETS[person.joint_set])
        assert tuple(person.xy.shape) == (len(shown), joints, 2), (
            f"xy is {list(person.xy.shape)}, not [{len(shown)}, {joints}, 2]."
        )
        assert tuple(person.confidence.shape) == (len(shown), joints), "confidence is not [T, J]."
        seen = person.confidence > 0
        assert ((person.confidence >= 0) & (person.confidence <= 1)).all(), "confidence is not in [0, 1]."
        assert torch.isfinite(person.xy[seen]).all(), "a keypoint of some confidence is not finite."
        assert seen.any(), "a person without a keypoint is none."
        if (found := person.landmarks) is not None:
            shape = (len(shown), len(JOINT_SETS[found.joint_set]), 3)
            assert tuple(found.xyz.shape) == shape, f"landmarks are {list(found.xyz.shape)}, not {list(shape)}."
            assert torch.isfinite(found.xyz[found.confidence > 0]).all(), "a landmark of some confidence is not finite."


def check_exporter(exporter: Callable[..., None], result: Result, path: str | Path) -> None:
    """An exporter: it writes ``path`` with either axis up, over what is there, and leaves the result as it is."""
    path = Path(path)
    rotations, joints = result.params.rotations.clone(), result.joints.clone()
    sizes = []
    for up in ("y", "z"):
        path.write_bytes(b"")
        exporter(result, path, up=up)
        assert path.is_file(), f"nothing is at {path}."
        sizes.append(path.stat().st_size)
        assert sizes[-1], f"{path} is empty."
    same = torch.equal(result.params.rotations, rotations) and torch.equal(result.joints, joints)
    assert same, "an exporter must not change the result."
