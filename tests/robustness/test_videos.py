"""Videos that are damaged, are something else, or are named as no one would name them."""

from __future__ import annotations

import os
import shutil
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from short_clips import write_tiny_hmr

import semtta
from semtta.data import VideoFile
from semtta.errors import SemttaError

SIZE = (64, 48)
KINDS = {"mp4": "libx264", "avi": "mpeg4", "mkv": "mpeg4", "webm": "libvpx-vp9", "gif": "gif"}
SEEDS = range(6)


def write(path: Path, codec: str, count: int = 8, rate: int = 10) -> Path:
    random = np.random.default_rng(0)
    with av.open(f"file:{path}", "w") as container:
        stream = container.add_stream(codec, rate=rate)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "rgb8" if codec == "gif" else "yuv420p"
        for _ in range(count):
            picture = random.integers(0, 255, (SIZE[1], SIZE[0], 3), dtype=np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return path


@pytest.fixture(scope="module")
def videos(tmp_path_factory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("videos")
    return {kind: write(folder / f"clip.{kind}", codec).read_bytes() for kind, codec in KINDS.items()}


def read_or_refused(path: Path) -> int:
    """Frames of a damaged file that are read, both times the same number; 0 if it is refused, in one line."""
    try:
        video = semtta.load_video(path)
    except SemttaError as error:
        text = str(error)
        assert "\n" not in text
        assert path.name in text
        assert len(text) <= 300
        return 0
    frames = list(video.frames)
    assert len(frames) == video.num_frames
    assert all(frame.shape == (*video.size[::-1], 3) for frame in frames)
    assert 0 < video.fps < float("inf")
    return len(frames)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("kind", KINDS)
def test_cut_anywhere(videos, tmp_path, kind, seed):
    data = videos[kind]
    path = tmp_path / f"cut.{kind}"
    path.write_bytes(data[: int(np.random.default_rng(seed).integers(1, len(data)))])
    assert read_or_refused(path) <= 8


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("kind", KINDS)
def test_flipped_bytes(videos, tmp_path, kind, seed):
    random = np.random.default_rng(seed)
    data = np.frombuffer(videos[kind], np.uint8).copy()
    where = random.integers(0, len(data), 1 + 10 * (seed % 3))
    data[where] = random.integers(0, 256, len(where))
    path = tmp_path / f"flipped.{kind}"
    path.write_bytes(data.tobytes())
    assert read_or_refused(path) <= 64  # frames shown twice are possible, others are not


OTHERS = {
    "zeros.mp4": bytes(1000),
    "text.mp4": b"not a video at all\n" * 20,
    "picture.mp4": b"\x89PNG\r\n\x1a\n" + bytes(50),
    "json.avi": b'{"frames": []}',
    "html.webm": b"<!doctype html><title>404</title>",
    "pdf.mov": b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n",
    "zip.mkv": b"PK\x03\x04" + bytes(30),
    "ftyp.mp4": b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom",
    "riff.avi": b"RIFF\xff\xff\xff\xffAVI LIST",
    "gif.gif": b"GIF89a\xff\xff\xff\xff",
    "lfs.mp4": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
    "subtitles.mp4": b"1\n00:00:01,000 --> 00:00:02,000\nShe squats.\n",
    "list.mp4": b"ffconcat version 1.0\nfile clip.mp4\n",
    "playlist.mp4": b"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nhttp://127.0.0.1:9/clip.ts\n#EXT-X-ENDLIST\n",
    "session.mp4": b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nt=0 0\nm=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n",
    "pipe.mp4": b"pipe:0",
    "a\\b.mp4": b"",
    "empty.mp4": b"",
    "empty.gif": b"",
}


@pytest.mark.parametrize("name", OTHERS)
def test_something_else(refused, tmp_path, name):
    (tmp_path / name).write_bytes(OTHERS[name])
    message = refused("adapt", tmp_path / name, "--out", tmp_path / "out", names=name)
    assert "Give" in message
    assert not (tmp_path / "out").exists()


def test_folders_and_pipes(refused, tmp_path):
    (tmp_path / "frames").mkdir()
    (tmp_path / "frames" / "000001.png").write_bytes(b"")
    assert "ffmpeg" in refused("adapt", tmp_path / "frames", "--out", tmp_path / "out", names="is a folder")
    os.mkfifo(tmp_path / "pipe.mp4")
    refused("adapt", tmp_path / "pipe.mp4", "--out", tmp_path / "out", names="not a regular file")
    refused("adapt", "/dev/null", "--out", tmp_path / "out", names="not a regular file")
    (tmp_path / "dead.mp4").symlink_to(tmp_path / "gone.mp4")
    refused("adapt", tmp_path / "dead.mp4", "--out", tmp_path / "out", names="does not exist")


@pytest.mark.parametrize("address", ["http://127.0.0.1:9/walk.mp4", "concat:a.mp4|b.mp4", "pipe:0", "testsrc.mp4:"])
def test_addresses_are_no_files(refused, tmp_path, address):
    refused("adapt", address, "--out", tmp_path / "out", names="does not exist")


def test_sound_only(refused, tmp_path):
    path = tmp_path / "song.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=44100)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate, frame.pts = 44100, 0
        container.mux([*stream.encode(frame), *stream.encode()])
    refused("adapt", path, "--out", tmp_path / "out", names="no video")


def test_a_name_that_is_no_text_stops_before_anything_is_computed(clip, tmp_path, monkeypatch, capsys):
    """Also where it is the second video, and where it is the output folder."""
    from semtta.runs.adapt import adapt_files

    bad = Path(os.fsdecode(os.fsencode(tmp_path) + b"/walk\xff.mp4"))
    shutil.copy(clip / "walk.mp4", bad)
    for paths, out in (([clip / "walk.mp4", bad], tmp_path / "out"), ([clip / "walk.mp4"], bad.with_suffix(""))):
        with pytest.raises(SemttaError, match=r"walk\\xff.* is not UTF-8") as caught:
            adapt_files(paths, out, label="walking")
        str(caught.value).encode()
        assert not out.exists()
    with pytest.raises(SemttaError, match="not UTF-8"):
        semtta.load_video(bad)


@pytest.mark.parametrize("name", ["a:b", "http:x", "concat:x", "x" * 250, "ü" * 120, "walk [1]", "-walk", "%d%s", "{{data}}"])
def test_names_that_are_only_odd(videos, tmp_path, monkeypatch, name):
    """A colon must not begin a protocol, a percent sign not number pictures; relative, since an absolute path hides it."""
    monkeypatch.chdir(tmp_path)
    Path(f"{name}.mp4").write_bytes(videos["mp4"])
    video = semtta.load_video(f"{name}.mp4")
    assert (video.name, video.num_frames, len(list(video.frames))) == (name, 8, 8)


def test_a_whole_run_with_colons_a_long_name_and_times_of_its_own(clip, tmp_path, monkeypatch):
    """Into a folder whose name FFmpeg would take for a protocol; 30 frames per second, then 10."""
    from semtta.export import export
    from semtta.results import load
    from semtta.runs.adapt import adapt_files

    monkeypatch.chdir(tmp_path)
    name, ticks = f"x:{'y' * 248}", [0, 1, 2, 3, 6, 9]
    with av.open(str(clip / "walk.mp4")) as source, av.open(f"file:{name}.mp4", "w") as target:
        stream = target.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = 640, 480, "yuv420p"
        for tick, frame in zip(ticks, source.decode(video=0), strict=True):
            frame.pts, frame.time_base = tick, Fraction(1, 30)
            target.mux(stream.encode(frame))
        target.mux(stream.encode())
    settings = {"estimator.name": "hmr", "estimator.weights": str(write_tiny_hmr(tmp_path / "tiny.safetensors"))}
    settings |= {f"{role}.name": "none" for role in ("method", "prior", "denoiser", "labeler")}
    [(folder, _)] = adapt_files([Path(f"{name}.mp4")], Path("http:out"), clip / "keypoints.npz", settings=settings)
    assert folder.parent == Path("http:out")
    assert {"overlay.mp4", "report.html", "motion.npz"} <= {path.name for path in folder.iterdir()}
    times = [tick / 30 for tick in ticks]
    assert load(folder).times.tolist() == pytest.approx(times)
    assert VideoFile.open(folder / "overlay.mp4").times_s.tolist() == pytest.approx(times, abs=1e-4)
    rows = export(folder, "csv").read_text().splitlines()[1:]
    assert [float(row.split(",")[1]) for row in rows] == pytest.approx(times, abs=1e-6)
