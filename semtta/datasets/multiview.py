"""``multiview``: your own recording by several calibrated cameras, with joints triangulated from 2D as the ground truth.

The folder holds a calibration (Pose2Sim's ``Calib*.toml`` or a Qualisys ``*.qca.txt``), the videos, named like the cameras, and
2D keypoints of each (``cam01_keypoints.npz``, ``pose/cam01_json`` ...); the layout of a Pose2Sim project will do. The videos
start and end together. docs/datasets.md describes it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from ..errors import unknown_name
from ..types import EvaluationProtocol, GroundTruth, SegmentLabel, Video
from . import protocols
from .base import Finding, missing_dataset, register
from .multiview_recording import Recording, calibration_file, find_files, read_recording


@dataclass(frozen=True)
class MultiView:
    """One track per camera with a video and person, called ``CAMERA_personN``; person 0 is seen most often."""

    root: Path
    protocol: EvaluationProtocol
    name: str = "multiview"

    def tracks(self) -> list[str]:
        """The names of the tracks. Reads the recording: people must be matched across views to be counted."""
        return sorted(self._places(read_recording(self.root)))

    def load(self, track: str) -> Video:
        """One person seen by one camera: its keypoints there, and the triangulated joints in that camera's frame."""
        recording = read_recording(self.root)
        places = self._places(recording)
        if track not in places:
            raise unknown_name("track", track, places)
        view, person = places[track]
        files, video = recording.views[view], recording.videos[view]
        assert video is not None
        keypoints, valid = recording.keypoints[view][person], recording.valid[person]
        joints = files.view.to_camera(recording.joints[person])
        joints[~valid] = 0.0  # not counted, but NaN could not be aligned
        count = len(joints)
        label = self._label(person)
        return Video(
            name=track,
            frames=video,
            num_frames=count,
            fps=video.fps,
            size=video.size,
            keypoints=keypoints,
            labels=(SegmentLabel(0, count, label, source="given"),) if label else (),
            frame_index=torch.arange(count),
            ground_truth=GroundTruth(
                torch.from_numpy(joints).float(), self.protocol.joint_set, valid=torch.from_numpy(valid),
                protocol=self.protocol, camera=files.view.camera,
            ),
            source=str(files.video),
            messages=(*video.messages, *recording.messages),
            people=len(recording.joints),
            person=person,
            keypoints_source=str(files.keypoints or "BlazePose"),
        )  # fmt: skip

    def check(self) -> list[Finding]:
        """What each camera has, without reading any of it."""
        files = find_files(self.root)
        without = "without a video a camera helps to triangulate only"
        return [
            Finding(f"cameras in {calibration_file(self.root)}", len(files), None),
            Finding("cameras with a video", sum(item.video is not None for item in files), len(files), without),
            Finding("cameras with keypoints", sum(item.keypoints is not None for item in files), len(files),
                    "BlazePose finds the people in each of the others"),
        ]  # fmt: skip

    def _places(self, recording: Recording) -> dict[str, tuple[int, int]]:
        """Track -> numbers of the view and of the person."""
        return {
            f"{item.view.name}_person{person}": (view, person)
            for view, item in enumerate(recording.views)
            if item.video is not None
            for person, keypoints in enumerate(recording.keypoints[view])
            if bool((keypoints.confidence > 0).any()) and bool(np.any(recording.valid[person]))
        }

    def _label(self, person: int) -> str | None:
        """What a person does: line ``person`` of ``labels.txt``, or its only line; None if there is none."""
        path = self.root / "labels.txt"
        lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
        line = lines[0] if len(lines) == 1 else lines[person] if person < len(lines) else ""
        return line.strip() or None


@register("multiview", needs=("protocol",))
def multiview(root: str | Path | None = None, split: str = "test", protocol: str | None = None) -> MultiView:
    """Your own recording by several calibrated cameras; there is one split."""
    if root is None or not Path(root).is_dir() or calibration_file(Path(root)) is None:
        raise missing_dataset("multiview", root, "your own cameras: Calib.toml or .qca.txt, videos, keypoints", "your own files")
    return MultiView(Path(root), protocols.find("multiview", protocol, "multiview"))
