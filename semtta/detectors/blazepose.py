"""BlazePose on the CPU: people, each tracked from frame to frame, with the two models of MediaPipe's pose solution.

The detector model finds the person's mid hip and a point that gives the body's size and direction; the landmark model
runs on the rotated square around them and gives 33 landmarks in the picture and in metres, and the two points for the next
frame.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from pydantic import Field

from ..errors import SemttaError, missing_extra
from ..registry import Settings
from ..types import FrameSource, Keypoints2D, Landmarks3D
from .base import register
from .blazepose_models import LandmarkModel, PersonFinder, Pose, to_body25
from .blazepose_people import Followers, joined

Model = Literal["lite", "full", "heavy"]


class BlazePose:
    """A detector of people: BODY_25 joints with BlazePose's visibility as confidence, and its 33 landmarks in metres.

    Visibility is the probability that a joint is not hidden. It is not a heat-map score, and on average higher than OpenPose's.

    Args:
        model: of the landmarks: lite (2.8 MB), full (6.4 MB) or heavy (27.7 MB).
        folder: with ``pose_detection.tflite`` and ``pose_landmark_MODEL.tflite``; by default the user's asset store, into which
            they are downloaded if missing.
        num_threads: of the interpreter.
        people: how many are followed at a time, at most.
    """

    def __init__(self, model: Model = "full", folder: str | Path | None = None, num_threads: int = 2, people: int = 10) -> None:
        self.model, self._folder, self._num_threads, self._people = model, folder, num_threads, people

    def detect(self, frames: FrameSource, size: tuple[int, int]) -> list[Keypoints2D]:
        """Each person's keypoints [T, 25] in pixels, with landmarks [T, 33], the largest and longest seen first.

        An empty list if there is nobody in any frame. ``frames.fps``, where there is one, says how fast people move.
        """
        fps = float(getattr(frames, "fps", 30.0))
        followers = Followers(*self._models(), size, fps, self._people)
        count = followers.run(frames)
        return [self._keypoints(chain, count, size) for chain in joined(followers.tracks, count, fps)]

    def _keypoints(self, poses: Mapping[int, Pose], count: int, size: tuple[int, int]) -> Keypoints2D:
        points, world = np.zeros((count, 33, 3)), np.zeros((count, 33, 3), np.float32)
        for frame, pose in poses.items():
            points[frame], world[frame] = pose.points, pose.world
        points[..., 2] *= ((points[..., :2] >= 0) & (points[..., :2] <= size)).all(-1)  # outside the image it only extrapolates
        source = f"blazepose (MediaPipe {self.model})"
        seen = torch.from_numpy(points[..., 2]).float()
        landmarks = Landmarks3D(torch.from_numpy(world), seen, "blazepose33", source)
        joints = torch.from_numpy(to_body25(points))
        return Keypoints2D(joints[..., :2], joints[..., 2], "body25", source, landmarks)

    def files(self) -> list[str]:
        """The assets that it needs."""
        folder = "blazepose" if self.model == "full" else f"blazepose-{self.model}"
        return ["blazepose/pose_detection.tflite", f"{folder}/pose_landmark_{self.model}.tflite"]

    def is_ready(self) -> bool:
        """Whether it can run without fetching anything."""
        from .. import assets

        here = {row.name for row in assets.rows() if row.path.is_file()}
        return find_spec("ai_edge_litert") is not None and set(self.files()) <= here

    def _models(self) -> tuple[PersonFinder, LandmarkModel]:
        try:
            from ai_edge_litert.interpreter import Interpreter
        except ImportError as error:
            raise missing_extra("The blazepose detector", "blazepose", error) from error
        if self._folder is None:
            from .. import assets

            paths = assets.fetch(*self.files())
        else:
            paths = [Path(self._folder) / Path(name).name for name in self.files()]
        models = []
        with _quiet():
            for path, name in zip(paths, self.files(), strict=True):
                try:
                    models.append(Interpreter(model_path=str(path), num_threads=self._num_threads))
                except ValueError as error:
                    asset = name.split("/")[0]
                    raise SemttaError(f"{path} is missing or not a TFLite model: run 'semtta assets fetch {asset}'.") from error
            return PersonFinder(models[0]), LandmarkModel(models[1])


@contextmanager
def _quiet() -> Iterator[None]:
    """Silences the start-up messages of the interpreter's C++ code, which would break progress bars; errors still raise."""
    try:
        stderr = os.dup(2)
    except OSError:  # there is no stderr
        yield
        return
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
            yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)


class BlazePoseSettings(Settings):
    """Settings of ``blazepose``."""

    model: Model = Field("full", description="of the landmarks; heavy is slower and, seen from the front, better")
    people: int = Field(10, ge=1, le=10, description="how many people are followed at a time, at most")


@register("blazepose", settings=BlazePoseSettings)
def blazepose(settings: BlazePoseSettings) -> BlazePose:
    """BlazePose (MediaPipe): people in 2D and 3D; downloaded once from a public package."""
    return BlazePose(settings.model, people=settings.people)
