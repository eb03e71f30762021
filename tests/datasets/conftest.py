from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from miniature import write_smpl

from semtta.results import AdaptResult
from semtta.types import BodyParams, Camera, Keypoints2D, Video


@pytest.fixture(scope="session")
def smpl_folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("store")
    write_smpl(folder)
    return folder


@pytest.fixture
def smpl_store(smpl_folder: Path, monkeypatch) -> Path:
    """The made-up SMPL bodies, where the user's files are looked for."""
    monkeypatch.setenv("SEMTTA_HOME", str(smpl_folder))
    return smpl_folder


@pytest.fixture(scope="session")
def as_result() -> Callable[..., AdaptResult]:
    """``as_result(video, params, body)``: a result of those parameters."""
    return _as_result


def _as_result(video: Video, params: BodyParams, body: str = "smpl") -> AdaptResult:
    from semtta.body import load

    frames = video.num_frames
    seen = Keypoints2D(torch.zeros(frames, 29, 2), torch.zeros(frames, 29), "smpl29")
    return AdaptResult(
        name=video.name, params=params, joints=load(body).joints(params.rotations, params.betas, params.translation),
        keypoints=seen, history=(), labels=(), camera=Camera(60.0, (32.0, 24.0)), unadapted=params, keypoints_before=seen,
        fps=video.fps, size=video.size, boxes=torch.ones(frames, 3), frame_index=video.frame_index, body=body,
    )  # fmt: skip
