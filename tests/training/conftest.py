from math import pi

import numpy as np
import pytest

CONTENTS = ("walking", "raising the left hand", "raising the right hand")


@pytest.fixture(scope="module")
def mocap_folder(tmp_path_factory):
    """Tiny motions: swinging legs, a rising left arm, a rising right arm; one style is held out."""
    folder = tmp_path_factory.mktemp("mocap")
    time = np.arange(90)
    clips = []
    for row in range(9):
        pose = np.zeros((90, 24, 3), np.float32)
        phase = np.sin(time * 0.2 + row)
        if row % 3 == 0:
            pose[:, 1, 0], pose[:, 2, 0] = 0.5 * phase, -0.5 * phase
        else:
            pose[:, 16 if row % 3 == 1 else 17, 2] = (1 if row % 3 == 1 else -1) * time / 60
        pose[:, 0, 1] = row
        clips.append(pose.reshape(90, 72))
    for split in ("train", "val"):
        np.savez(
            folder / f"toy_{split}.npz", poses=(np.concatenate(clips) / (4 * pi) * 32767).astype(np.int16),
            pose_scale=4 * pi / 32767, trans=np.zeros((90 * 9, 3), np.float32), fps=30, source="toy",
            start=np.arange(9) * 90, length=np.full(9, 90),
            clip_id=[f"c{i}" for i in range(9)], content=[CONTENTS[i % 3] for i in range(9)],
            style=["masculine" if i > 5 else "normal" for i in range(9)], text=["a person"] * 9,
        )  # fmt: skip
    return folder
