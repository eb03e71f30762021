"""Ten minutes of video in the memory of a small machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

#: Ten minutes at 30 frames a second. Two epochs hold what twenty do, and segments of stride 60 make a fifth of the steps.
RUN = """
import json, resource
import numpy as np, torch
import semtta
from semtta.runs.demo import CLIP
from semtta.types import Keypoints2D, Video

frames = 18_000
with np.load(CLIP / "keypoints.npz") as data:
    points = torch.from_numpy(data["keypoints"]).float()
order = torch.arange(frames) % (2 * len(points) - 2)
points = points[torch.where(order < len(points), order, 2 * len(points) - 2 - order)]  # forwards, backwards ...
xy = points[..., :2] + torch.randn(frames, 25, 2, generator=torch.Generator().manual_seed(0))
keypoints = Keypoints2D(xy.where(points[..., 2:] > 0, 0), points[..., 2], "body25")
video = Video("long", [], frames, 30.0, (640, 480), keypoints)
settings = {"loop.epochs": 2, "loop.segment_stride": 60, "labeler": "fixed:walking", "evidence.landmarks": "never", "threads": 1}
result = semtta.adapt(video, settings=settings)
print(json.dumps({"megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3, "frames": len(result.joints)}))
"""


@pytest.mark.slow
@pytest.mark.skipif("SEMTTA_LONG" not in os.environ, reason="two minutes of one core: SEMTTA_LONG=1 runs it")
@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in kilobytes there")
def test_ten_minutes_need_at_most_four_gigabytes():
    done = subprocess.run([sys.executable, "-c", RUN], capture_output=True, text=True, timeout=3000)
    assert done.returncode == 0, done.stderr[-2000:]
    used = json.loads(done.stdout.splitlines()[-1])
    assert used["frames"] == 18_000
    assert used["megabytes"] < 4000
