import json
import zipfile

import numpy as np
import pytest

from semtta.detectors import read_keypoints, read_people
from semtta.errors import SemttaError

SIZE = (640, 480)
RNG = np.random.default_rng(0)
SHAPE = RNG.uniform(-0.5, 0.5, (25, 2)) * (60, 200)  # one fixed pose, 200 pixels tall


def pose(x, scale=1.0, joints=25, y=240.0):
    """A person [J, 3] around (x, y)."""
    values = np.concatenate([SHAPE[:joints] * scale + (x, y), np.full((joints, 1), 0.8)], -1)
    return values.round(3)


def openpose_json(people):
    """As OpenPose 1.7 writes it."""
    empty = {
        "face_keypoints_2d": [], "hand_left_keypoints_2d": [], "hand_right_keypoints_2d": [], "pose_keypoints_3d": [],
        "face_keypoints_3d": [], "hand_left_keypoints_3d": [], "hand_right_keypoints_3d": [],
    }  # fmt: skip
    rows = [{"person_id": [-1], "pose_keypoints_2d": p.ravel().tolist(), **empty} for p in people]
    return json.dumps({"version": 1.3, "people": rows})


@pytest.fixture
def write_openpose(tmp_path):
    def write(frames, first=0, prefix="clip_"):
        """frames: one list of poses [J, 3] each, or None for a frame without a file."""
        folder = tmp_path / "openpose"
        folder.mkdir(exist_ok=True)
        for i, people in enumerate(frames, first):
            if people is not None:
                (folder / f"{prefix}{i:012d}_keypoints.json").write_text(openpose_json(people))
        return folder

    return write


def refused(path, num_frames, *words, size=SIZE, person=0):
    with pytest.raises(SemttaError) as caught:
        read_keypoints(path, num_frames, size, person)
    text = str(caught.value)
    assert "\n" not in text
    for word in words:
        assert word in text, text


# OpenPose


@pytest.mark.parametrize(("joints", "joint_set"), [(25, "body25"), (18, "coco18")])
def test_openpose_folder(write_openpose, joints, joint_set):
    path = write_openpose([[pose(100 + i, joints=joints)] for i in range(6)])
    found = read_keypoints(path, 6, SIZE)
    assert found.joint_set == joint_set
    assert found.source == "openpose: openpose"
    assert found.xy.shape == (6, joints, 2)
    np.testing.assert_allclose(found.xy[4], pose(104, joints=joints)[:, :2], atol=1e-3)
    np.testing.assert_allclose(found.confidence, 0.8)


@pytest.mark.parametrize("inner", ["", "clip/"])
def test_openpose_zip(write_openpose, tmp_path, inner):
    folder = write_openpose([[pose(100 + i)] for i in range(3)])
    path = tmp_path / "clip.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for file in folder.iterdir():
            archive.write(file, inner + file.name)
        archive.writestr("__MACOSX/._clip_000000000000_keypoints.json", b"\0")
    np.testing.assert_allclose(read_keypoints(path, 3, SIZE).xy[2], pose(102)[:, :2], atol=1e-3)


def test_openpose_single_file(tmp_path):
    path = tmp_path / "photo_keypoints.json"
    path.write_text(openpose_json([pose(100)]))
    assert len(read_keypoints(path, 1, SIZE)) == 1


def test_openpose_missing_files_and_empty_frames(write_openpose):
    frames = [[pose(100 + i)] for i in range(30)]
    frames[0] = frames[7] = frames[8] = frames[29] = None  # no file
    frames[12] = []  # a file with nobody
    found = read_keypoints(write_openpose(frames), 30, SIZE)
    assert (found.confidence[:, 0] == 0).nonzero().flatten().tolist() == [0, 7, 8, 12, 29]
    np.testing.assert_allclose(found.xy[13], pose(113)[:, :2], atol=1e-3)


def test_openpose_counted_from_one(write_openpose):
    found = read_keypoints(write_openpose([[pose(100 + i)] for i in range(5)], first=1), 5, SIZE)
    np.testing.assert_allclose(found.xy[0], pose(100)[:, :2], atol=1e-3)


def test_openpose_people_in_any_order(write_openpose):
    """Two people who walk towards each other; they swap places in the files, one is missing at times."""
    frames = []
    for i in range(40):
        people = [pose(100 + 4 * i, 1.2, y=220), pose(500 - 4 * i, 1.0, y=260)]
        people = people[:1] if i in (5, 6, 22) else people
        frames.append(people[::-1] if i % 3 == 0 else people)
    path = write_openpose(frames)
    people = read_people(path, 40, SIZE)
    assert len(people) == 2
    large, small = people
    for i in range(40):
        np.testing.assert_allclose(large.xy[i], pose(100 + 4 * i, 1.2, y=220)[:, :2], atol=1e-3)
        if i not in (5, 6, 22):
            np.testing.assert_allclose(small.xy[i], pose(500 - 4 * i, 1.0, y=260)[:, :2], atol=1e-3)
    assert (small.confidence[[5, 6, 22]] == 0).all()
    refused(path, 40, "no person 2", "2 people (0 to 1)", person=2)
    refused(path, 40, "no person -1", person=-1)


def test_the_longest_track_comes_first(write_openpose):
    frames = [[pose(150)] + ([pose(500, 1.5)] if 3 <= i < 6 else []) for i in range(20)]
    assert read_keypoints(write_openpose(frames), 20, SIZE).xy[4, :, 0].mean() < 250


def test_one_person_may_jump(write_openpose):
    """At five frames a second someone moves far; a file that never has two people has one."""
    frames = [[pose(100)]] * 3 + [[pose(500)]] * 3
    assert len(people := read_people(write_openpose(frames), 6, SIZE)) == 1
    assert (people[0].confidence > 0).all()
    refused(write_openpose(frames), 6, "no person 1", "has 1 person", person=1)


def test_openpose_nobody(write_openpose):
    refused(write_openpose([[], [], []]), 3, "no person in any frame")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("column", [0, 1, 2])
def test_a_joint_that_is_not_finite_was_not_found(write_openpose, bad, column):
    people = [[pose(100)] for _ in range(4)]
    people[2][0][7, column] = bad
    found = read_keypoints(write_openpose(people), 4, SIZE)
    assert (found.confidence == 0).nonzero().tolist() == [[2, 7]]
    assert found.xy.isfinite().all()


def test_a_joint_at_the_origin_was_not_found(write_openpose):
    """Several detectors write (0, 0) with a confidence for a joint that they did not find."""
    people = [[pose(100)] for _ in range(4)]
    people[1][0][4, :2] = 0
    found = read_keypoints(write_openpose(people), 4, SIZE)
    assert (found.confidence == 0).nonzero().tolist() == [[1, 4]]
    corner = pose(100)
    corner[4, :2] = (0, 3)  # on the edge, not at the origin
    assert (read_keypoints(write_openpose([[corner]] * 4), 4, SIZE).confidence > 0).all()


def test_not_finite_where_nothing_was_seen_is_fine(write_openpose):
    people = [[pose(100)] for _ in range(4)]
    people[2][0][7] = (np.nan, np.nan, 0)
    found = read_keypoints(write_openpose(people), 4, SIZE)
    assert found.confidence[2, 7] == 0
    assert found.xy.isfinite().all()


@pytest.mark.parametrize(("files", "frames"), [(10, 8), (10, 12), (10, 100), (40, 65), (65, 40)])
def test_openpose_of_another_length(write_openpose, files, frames):
    refused(write_openpose([[pose(100)]] * files), frames, f"for {files} frames", f"has {frames}")


def test_openpose_of_another_size(write_openpose):
    big = [[pose(1000, 2.0, y=500)]] * 3
    refused(write_openpose(big), 3, "outside the video's 640 x 480 pixels")
    assert len(read_keypoints(write_openpose(big), 3, (1920, 1080))) == 3


def test_normalised_coordinates(write_openpose):
    refused(write_openpose([[pose(100) / (640, 480, 1)]] * 3), 3, "between 0 and 1")


def test_openpose_with_other_joints(write_openpose):
    refused(write_openpose([[pose(100, joints=15)]] * 3), 3, "15 joints")


def test_two_clips_in_a_folder(write_openpose):
    write_openpose([[pose(100)]] * 3)
    refused(write_openpose([[pose(100)]] * 3, prefix="other_"), 3, "both for frame 0")


@pytest.mark.parametrize("text", ["", '{"people": [', "not json", '{"people": [{"pose_keypoints_2d": [1, 2]}]}', "[1, 2]", "{}"])
def test_broken_openpose(write_openpose, text):
    folder = write_openpose([[pose(100)]] * 3)
    (folder / "clip_000000000001_keypoints.json").write_text(text)
    refused(folder, 3, "clip_000000000001_keypoints.json")


# npz


@pytest.mark.parametrize(("joints", "joint_set"), [(25, "body25"), (18, "coco18"), (17, "coco17")])
def test_npz(tmp_path, joints, joint_set):
    values = np.stack([pose(100 + i, joints=joints) for i in range(5)])
    np.savez(tmp_path / "k.npz", keypoints=values, fps=30, names=np.array(["x"]))
    found = read_keypoints(tmp_path / "k.npz", 5, SIZE)
    assert found.joint_set == joint_set
    np.testing.assert_allclose(found.xy, values[..., :2], atol=1e-3)


def test_npz_of_our_own(tmp_path):
    xy, confidence = RNG.uniform(0, 400, (5, 24, 2)), RNG.uniform(0, 1, (5, 24))
    np.savez(tmp_path / "k.npz", xy=xy, confidence=confidence, joint_set="smpl24")
    found = read_keypoints(tmp_path / "k.npz", 5, SIZE)
    assert found.joint_set == "smpl24"
    np.testing.assert_allclose(found.confidence, confidence, atol=1e-6)


def test_npz_of_several_people(tmp_path):
    values = np.stack([[pose(100 + i), pose(400, 1.5)] for i in range(5)])
    np.savez(tmp_path / "k.npz", keypoints=values)
    assert read_keypoints(tmp_path / "k.npz", 5, SIZE, person=1).xy[0, :, 0].mean() < 200


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"keypoints": np.zeros((5, 25))}, "expected numbers"),
        ({"keypoints": np.zeros((5, 23, 3))}, "23 joints"),
        ({"keypoints": np.zeros((5, 25, 3)), "joint_set": "smpl24"}, "25 joints and joint set 'smpl24'"),
        ({"points": np.zeros((5, 25, 3))}, "no array 'keypoints'"),
        ({"keypoints": np.zeros((4, 25, 3))}, "for 4 frames, the video has 5"),
        ({"keypoints": np.zeros((6, 25, 3))}, "for 6 frames, the video has 5"),
        ({"keypoints": np.array([None])}, "Python objects"),
        ({"keypoints": np.full((5, 25, 3), 9.0), "width": 1280, "height": 720}, "images of 1280 x 720"),
        ({"keypoints": np.full((5, 25, 3), np.nan)}, "NaN or infinite"),
        ({"keypoints": np.zeros((0, 25, 3))}, "for 0 frames"),
    ],
)
def test_bad_npz(tmp_path, arrays, words):
    np.savez(tmp_path / "k.npz", **arrays)
    refused(tmp_path / "k.npz", 5, words)


@pytest.mark.parametrize("name", ["k.npz", "k.zip", "k.json"])
@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut off"])
def test_files_that_are_something_else(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    refused(tmp_path / name, 5, name)


# COCO and AlphaPose


def coco_rows(frames, image_id, **more):
    return [
        {"image_id": image_id(i), "category_id": 1, "keypoints": p[:17].ravel().tolist(), "score": 0.9, **more}
        for i, people in enumerate(frames)
        for p in people
    ]


def test_coco_results(tmp_path):
    frames = [[pose(100 + i), pose(400, 1.5)] for i in range(6)]
    rows = coco_rows(frames, lambda i: i)
    rows.append({"image_id": 0, "category_id": 18, "keypoints": [], "score": 0.9})  # a dog
    (tmp_path / "k.json").write_text(json.dumps(rows))
    found = read_keypoints(tmp_path / "k.json", 6, SIZE, person=1)
    assert (found.joint_set, found.source) == ("coco17", "coco: k.json")
    np.testing.assert_allclose(found.xy[3], pose(103)[:17, :2], atol=1e-3)


def test_coco_dataset(tmp_path):
    images = [{"id": 900 + i, "file_name": f"clip/{i + 1:06d}.jpg", "width": 640, "height": 480} for i in range(6)]
    rows = coco_rows([[pose(100 + i)] for i in range(6)], lambda i: 900 + i)
    for row in rows:
        row["keypoints"][2::3] = [2, 1, 0] * 5 + [2, 2]  # visibility
    (tmp_path / "k.json").write_text(json.dumps({"images": images, "annotations": rows}))
    found = read_keypoints(tmp_path / "k.json", 6, SIZE)
    assert found.confidence[0, :3].tolist() == [1, 1, 0]
    np.testing.assert_allclose(found.xy[5, 0], pose(105)[0, :2], atol=1e-3)
    refused(tmp_path / "k.json", 6, "images of 640 x 480", size=(1280, 720))


@pytest.mark.parametrize("joints", [17, 26, 136])
def test_alphapose(tmp_path, joints):
    rows = coco_rows([[pose(100 + i)] for i in range(6)], lambda i: f"{i}.jpg")
    for row in rows:
        row["keypoints"] += [1.0] * 3 * (joints - 17)
    (tmp_path / "alphapose-results.json").write_text(json.dumps(rows))
    found = read_keypoints(tmp_path / "alphapose-results.json", 6, SIZE)
    assert found.joint_set == "coco17"
    assert found.source.startswith("alphapose")
    np.testing.assert_allclose(found.xy[5], pose(105)[:17, :2], atol=1e-3)


@pytest.mark.parametrize("as_list", [False, True])
def test_alphapose_tracks_are_believed(tmp_path, as_list):
    """Two people who change places in one step: only the tracker can know."""
    rows = []
    for i in range(6):
        left, right = (1, 2) if i < 3 else (2, 1)
        for x, person in ((100, left), (400, right)):
            rows += coco_rows([[pose(x, 1 + 0.1 * person)]], lambda _, i=i: f"{i}.jpg", idx=[person] if as_list else person)
    (tmp_path / "k.json").write_text(json.dumps(rows))
    found = read_keypoints(tmp_path / "k.json", 6, SIZE)  # the taller one
    assert [round(float(x) / 100) for x in found.xy[:, :, 0].mean(1)] == [4, 4, 4, 1, 1, 1]


def test_alphapose_without_tracks(tmp_path):
    rows = coco_rows([[pose(100), pose(400, 1.5)] for _ in range(6)], lambda i: f"{i}.jpg", idx=[0.0])
    (tmp_path / "k.json").write_text(json.dumps(rows))
    assert len(read_people(tmp_path / "k.json", 6, SIZE)) == 2


def test_absent_at_the_end_is_fine_in_lists(tmp_path):
    rows = coco_rows([[pose(100)]] * 6, lambda i: f"{i}.jpg")
    (tmp_path / "k.json").write_text(json.dumps(rows))
    assert (read_keypoints(tmp_path / "k.json", 10, SIZE).confidence[6:] == 0).all()
    refused(tmp_path / "k.json", 20, "for 6 frames")
    refused(tmp_path / "k.json", 4, "for 6 frames, the video has 4")


@pytest.mark.parametrize("content", ["[]", '{"images": [], "annotations": []}'])
def test_nobody_in_a_list(tmp_path, content):
    (tmp_path / "k.json").write_text(content)
    refused(tmp_path / "k.json", 5, "no person")


def test_coco_with_odd_joints(tmp_path):
    (tmp_path / "k.json").write_text(json.dumps([{"image_id": 0, "keypoints": [1.0] * 42}]))
    refused(tmp_path / "k.json", 1, "14 joints")


# no format


def test_unknown_formats(tmp_path):
    refused(tmp_path / "absent", 5, "no such file or folder")
    refused(tmp_path, 5, "no known keypoint format")
    (tmp_path / "k.csv").write_text("1,2,3")
    refused(tmp_path / "k.csv", 5, "no known keypoint format")
    (tmp_path / "k.json").write_text('{"frames": 3}')
    refused(tmp_path / "k.json", 5, "no known keypoint format")


def test_a_reader_from_outside(tmp_path, monkeypatch):
    from semtta.detectors import Detections, formats
    from semtta.registry import Entry

    class Csv:
        def read(self, path):
            if path.suffix != ".csv":
                return None
            return Detections("body25", {i: pose(100)[None] for i in range(5)}, 5)

    monkeypatch.setitem(formats._entries, "csv", Entry("csv", Csv))
    (tmp_path / "k.csv").write_text("")
    assert read_keypoints(tmp_path / "k.csv", 5, SIZE).source == "csv: k.csv"
