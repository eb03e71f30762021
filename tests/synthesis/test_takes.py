"""Making synthwild: the same twice, goes on where it stopped, leaves nothing half-written."""

from __future__ import annotations

import errno
from dataclasses import replace
from pathlib import Path

import pytest

from semtta.errors import SemttaError
from semtta.synthesis import clips, synthwild
from semtta.synthesis.synthwild import INDEX, build, read_index


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two small takes of a few frames."""

    def load_short(path: Path) -> list:
        motions = synthwild_load(path)
        return [replace(m, axis_angle=m.axis_angle[:4], trans=m.trans[:4]) for m in motions]

    synthwild_load = synthwild.load_file
    monkeypatch.setattr(synthwild, "load_file", load_short)
    monkeypatch.setattr(synthwild, "SIZE", (96, 72))
    monkeypatch.setattr(synthwild, "TAKES", synthwild.TAKES[:2])


def _files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_the_same_twice(tmp_path: Path) -> None:
    seen = []
    build(tmp_path / "a", "val", progress=lambda what, done, total: seen.append((done, total)))
    build(tmp_path / "b")
    assert _files(tmp_path / "a") == _files(tmp_path / "b")
    assert seen == [(0, 2), (1, 2), (2, 2)]
    rows = read_index(tmp_path / "a")
    assert [row["name"] for row in rows] == ["val-jumping-clear", "val-waving-the-right-hand-clear"]
    assert rows[1]["licence"] == "CC-BY-NC-4.0"
    assert len(_files(tmp_path / "a")) == 1 + 2 * 3
    assert build(tmp_path / "a", "test") == tmp_path / "a"  # no clips in that part: nothing is lost of the other
    assert read_index(tmp_path / "a") == rows


def test_goes_on_where_it_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build(tmp_path / "whole")
    done = []

    def film(motion, script, domain, seed, name):
        if done and stop:
            raise KeyboardInterrupt
        done.append(name)
        return render_clip(motion, script, domain, seed, name)

    render_clip, stop = clips.render_clip, True
    monkeypatch.setattr(clips, "render_clip", film)
    with pytest.raises(KeyboardInterrupt):
        build(tmp_path / "out")
    assert [row["name"] for row in read_index(tmp_path / "out")] == done == ["val-jumping-clear"]
    stop = False
    build(tmp_path / "out")
    assert done == ["val-jumping-clear", "val-waving-the-right-hand-clear"]
    assert _files(tmp_path / "out") == _files(tmp_path / "whole")

    (tmp_path / "out" / "val-jumping-clear" / "keypoints.npz").write_bytes(b"cut o")
    build(tmp_path / "out")
    assert done[2:] == ["val-jumping-clear"]
    assert _files(tmp_path / "out") == _files(tmp_path / "whole")


def test_a_clip_of_other_settings_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build(tmp_path)
    before = _files(tmp_path)
    changed = (replace(synthwild.TAKES[0], azimuth_deg=-40), synthwild.TAKES[1])
    monkeypatch.setattr(synthwild, "TAKES", changed)
    build(tmp_path)
    different = {name.split("/")[0] for name, data in _files(tmp_path).items() if before[name] != data}
    assert different == {INDEX, "val-jumping-clear"}


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fill(path: Path, frames, fps: float, crf: int) -> None:
        Path(path).write_bytes(b"half a video")
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(clips, "write_video", fill)
        with pytest.raises(SemttaError, match="No space left") as caught:
            build(tmp_path)
    assert "\n" not in str(caught.value)
    assert _files(tmp_path) == {INDEX: b"[]\n"}
    build(tmp_path)
    assert len(read_index(tmp_path)) == 2


def test_a_folder_that_cannot_be_one(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SemttaError, match="Cannot write"):
        build(tmp_path / "file")
    (tmp_path / INDEX).write_text("[1, 2]")
    with pytest.raises(SemttaError, match="delete it"):
        build(tmp_path)


def test_missing_motions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(synthwild, "FOLDER", tmp_path / "nowhere")
    with pytest.raises(SemttaError, match=r"motions\.npz"):
        build(tmp_path / "out")
    with pytest.raises(SemttaError, match="split"):
        build(tmp_path / "out", "train")
    assert not (tmp_path / "out").exists()
