"""Keypoint files that cannot be read: each one line of at most 300 characters that names the file and what is wrong in it."""

from __future__ import annotations

import io
import json
import os
import struct
import zipfile
from pathlib import Path
from typing import Any

import keypoint_files as files
import numpy as np
import pytest

from semtta.detectors import load
from semtta.errors import SemttaError
from semtta.io.arrays import HARMLESS

DEEP = "[" * 100_000 + "]" * 100_000
HUGE = 10**400


def assert_refused(path: Path, *names: str, num_frames: int = files.FRAMES) -> str:
    """What ``load`` says; it must be a short line with every text of ``names``."""
    with pytest.raises(SemttaError) as caught:
        load(path, num_frames, files.SIZE)
    message = str(caught.value)
    assert "\n" not in message
    assert message.isprintable()
    assert 10 < len(message) <= 300, message
    for name in names:
        assert name in message, message
    return message


def changed(content: Any, place: tuple[Any, ...], value: Any) -> Any:
    """A copy of JSON with another value at one place, or without it (``...``)."""
    copy = json.loads(json.dumps(content))
    inner = copy
    for key in place[:-1]:
        inner = inner[key]
    if value is ...:
        del inner[place[-1]]
    else:
        inner[place[-1]] = value
    return copy


# text that is no JSON

TEXTS = {
    "empty": b"", "blank": b" \n", "cut": b'[{"image_id": 0, "keypoi', "cut in a string": b'{"people": [{"pose_keypoints',
    "words": b"not json", "two values": b"[] []", "comma": b'{"people": [],}', "single quotes": b"{'people': []}",
    "deep": DEEP.encode(), "deep objects": b'{"people":' * 50_000, "bytes": bytes(range(256)), "zeros": bytes(1000),
    "utf-8 cut": json.dumps({"a": "ä"}, ensure_ascii=False).encode()[:-3], "latin-1": '{"people": "ä"}'.encode("latin-1"),
    "utf-16 cut": json.dumps([1]).encode("utf-16")[:-1], "digits": b"[" + b"9" * 5000 + b"]", "html": b"<html></html>",
    "python": b"[None, nan, True]", "bom alone": b"\xef\xbb\xbf", "infinity": b"[-]", "minus nan": b"[-nan(ind]",
}  # fmt: skip


@pytest.mark.parametrize("text", TEXTS)
def test_text_that_is_no_json(tmp_path, text):
    (tmp_path / "k.json").write_bytes(TEXTS[text])
    assert_refused(tmp_path / "k.json", "k.json")
    folder = files.openpose(tmp_path / "json")
    (folder / "clip_000000000002_keypoints.json").write_bytes(TEXTS[text])
    assert_refused(folder, "json", "clip_000000000002_keypoints.json")


def test_only_what_ends_early_was_cut_off(tmp_path):
    (tmp_path / "k.json").write_bytes(TEXTS["cut"])
    assert "cut off" in assert_refused(tmp_path / "k.json")
    (tmp_path / "k.json").write_bytes(TEXTS["words"])
    assert "cut off" not in assert_refused(tmp_path / "k.json")


# JSON of another shape

ONE = ("people", 0)
POINTS = (*ONE, "pose_keypoints_2d")
OPENPOSE: list[tuple[tuple[Any, ...], Any, str]] = [
    (("people",), None, "people"), (("people",), {}, "people"), (("people",), 3, "people"), (("people",), "two", "people"),
    (("people",), ..., "people"), (ONE, None, "people.0"), (ONE, 7, "people.0"), (ONE, [1.0, 2.0], "people.0"),
    (ONE, "person", "people.0"), (ONE, {}, "people.0.pose_keypoints_2d"), (POINTS, None, "people.0.pose_keypoints_2d"),
    (POINTS, {}, "people.0.pose_keypoints_2d"), (POINTS, "1 2 3", "people.0.pose_keypoints_2d"), (POINTS, 5, "people.0"),
    (POINTS, [1.0, 2.0], "people.0"), (POINTS, [[1, 2, 3]] * 25, "pose_keypoints_2d.0"), (POINTS, ["1"] * 75, "2d.0"),
    (POINTS, [True] * 75, "2d.0"), (POINTS, [1.0] * 74, "people.0"), (POINTS, [1.0] * 45, "MPI"), (POINTS, [1.0] * 3, "1 joints"),
    (POINTS, [1.0] * 54, "18 joints and 25 joints"), ((*POINTS, 4), {}, "2d.4"), ((*POINTS, 4), HUGE, "people.0"),
    ((*POINTS, 4), [], "2d.4"), ((*POINTS, 4), "x" * 1000, "2d.4"),
]  # fmt: skip


@pytest.mark.parametrize(("place", "value", "names"), OPENPOSE, ids=map(str, range(len(OPENPOSE))))
def test_openpose_frames(tmp_path, place, value, names):
    folder = files.openpose(tmp_path / "json")
    files.dump(folder / "clip_000000000002_keypoints.json", changed(files.openpose_frame(2), place, value))
    joints = names.endswith(("joints", "MPI"))
    assert_refused(folder, "json", names, "" if joints or "and 25" in names else "clip_000000000002_keypoints.json")


IMAGES, NOTES = ("images", 1), ("annotations", 1)
COCO: list[tuple[str, tuple[Any, ...], Any, str]] = [
    *[("coco_rows", (1, "image_id"), value, "1.image_id") for value in (None, [], {}, 1.0, 0.5, -1, True, 10**20, HUGE)],
    *[("coco_rows", (1, "keypoints"), value, "1.keypoints") for value in ("text", {}, 5, True, [[1.0, 2.0, 1.0]], ["1"], [{}])],
    *[("coco_rows", (1, "keypoints"), value, "image 1") for value in ([1.0] * 50, [1.0] * 42, [1.0] * 3)],
    ("coco_rows", (1, "keypoints"), [HUGE] * 51, "1.keypoints.0"),
    ("coco_rows", (1, "image_id"), ..., "1.image_id"), ("coco_rows", (1,), None, "1"), ("coco_rows", (1,), 5, "1"),
    ("coco_rows", (1,), [], "1"), ("coco_rows", (1, "category_id"), "person", "1.category_id"),
    ("coco_rows", (1, "category_id"), 1.5, "1.category_id"),
    *[("coco_dataset", ("images",), value, "images") for value in (None, {}, 5, "all", [])],
    *[("coco_dataset", ("annotations",), value, "annotations") for value in (None, {}, 5, "all")],
    *[("coco_dataset", IMAGES, value, "images.1") for value in (None, 5, [], "one", {})],
    *[("coco_dataset", (*IMAGES, "id"), value, "images.1.id") for value in (..., None, 1.5, [], True, -1)],
    *[("coco_dataset", (*IMAGES, "width"), value, "images.1.width") for value in ("wide", float("nan"), float("inf"), [], {})],
    *[("coco_dataset", (*IMAGES, "file_name"), value, "images.1.file_name") for value in (5, [], {})],
    ("coco_dataset", (*IMAGES, "id"), 100, "same id"), ("coco_dataset", (*IMAGES, "file_name"), "frame_000000.PNG", "same"),
    ("coco_dataset", (*IMAGES, "file_name"), "other/frame_000000.PNG", "both for frame 0"),
    *[("coco_dataset", NOTES, value, "annotations.1") for value in (None, 5, [], "one", {})],
    *[("coco_dataset", (*NOTES, "image_id"), value, "annotations.1.image_id") for value in (99, "x", None, 1.5, [], ...)],
    *[("coco_dataset", (*NOTES, "keypoints"), value, "annotations.1.keypoints") for value in ("text", {}, [[1, 2, 3]], 5)],
    *[("coco_dataset", ("categories",), value, "categories") for value in (None, {}, [5], [{}], [{"id": "one"}])],
    *[("alphapose_rows", (1, "image_id"), value, "1.image_id") for value in (None, [], {}, 1, 1.5, ..., "1" * 2000)],
    ("alphapose_rows", (1, "image_id"), "9" * 40 + ".jpg", "too many digits"),
    *[("alphapose_rows", (1, "keypoints"), value, "1.keypoints") for value in ("text", {}, 5, [[1.0, 2.0, 1.0]])],
    ("alphapose_rows", (1, "keypoints"), [1.0] * 48, "MPII"), ("alphapose_rows", (1, "keypoints"), [1.0] * 50, "1.jpg"),
    ("alphapose_rows", (1,), None, "1"), ("alphapose_rows", (1,), "row", "1"),
    *[("alphapose_open", ("1.jpg",), value, "1.jpg") for value in (None, [], 5, {}, {"people": None}, {"people": [None]})],
    ("alphapose_open", ("1.jpg", "people", 0, "pose_keypoints_2d"), [1.0] * 45, "15 joints"),
    ("alphapose_open", ("1.jpg", "people", 0, "pose_keypoints_2d"), [1.0] * 53, "53 numbers"),
]  # fmt: skip
FRAME = ("instance_info", 1)
INSTANCE = (*FRAME, "instances", 0)
OTHERS: list[tuple[str, tuple[Any, ...], Any, str]] = [
    *[("mmpose_demo", FRAME, value, "1") for value in (None, 5, [], "frame", {})],
    *[("mmpose_demo", (*FRAME, "frame_id"), value, "frame_id") for value in (..., None, "1", 1.5, [], -1, True, 1, HUGE)],
    *[("mmpose_demo", (*FRAME, "instances"), value, "1.instances") for value in (None, {}, 5, "none", [None], [5])],
    *[("mmpose_demo", (*INSTANCE, "keypoints"), value, "keypoints")
        for value in (None, {}, [1.0] * 34, [[1.0, 2.0, 3.0]] * 17, [[]])],
    *[("mmpose_demo", (*INSTANCE, "keypoint_scores"), value, "instances.0")
        for value in (None, ..., {}, [1.0], ["1"] * 17, [[1]])],
    ("mmpose_demo", (*INSTANCE, "keypoints"), [[1.0, HUGE]] * 17, "instances.0"),
    ("mmpose_demo", ("instance_info",), [], "k.json"), ("mmpose_demo", ("instance_info",), None, "k.json"),
    *[("ultralytics", (1,), value, "frame 1") for value in (None, 5, {}, "frame", [None], [5], "[1", "[" * 9000)],
    *[("ultralytics", (1, 0, "keypoints"), value, "0.keypoints") for value in (5, [], "none", {}, {"x": [], "y": []})],
    *[("ultralytics", (1, 0, "keypoints", "x"), value, "keypoints") for value in (None, ..., [1.0], ["1"] * 17, {}, [HUGE] * 17)],
    *[("ultralytics", (1, 0, "keypoints", "visible"), value, "keypoints") for value in ([1.0], {}, "yes", [None, "x"])],
    ("ultralytics", (1, 0, "name"), 5, "0.name"),
    *[("mediapipe", (1, "pose_landmarks", 5), value, "frame 1") for value in (None, 5, [], {}, {"x": 1.0}, {"x": "1", "y": 2.0})],
    ("mediapipe", (1, "pose_landmarks"), files.landmarks(0)[:20], "20 landmarks"),
    ("mediapipe", (1, "pose_landmarks", 5, "x"), HUGE, "frame 1"),
    ("mediapipe", (1, "pose_landmarks", 5, "visibility"), "seen", "5.visibility"),
]  # fmt: skip


def content_of(name: str) -> Any:
    if name == "ultralytics":
        return [files.ultralytics_frame(i) for i in range(files.FRAMES)]
    return getattr(files, name)()


@pytest.mark.parametrize(("name", "place", "value", "names"), COCO + OTHERS, ids=map(str, range(len(COCO + OTHERS))))
def test_json_of_other_shapes(tmp_path, name, place, value, names):
    assert_refused(files.dump(tmp_path / "k.json", changed(content_of(name), place, value)), "k.json", names)


NAMED = {
    "a number": 5, "a text": "keypoints", "null": None, "an empty list": [], "an empty object": {}, "numbers": [1, 2, 3],
    "nothing": [None], "lists": [[]], "detectron2 boxes": [{"image_id": 0, "category_id": 0, "bbox": [1, 2, 3, 4]}],
    "alphapose boxes": [{"image_id": "0.jpg", "category_id": 1, "box": [1, 2, 3, 4]}], "labelme": {"version": "5", "shapes": []},
    "posetrack": {"annolist": []}, "via": {"_via_img_metadata": {}}, "yolo boxes": [{"name": "person", "class": 0, "box": {}}],
    "no annotations": {"images": [{"id": 1}]}, "no images": {"annotations": []}, "detectron2 instances": {"pred_boxes": []},
    "nobody": {"images": [{"id": 1}], "annotations": []}, "mmpose frame": {"instances": []},
    "alphapose nobody": {"0.jpg": {"people": []}},
    "several categories": [{**row, "category_id": 5 + i} for i, row in enumerate(files.coco_rows())],
    "several of alphapose": [{**row, "category_id": 5 + i} for i, row in enumerate(files.alphapose_rows())],
    "nobody of mmpose": [{"frame_id": 0, "instances": []}], "mediapipe empty": {"frames": [{"landmarks": []}]},
    "openpose nobody": {"people": []}, "dogs": [[{**files.ultralytics_frame(0)[0], "name": "dog"}]], "smpl": {"smpl": []},
    "twice": files.mmpose_frames(0) + files.mmpose_frames(0), "long key": {"a" * 5000: {"people": [5]}},
    "surrogates": [{"image_id": "\ud800\n\x1b[31m1.jpg", "keypoints": [1.0]}],
    "two of a name": {"a1.jpg": {"people": []}, "b1.jpg": {"people": []}},
    "normalised": [[{**files.ultralytics_frame(0)[0], "keypoints": {"x": [0.5] * 17, "y": [0.4] * 17}}]],
}  # fmt: skip
CURES = {
    "detectron2 boxes": "no keypoints", "labelme": "labelme", "posetrack": "PoseTrack", "via": "VIA", "no images": "'images'",
    "no annotations": "'annotations'", "nobody": "no person", "several categories": "several categories", "dogs": "no keypoints",
    "yolo boxes": "no keypoints", "normalised": "normalize=True", "twice": "same frame_id",
}  # fmt: skip


@pytest.mark.parametrize("name", NAMED)
def test_json_that_is_something_else(tmp_path, name):
    assert_refused(files.dump(tmp_path / "k.json", NAMED[name]), "k.json", CURES.get(name, ""), num_frames=1)


# names of other files


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("k.csv", "numpy.savez"), ("k.h5", "DeepLabCut"), ("k.pkl", "numpy.savez"), ("k.pt", "run code"), ("k.txt", "to_json"),
        ("k.xml", "COCO Keypoints"), ("k.yml", "--write_json"), ("k.c3d", "2D keypoints"), ("k.npy", "as npz"),
        ("k.mp4", "video"),
        ("k.json.gz", "Unpack it"), ("k.tar", "Unpack it"), ("k.JPG", "an image"), ("k", "no known"), ("k.xyz", "no known"),
        ("k\n\x1b[31m.xyz", "no known"), (f"{'long' * 60}.xyz", "no known"), ("k\udcff.xyz", "no known"),
    ],
)  # fmt: skip
def test_files_that_are_not_read(tmp_path, name, words):
    (tmp_path / name).write_bytes(b"1,2,3\n")
    assert_refused(tmp_path / name, words)


def test_places_that_are_no_files(tmp_path):
    assert_refused(tmp_path / "none.json", "no such file", "none.json")
    assert_refused(tmp_path / ("x" * 300), "xxx")
    assert_refused(Path("with\0zero"), "with?zero")
    (tmp_path / "empty").mkdir()
    assert_refused(tmp_path / "empty", "empty", "no known")
    (tmp_path / "loop").symlink_to("loop")
    assert_refused(tmp_path / "loop", "loop")
    os.mkfifo(tmp_path / "pipe.json")
    assert_refused(tmp_path / "pipe.json", "regular file")
    assert_refused(Path("/dev/null"), "regular file")


@pytest.mark.parametrize("make", [lambda file: file.symlink_to("nothing.json"), os.mkfifo], ids=["dead link", "pipe"])
def test_among_the_files(tmp_path, make):
    folder = files.openpose(tmp_path / "json")
    (folder / "clip_000000000002_keypoints.json").unlink()
    make(folder / "clip_000000000002_keypoints.json")
    assert_refused(folder, "clip_000000000002_keypoints.json", "link to nothing, or no regular file")


def test_several_clips(tmp_path):
    for camera in range(5):
        files.openpose(tmp_path / "pose" / f"cam{camera}_json")
    assert_refused(tmp_path / "pose", "several folders", "cam0_json", "and 2 more")
    with zipfile.ZipFile(tmp_path / "k.zip", "w") as archive:
        for camera in range(2):
            archive.writestr(f"cam{camera}/0.json", json.dumps(files.openpose_frame(0)))
    assert_refused(tmp_path / "k.zip", "several folders (cam0, cam1)")
    both = files.openpose(tmp_path / "both")
    files.openpose(both, "other_{:012d}_keypoints.json")
    assert_refused(both, "both for frame 0")
    assert_refused(files.openpose(tmp_path / "digits", "{:020d}9.json", range(10**19, 10**19 + 2)), "too many digits")


# zips and arrays


def spoilt_zip(path: Path, kind: str, members: dict[str, bytes]) -> Path:
    """A zip with one kind of damage."""
    method = zipfile.ZIP_STORED if kind == "checksum" else zipfile.ZIP_DEFLATED
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    data = bytearray(path.read_bytes())
    start = 30 + len(next(iter(members)))
    central = data.index(b"PK\x01\x02")
    if kind in ("checksum", "stream"):
        data[start + 40 : start + 60] = bytes(b ^ 0x55 for b in data[start + 40 : start + 60])
    elif kind == "encrypted":
        data[6] |= 1
        data[central + 8] |= 1
    elif kind == "method":
        data[8:10] = data[central + 10 : central + 12] = struct.pack("<H", 99)
    elif kind == "cut":
        del data[len(data) // 2 :]
    elif kind == "directory":
        del data[-30:]
    elif kind == "local header":
        data[:4] = b"XXXX"
    elif kind == "shorter":
        data[central + 24 : central + 28] = struct.pack("<I", 20)
    elif kind == "offset":
        data[central + 42 : central + 46] = struct.pack("<I", 1 << 30)
    elif kind == "empty":
        data = bytearray(b"PK\x05\x06" + bytes(18))
    path.write_bytes(data)
    return path


KINDS = ("checksum", "stream", "encrypted", "method", "cut", "directory", "local header", "shorter", "offset", "empty")


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_zips(tmp_path, kind):
    members = {f"{i:012d}.json": json.dumps(files.openpose_frame(i)).encode() for i in range(5)}
    assert_refused(spoilt_zip(tmp_path / "k.zip", kind, members), "k.zip")
    assert_refused(spoilt_zip(tmp_path / "k.npz", kind, {"keypoints.npy": npy(files.arrays())}), "k.npz")


def npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def claiming(shape: tuple[int, ...], descr: str = "<f8", content: bytes = bytes(24)) -> bytes:
    """An npy whose header claims a shape."""
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": descr, "fortran_order": False, "shape": shape})
    return file.getvalue() + content


MEMBERS = {
    "559 GiB": claiming((10**9, 25, 3)), "overflow": claiming((10**18, 10**18, 3)), "negative": claiming((-1, 25, 3)),
    "one byte short": npy(files.arrays())[:-1], "one byte more": npy(files.arrays()) + b"0", "no header": b"numbers",
    "magic alone": b"\x93NUMPY", "version": b"\x93NUMPY\x09\x00" + bytes(20), "objects": claiming((1,), "|O"), "empty": b"",
    "header is code": b"\x93NUMPY\x01\x00" + struct.pack("<H", 30) + b"__import__('os').abort()".ljust(29) + b"\n",
    "header is cut": claiming((5, 25, 3))[:40], "long header": b"\x93NUMPY\x02\x00" + struct.pack("<I", 10**9) + bytes(50),
    "nested header": b"\x93NUMPY\x01\x00" + struct.pack("<H", 60000) + b"(" * 60000, "no type": claiming((1,), "<zz"),
}  # fmt: skip


@pytest.mark.parametrize("member", MEMBERS)
def test_damaged_arrays(tmp_path, member):
    with zipfile.ZipFile(tmp_path / "k.npz", "w") as archive:
        archive.writestr("keypoints.npy", MEMBERS[member])
    assert_refused(tmp_path / "k.npz", "k.npz", "keypoints")


T, J = files.FRAMES, 25
ARRAYS: dict[str, tuple[dict[str, Any], str]] = {
    "complex": ({"keypoints": np.ones((T, J, 3), complex)}, "complex128"),
    "timedelta": ({"keypoints": np.ones((T, J, 3), "m8[s]")}, "timedelta64"),
    "dates": ({"keypoints": np.zeros((T, J, 3), "M8[s]")}, "datetime64"),
    "bool": ({"keypoints": np.ones((T, J, 3), bool)}, "bool"),
    "text": ({"keypoints": np.full((T, J, 3), "1")}, "<U1"), "bytes": ({"keypoints": np.full((T, J, 3), b"1")}, "|S1"),
    "records": ({"keypoints": np.zeros((T, J, 3), [("x", float)])}, "expected numbers"),
    "void": ({"keypoints": np.zeros((T, J, 3), "V8")}, "expected numbers"),
    "scalar": ({"keypoints": np.float64(3)}, "[T, J, 3]"), "flat": ({"keypoints": np.zeros(75)}, "[T, J, 3]"),
    "2D": ({"keypoints": np.zeros((T, 75))}, "[T, J, 3]"), "5D": ({"keypoints": np.zeros((1, T, 1, J, 3))}, "[T, J, 3]"),
    "no confidence": ({"keypoints": np.ones((T, J, 2))}, "[T, J, 3]"),
    "no joints": ({"keypoints": np.ones((T, 0, 3))}, "0 joints"),
    "nobody": ({"keypoints": np.ones((T, 0, J, 3))}, "no person"), "no frames": ({"keypoints": np.ones((0, J, 3))}, "0 frames"),
    "24 joints": ({"keypoints": np.ones((T, 24, 3))}, "24 joints"), "objects": ({"keypoints": np.array([{}])}, "Python objects"),
    "one more": ({"keypoints": np.ones((T + 1, J, 3))}, "6 frames"),
    "one less": ({"keypoints": np.ones((T - 1, J, 3))}, "4 frames"),
    "no array": ({"points": np.ones((T, J, 3))}, "no array 'keypoints'"), "nothing": ({}, "k.npz"),
    "xy alone": ({"xy": np.ones((T, J, 2))}, "no array"),
    "xy of another length": ({"xy": np.ones((T, J, 2)), "confidence": np.ones((4, J))}, "[4, 25]"),
    "xyz": ({"xy": np.ones((T, J, 3)), "confidence": np.ones((T, J))}, "[5, 25, 3]"),
    "scalar xy": ({"xy": np.float64(1), "confidence": np.float64(1)}, "xy is []"),
    "xy text": ({"xy": np.full((T, J, 2), "1"), "confidence": np.ones((T, J))}, "xy are <U1"),
    "joint set": ({"keypoints": np.ones((T, J, 3)), "joint_set": "other"}, "'other'"),
    "two joint sets": ({"keypoints": np.ones((T, J, 3)), "joint_set": ["body25", "coco17"]}, "joint_set"),
    "number as joint set": ({"keypoints": np.ones((T, J, 3)), "joint_set": 25}, "joint_set"),
    "objects as joint set": ({"keypoints": np.ones((T, J, 3)), "joint_set": np.array(None)}, "joint_set"),
    "width": ({"keypoints": np.ones((T, J, 3)), "width": "640", "height": 480}, "width"),
    "NaN width": ({"keypoints": np.ones((T, J, 3)), "width": np.nan, "height": 480}, "width"),
    "widths": ({"keypoints": np.ones((T, J, 3)), "width": [640, 640], "height": 480}, "width"),
    "fraction": ({"keypoints": np.ones((T, J, 3)), "width": 640, "height": 480.5}, "height"),
    "other size": ({"keypoints": np.full((T, J, 3), 9.0), "width": 1, "height": 1}, "1 x 1"),
    "outside": ({"keypoints": np.full((T, J, 3), 1e9)}, "outside"),
    "beyond float32": ({"keypoints": np.full((T, J, 3), 1e300)}, "k.npz"),
    "all NaN": ({"keypoints": np.full((T, J, 3), np.nan)}, "NaN or infinite"),
    "negative confidences": ({"keypoints": np.full((T, J, 3), -1.0)}, "no confidence"),
    "beyond float64": ({"keypoints": np.full((T, J, 3), np.longdouble("1e4000"))}, "infinite"),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:.*metadata on a dtype")
@pytest.mark.parametrize("name", ARRAYS)
def test_arrays_that_are_no_keypoints(tmp_path, name):
    arrays, words = ARRAYS[name]
    assert_refused(files.save(tmp_path / "k.npz", **arrays), "k.npz", words)


def test_an_array_called_npz(tmp_path):
    (tmp_path / "k.npz").write_bytes(npy(files.arrays()))
    assert_refused(tmp_path / "k.npz", "k.npz", ".npy, called .npz", "numpy.savez")
    (tmp_path / "k.npz").write_bytes(b"text")
    assert_refused(tmp_path / "k.npz", "k.npz")


@pytest.mark.parametrize("name", ["k.zip", "k.npz"])
def test_a_zip_bomb_is_not_unpacked(tmp_path, name, monkeypatch):
    member = "0.json" if name == "k.zip" else "keypoints.npy"
    with (
        zipfile.ZipFile(tmp_path / name, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open(member, "w") as file,
    ):
        for _ in range(HARMLESS // 2**20 + 1):
            file.write(bytes(2**20))
    monkeypatch.setattr(zipfile.ZipFile, "open", lambda *_, **__: pytest.fail("it was opened"))
    assert_refused(tmp_path / name, name, "would unpack", "MB")


def test_many_times_the_same_bytes_in_a_zip(tmp_path):
    """A directory whose entries all point at one member unpacks to far more than the file holds."""
    with zipfile.ZipFile(tmp_path / "k.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("0.json", " " * 2**20)
        first = archive.infolist()[0]
        for i in range(1, 500):
            entry = zipfile.ZipInfo(f"{i}.json")
            entry.file_size, entry.compress_size, entry.CRC = first.file_size, first.compress_size, first.CRC
            entry.compress_type, entry.header_offset = first.compress_type, first.header_offset
            archive.filelist.append(entry)
    assert_refused(tmp_path / "k.zip", "k.zip", "would unpack")


def test_more_json_than_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr("semtta.detectors.readers.documents.LARGEST", 1000)
    assert_refused(files.openpose(tmp_path / "json"), "json", "MB of JSON")
    assert_refused(files.dump(tmp_path / "k.json", files.coco_rows()), "k.json", "MB of JSON")


# Sports2D

TRC = {
    "empty": "", "one line": "PathFileType", "words": "these are words\n" * 8, "no rate": files.trc().replace("DataRate", "Rate"),
    "rate": files.trc().replace("\n10\t", "\nten\t"), "no rate in frames": files.trc().replace("\n10\t", "\n0\t"),
    "names": files.trc().replace("Nose", "nose").replace("Hip", "hip").replace("Shoulder", "s").replace("Ankle", "a"),
    "3D": files.trc().replace("\t0.0", "\t0.5"), "text": files.trc().replace("\t0.0", "\tzero"),
    "NaN rate": files.trc().replace("\n10\t", "\nnan\t"),
    "short": "\n".join(line[:30] for line in files.trc().splitlines()), "no rows": "\n".join(files.trc().splitlines()[:5]),
    "time": files.trc(first_s=-5), "no time": files.trc().replace("\t0.0\t", "\t\t"), "metres": files.trc().replace("px", "m"),
}  # fmt: skip


@pytest.mark.parametrize("name", TRC)
def test_trc_files(tmp_path, name):
    (tmp_path / "clip_px.trc").write_text(TRC[name])
    if name == "metres":
        (tmp_path / "clip_px.trc").rename(tmp_path / "clip_m.trc")
        assert_refused(tmp_path, "none in pixels")
    else:
        assert_refused(tmp_path, "clip_px.trc" if name != "no rows" else "no person")


def test_large_trc_files(tmp_path, monkeypatch):
    monkeypatch.setattr("semtta.detectors.readers.sports2d.LARGEST", 100)
    (tmp_path / "clip_px.trc").write_text(files.trc())
    assert_refused(tmp_path / "clip_px.trc", "larger than")


# the command


@pytest.mark.parametrize(
    ("name", "content", "names"),
    [
        ("k.json", b'[{"image_id": 0, "keypo', "k.json"), ("k.json", b'[{"image_id": 0.5, "keypoints": []}]', "0.image_id"),
        ("k.csv", b"1,2", "numpy.savez"), ("k.npz", npy(files.arrays()), "called .npz"), ("k.zip", b"PK\3\4", "k.zip"),
        ("[red]k.json", b"[/red]", "[red]k.json"),
    ],
    ids=["cut", "fraction", "csv", "npy", "zip", "markup"],
)  # fmt: skip
def test_the_command(refused, clip, tmp_path, name, content, names):
    (tmp_path / name).write_bytes(content)
    refused("adapt", clip / "walk.mp4", "--keypoints", tmp_path / name, "--out", tmp_path / "out", names=names)
