"""The camera of a clip, where it is known."""

from __future__ import annotations

from dataclasses import replace

from ..settings import AdaptConfig
from ..types import Camera, Video


def known_camera(video: Video, config: AdaptConfig) -> Camera | None:
    """The clip's camera, if it is known: what came with the video, else the dataset's where the settings want that."""
    if video.camera is not None:
        return video.camera
    truth = video.ground_truth
    if config.evidence.dataset_camera and truth is not None and truth.camera is not None:
        return replace(truth.camera, source=truth.camera.source or "the dataset's")
    return None
