import numpy as np
import pytest
import torch

from semtta.errors import SemttaError
from semtta.generators import MotionGPTGenerator, generators
from semtta.generators.motiongpt import MotionGPTSettings
from semtta.geometry import axis_angle_to_matrix
from semtta.geometry.kinematics import pelvis_frame_positions


def squat(frames: int = 40) -> torch.Tensor:
    """Rotations [T, 24, 3, 3] at 20 fps: hips and knees bend to 1 and 2 radians and straighten again."""
    depth = (1 - torch.cos(torch.arange(frames) * (2 * torch.pi / (frames - 1)))) / 2
    pose = torch.zeros(frames, 24, 3)
    pose[:, [1, 2], 0], pose[:, [4, 5], 0] = -depth[:, None], 2 * depth[:, None]
    return axis_angle_to_matrix(pose)


@pytest.fixture
def folder(tmp_path):
    joints = pelvis_frame_positions(squat())[:, :22].numpy()
    np.save(tmp_path / "deep_squat.npy", joints)
    np.save(tmp_path / "deep_squat_1.npy", joints[:20])
    np.save(tmp_path / "walking.npy", joints[None])
    return tmp_path


def test_files_become_rotations_at_30_fps(folder):
    generator = generators.create("motiongpt", MotionGPTSettings(source=str(folder)))
    assert generator.labels == ("deep squat", "walking")
    made = generator.generate("deep squat", 59)
    # 40 frames at 20 fps last 1.95 s: round(39 * 1.5) + 1 = 59 frames at 30.
    assert made.shape == (59, 24, 3, 3)
    assert pelvis_frame_positions(made)[29, 7, 1] > pelvis_frame_positions(made)[0, 7, 1] + 0.2  # the ankles come up
    torch.testing.assert_close(made[-1], squat()[-1], atol=2e-2, rtol=0)
    longer = generator.generate("walking", 70)
    assert torch.equal(longer[59:], longer[:11])  # repeated


def test_bad_files_and_labels(folder, tmp_path_factory):
    generator = MotionGPTGenerator(folder)
    with pytest.raises(SemttaError, match=r"Unknown generated motion 'deep squats'\. Did you mean 'deep squat'"):
        generator.generate("deep squats", 10)
    with pytest.raises(SemttaError, match="No joint files"):
        MotionGPTGenerator(tmp_path_factory.mktemp("empty"))
    with pytest.raises(SemttaError, match=r"generator\.source=FOLDER"):
        generators.create("motiongpt")
    np.save(folder / "rotations.npy", np.zeros((10, 24, 6)))
    with pytest.raises(SemttaError, match=r"\(N, 22, 3\)"):
        MotionGPTGenerator(folder).generate("rotations", 10)
    np.save(folder / "broken.npy", np.full((10, 22, 3), np.nan))
    with pytest.raises(SemttaError, match="not finite"):
        MotionGPTGenerator(folder).generate("broken", 10)
    (folder / "text.npy").write_text("hello")
    with pytest.raises(SemttaError, match="not a file of joints"):
        MotionGPTGenerator(folder).generate("text", 10)
