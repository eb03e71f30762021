"""``semtta people``."""

import numpy as np
import pytest
from command_line import call
from PIL import Image
from short_clips import write_clip


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clip")
    path = write_clip(folder, 8)
    with np.load(folder / "keypoints.npz") as data:
        one = data["keypoints"]
        joint_set = str(data["joint_set"]) if "joint_set" in data.files else "body25"
    two = np.stack([one, one * (0.5, 0.5, 1.0)], 1)
    two[:4, 1] = 0  # the smaller one comes in half-way
    np.savez(folder / "two.npz", keypoints=two, joint_set=joint_set)
    return path


def test_a_table_and_a_picture(clip, monkeypatch, capsys, tmp_path):
    out = tmp_path / "new" / "everybody.png"
    code, said, err = call(monkeypatch, capsys, "people", clip, "--keypoints", clip.parent / "two.npz", "--out", out)
    assert code == 0, err
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in said.splitlines() if line.startswith("│")]
    assert [row[:4] for row in rows] == [["0", "0.00", "0.27", "8 of 8"], ["1", "0.00", "0.27", "4 of 8"]]
    picture = np.asarray(Image.open(out))
    assert picture.shape == (240, 480, 3)
    assert picture[:, :240].std() > 10
    assert picture[:, 240:].std() > 10


def test_not_a_picture(clip, monkeypatch, capsys, tmp_path):
    out = tmp_path / "people.txt"
    code, _, err = call(monkeypatch, capsys, "people", clip, "--out", out)
    assert (code, out.exists()) == (2, False)
    assert "does not name a picture" in err


def test_nobody_at_all(clip, monkeypatch, capsys, tmp_path):
    np.savez(tmp_path / "none.npz", keypoints=np.zeros((8, 25, 3)))
    code, said, err = call(
        monkeypatch, capsys, "people", clip, "--keypoints", tmp_path / "none.npz", "--out", tmp_path / "people.jpg"
    )
    assert (code, said) == (2, "")
    assert "Nobody is seen in any frame of" in err
    assert not (tmp_path / "people.jpg").exists()
