import shutil
import subprocess

import numpy as np
import pytest

from semtta.data import ArrayFrames, VideoFile
from semtta.errors import SemttaError


def opened(path):
    """The file, after every frame it promises was read twice."""
    video = VideoFile.open(path)
    for _ in range(2):
        frames = list(video)
        assert len(frames) == video.num_frames == len(video.times_s)
        assert all(f.shape == (*video.size[::-1], 3) and f.dtype == np.uint8 for f in frames)
        assert all(f.flags.c_contiguous for f in frames)
    return video


def refused(path, *words):
    with pytest.raises(SemttaError) as caught:
        VideoFile.open(path)
    text = str(caught.value)
    assert "\n" not in text
    assert path.name in text
    for word in words:
        assert word in text
    return text


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("plain.mp4", {}),
        ("ten-bit.mp4", {"pixels": "yuv420p10le"}),
        ("odd.mp4", {"size": (65, 47), "pixels": "yuv444p"}),
        ("odd.webm", {"size": (65, 47), "codec": "libvpx-vp9"}),
        ("old.avi", {"codec": "mpeg4"}),
        ("cartoon.gif", {"codec": "gif", "pixels": "rgb8"}),
        ("lossless.mkv", {"codec": "ffv1", "pixels": "yuv420p"}),
    ],
)
def test_formats(write_video, name, options):
    video = opened(write_video(name, **options))
    assert video.num_frames == 10
    assert video.size == options.get("size", (64, 48))
    assert video.fps == pytest.approx(10)
    assert video.whole
    assert not video.messages
    frame = next(iter(video)).astype(int)
    assert frame[2, 2, 0] > 180
    assert frame[2, 2, 2] < 90
    assert abs(frame[2, 40] - 90).max() < 20


@pytest.mark.parametrize("count", [1, 2, 48, 59, 61])
def test_lengths(write_video, count):
    video = opened(write_video("clip.mp4", count))
    assert video.num_frames == count
    assert video.fps == pytest.approx(10)


def test_frames_come_in_order(write_video):
    video = opened(write_video("clip.mkv", 20, codec="ffv1", pixels="bgr0"))
    assert [int(frame[40, :, 1].argmax()) for frame in video] == list(range(20))


def test_reports_progress(write_video):
    seen = []
    VideoFile.open(write_video("clip.mp4", 5), lambda *step: seen.append(step))
    assert seen == [("reading", i, 5) for i in range(1, 6)]


#: Display matrix (a, b, c, d) -> what a player shows of a picture [H, W, 3]; ffmpeg's autorotate does the same (see below).
DISPLAYED = {
    (1, 0, 0, 1): lambda p: p,
    (-1, 0, 0, 1): lambda p: p[:, ::-1],
    (1, 0, 0, -1): lambda p: p[::-1],
    (-1, 0, 0, -1): lambda p: p[::-1, ::-1],
    (0, 1, -1, 0): lambda p: np.rot90(p, -1),  # a phone held upright
    (0, -1, 1, 0): np.rot90,
    (0, 1, 1, 0): lambda p: p.swapaxes(0, 1),
    (0, -1, -1, 0): lambda p: p[::-1, ::-1].swapaxes(0, 1),
}


def with_matrix(path, matrix, unit=1 << 16):
    """Write a display matrix into the header of an mp4's track."""
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 44  # version and flags, times, ids, duration, layer, volume come first
    a, b, c, d = matrix
    data[at : at + 36] = np.array([a * unit, b * unit, 0, c * unit, d * unit, 0, 0, 0, 1 << 30], ">i4").tobytes()
    path.write_bytes(data)
    return path


def ffmpeg_pictures(path, shape):
    """Frames [T, H, W, 3] as ffmpeg shows them."""
    program = shutil.which("ffmpeg")
    if program is None:
        program = pytest.importorskip("imageio_ffmpeg").get_ffmpeg_exe()
    command = [program, "-v", "error", "-i", str(path), "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    return np.frombuffer(subprocess.run(command, capture_output=True, check=True).stdout, np.uint8).reshape(-1, *shape)


@pytest.mark.parametrize("matrix", DISPLAYED)
def test_display_matrix(write_video, matrix):
    stored = [frame.copy() for frame in opened(write_video("phone.mp4", 3))]
    video = opened(with_matrix(write_video("phone.mp4", 3), matrix))
    assert video.size == ((48, 64) if matrix[0] == 0 else (64, 48))
    for frame, picture in zip(video, stored, strict=True):
        np.testing.assert_array_equal(frame, DISPLAYED[matrix](picture))


@pytest.mark.parametrize("matrix", [(0, 0, 0, 0), (3, 0, 0, 3)])
def test_a_matrix_that_turns_nothing(write_video, matrix):
    assert opened(with_matrix(write_video("phone.mp4", 3), matrix)).size == (64, 48)


def test_displayed_as_ffmpeg_does(write_video):
    for matrix in DISPLAYED:
        path = with_matrix(write_video("phone.mp4", 2), matrix)
        frames = np.stack(list(opened(path)))
        np.testing.assert_array_equal(frames, ffmpeg_pictures(path, frames.shape[1:]))


@pytest.mark.parametrize(
    ("streams", "chosen"),
    [
        ([((32, 24), "default"), ((64, 48), "")], 0),
        ([((32, 24), ""), ((64, 48), "default")], 1),
        ([((32, 24), ""), ((64, 48), "")], 1),
        ([((64, 48), "default"), ((32, 24), "default")], 0),
    ],
)
def test_the_stream_that_a_player_shows(tmp_path, streams, chosen):
    import av

    path = tmp_path / "two.mkv"
    with av.open(str(path), "w") as container:
        made = []
        for size, disposition in streams:
            stream = container.add_stream("libx264", rate=10)
            stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
            stream.disposition = getattr(stream.disposition, disposition) if disposition else type(stream.disposition)(0)
            made.append(stream)
        for i in range(3):
            for stream, (size, _) in zip(made, streams, strict=True):
                picture = np.full((size[1], size[0], 3), 40 * i, np.uint8)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        for stream in made:
            container.mux(stream.encode())
    video = opened(path)
    assert video.size == streams[chosen][0]
    assert video.num_frames == 3


def test_a_cover_is_not_the_video(tmp_path):
    import av

    path = tmp_path / "song.mp4"
    with av.open(str(path), "w") as container:
        video, cover = container.add_stream("libx264", rate=10), container.add_stream("mjpeg", rate=1)
        video.width, video.height, video.pix_fmt = 32, 24, "yuv420p"
        cover.width, cover.height, cover.pix_fmt = 320, 240, "yuvj420p"
        cover.disposition = cover.disposition.attached_pic
        pictures = [av.VideoFrame.from_ndarray(np.zeros((h, w, 3), np.uint8), format="rgb24") for w, h in ((32, 24), (320, 240))]
        container.mux([*cover.encode(pictures[1]), *cover.encode()])
        for _ in range(3):
            pictures[0].pts = None
            container.mux(video.encode(pictures[0]))
        container.mux(video.encode())
    with av.open(str(path)) as container:
        assert len(container.streams.video) == 2
    assert opened(path).size == (32, 24)


def test_variable_frame_rate(write_video):
    ticks = [0, 1, 2, 5, 6, 9, 15, 16, 17, 20]
    video = opened(write_video("phone.mkv", ticks=ticks))
    assert video.fps == pytest.approx(9 / 2.0)  # nine steps in two seconds
    np.testing.assert_allclose(video.times_s, np.array(ticks) / 10)
    assert "variable frame rate" in video.messages[0]
    assert video.varies


def test_one_dropped_frame_is_a_variable_rate(write_video):
    """Of 240 per second: 4 ms in the wrong place."""
    video = opened(write_video("fast.mp4", ticks=[0, 1, 2, 3, 4, 6, 7, 8, 9, 10], rate=240))
    assert video.varies
    assert not opened(write_video("steady.mp4", rate=240)).varies


def test_an_avi_header_may_count_one_more(write_video):
    path = write_video("clip.avi", 10, codec="mpeg4")
    data = bytearray(path.read_bytes())
    for declared, messages in ((11, 0), (13, 1)):
        for at in (data.index(b"avih") + 24, data.index(b"strh") + 40):
            data[at : at + 4] = declared.to_bytes(4, "little")
        path.write_bytes(data)
        video = opened(path)
        assert (video.num_frames, len(video.messages), video.whole) == (10, messages, not messages)


@pytest.mark.parametrize("tick", [1e-9, 1e9])
def test_rates_that_no_video_has_are_not_believed(tick):
    from semtta.data.frames import _timing

    fps, times, varies = _timing([i * tick for i in range(5)], 25.0, tick)
    assert (fps, varies) == (25.0, False)
    np.testing.assert_allclose(times, np.arange(5) / 25)


def test_rounded_times_are_a_constant_rate(write_video):
    video = opened(write_video("clip.webm", 12, codec="libvpx-vp9", rate=30))  # 33 or 34 ms
    assert video.fps == pytest.approx(30, rel=0.01)
    assert not video.messages


@pytest.mark.parametrize("name", ["cut.mkv", "cut.avi"])
def test_truncated(write_video, name):
    noise = np.random.default_rng(0).integers(0, 255, (40, 48, 64, 3), dtype=np.uint8)
    path = write_video(name, 40, frames=noise, codec="mpeg4")
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    video = opened(path)
    assert 5 < video.num_frames < 30
    assert not video.whole
    assert path.name in video.messages[0]
    assert str(video.num_frames) in video.messages[0]


def test_mp4_without_its_end(write_video):
    """The index of a plain mp4 is at its end."""
    path = write_video("cut.mp4", 20)
    path.write_bytes(path.read_bytes()[:-2000])
    refused(path, "cannot be read as a video")


def test_mp4_cut_after_its_index(write_video, tmp_path):
    import av

    noise = np.random.default_rng(0).integers(0, 255, (30, 48, 64, 3), dtype=np.uint8)
    whole, path = write_video("whole.mp4", 30, frames=noise), tmp_path / "cut.mp4"
    with av.open(str(whole)) as source, av.open(str(path), "w", options={"movflags": "faststart"}) as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = stream
                target.mux(packet)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 2 // 3])
    video = opened(path)
    assert 5 < video.num_frames < 25
    assert not video.whole
    assert "of 30 frames" in video.messages[0]


def test_damage_in_the_middle_is_told(write_video):
    noise = np.random.default_rng(0).integers(0, 255, (30, 48, 64, 3), dtype=np.uint8)
    path = write_video("scratched.avi", 30, frames=noise, codec="mpeg4")
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 6000] = bytes(6000)
    path.write_bytes(data)
    video = opened(path)
    assert 10 < video.num_frames <= 30


def test_no_such_file(tmp_path):
    refused(tmp_path / "absent.mp4", "does not exist")


def test_folder(tmp_path):
    refused(tmp_path, "is a folder")


@pytest.mark.parametrize("name", ["notes.mp4", "notes.txt", "notes.json", "notes.srt"])
def test_not_a_video(tmp_path, name):
    path = tmp_path / name
    path.write_text("1\n00:00:01,000 --> 00:00:02,000\nShe squats, and rises.\n" * 50)
    refused(path, "Give")


def test_empty_file(tmp_path):
    path = tmp_path / "empty.mp4"
    path.write_bytes(b"")
    refused(path, "empty file")


def test_sound_only(tmp_path):
    import av

    path = tmp_path / "song.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=44100)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate, frame.pts = 44100, 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    refused(path, "no video")


def test_zero_frames(write_video):
    path = write_video("clip.mkv", 0)
    refused(path, "Give")


def test_nothing_decodes(write_video):
    path = write_video("clip.avi", 10, codec="mpeg4")
    data = bytearray(path.read_bytes())
    start = data.index(b"movi") + 4
    stop = data.index(b"idx1")
    data[start:stop] = bytes(stop - start)
    path.write_bytes(data)
    refused(path, "Give")


def test_array_frames():
    frames = np.zeros((3, 4, 5, 3), np.uint8)
    source = ArrayFrames(frames)
    assert len(source) == 3
    assert [f.shape for f in source] == [f.shape for f in source] == [(4, 5, 3)] * 3
    with pytest.raises(SemttaError, match="float32"):
        ArrayFrames(frames.astype(np.float32))
