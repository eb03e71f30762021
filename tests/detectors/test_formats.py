"""Every format that is read gives the same person; numbers of frames; joints that were not found."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import keypoint_files as files
import numpy as np
import pytest
import torch
from short_clips import write_clip

from semtta.data import boxes_from_keypoints
from semtta.data.evidence import to_smpl29
from semtta.data.video import load_video
from semtta.detectors import formats, from_arrays, load
from semtta.errors import SemttaError
from semtta.types import Keypoints2D, Video

CASES = Path(__file__).parents[2].parent / "shared" / "cases"


def noses(found, person=0):
    """Frames with a person, and the nose in each of them."""
    keypoints = found.people[person] if hasattr(found, "people") and not isinstance(found, Video) else found.keypoints
    seen = (keypoints.confidence > 0).any(-1).nonzero()[:, 0].tolist()
    return seen, keypoints.xy[seen, 0].numpy()


def expect(found, frames, shift=0):
    """The nose in every frame of ``frames`` is where the file's frame ``frame + shift`` has it."""
    seen, places = noses(found)
    assert seen == list(frames)
    np.testing.assert_allclose(places, [files.nose(i + shift) for i in frames], atol=2e-3)


@pytest.mark.parametrize("name", files.VALID)
def test_every_format_gives_the_same_person(name, tmp_path):
    found = load(files.VALID[name](tmp_path), files.FRAMES, files.SIZE)
    expect(found, range(files.FRAMES))
    assert found.messages == ()
    assert len(found.people) == 1
    assert found.people[0].source.split(":")[0] == name.split("-")[0].replace("pose2sim", "openpose").replace(
        "rtmlib", "openpose"
    )


def test_every_reader_is_tried():
    assert {name.split("-")[0] for name in files.VALID} >= {name for name in formats.names() if formats.is_included(name)}


# numbers of frames


@pytest.mark.parametrize(
    ("name", "frames", "num_frames", "seen", "said"),
    [
        ("clip_{:012d}_keypoints.json", range(5), 4, range(4), "the last is left out"),
        ("clip_{:012d}_keypoints.json", range(5), 6, range(5), "nobody is in the last 1"),
        ("clip_{:012d}_keypoints.json", range(1, 6), 5, range(5), "counted from 1"),
        ("clip_{:012d}_keypoints.json", range(1, 5), 5, range(1, 5), "ambiguous, taken as 0"),
        ("frame_{:04d}.json", range(1, 5), 5, range(4), "ambiguous, taken as 1"),
        ("frame_{:04d}.json", range(1, 7), 5, range(5), "left out"),
        ("IMG_{:04d}.json", range(1234, 1239), 5, range(5), "counted from 1234"),
        ("IMG_{:04d}.json", range(1234, 1240), 5, range(5), "left out"),
        ("{:06d}_rendered_720p_keypoints.json", range(5), 5, range(5), ""),
        ("{:06d}_rendered_720p_keypoints.json", range(1, 6), 5, range(5), "counted from 1"),
        ("cam2_{0:03d}_t{1:d}ms.json", range(5), 5, range(5), ""),
        ("t{1:d}ms_{0:03d}.json", range(5), 5, range(5), ""),
        ("frame_{1:06d}.json", range(5), 5, range(5), "have gaps"),
    ],
)
def test_numbers_in_names(tmp_path, name, frames, num_frames, seen, said):
    for i in frames:
        content = json.dumps(files.openpose_frame(i - frames.start))
        (tmp_path / name.format(i, 33 * i)).write_text(content)
    found = load(tmp_path, num_frames, files.SIZE)
    expect(found, seen, -1 if said.endswith("taken as 0") else 0)
    assert said in " ".join(found.messages)
    assert bool(found.messages) == bool(said)


def test_images_say_which_frame_is_the_last(tmp_path):
    """Counted from 1, and nobody in the last frame: only ``images`` tells."""
    dataset = files.coco_dataset(first=1)
    dataset["annotations"].pop()
    found = load(files.dump(tmp_path / "k.json", dataset), files.FRAMES, files.SIZE)
    expect(found, range(files.FRAMES - 1))
    assert "counted from 1" in found.messages[0]


@pytest.mark.parametrize("name", ["frame.png", ""])
def test_images_whose_names_tell_nothing_are_known_by_id(tmp_path, name):
    dataset = files.coco_dataset()
    for image in dataset["images"]:
        image["file_name"] = name
    found = load(files.dump(tmp_path / "k.json", dataset), files.FRAMES, files.SIZE)
    expect(found, range(files.FRAMES))
    assert "counted from 100" in found.messages[0]


def test_images_known_by_text(tmp_path):
    dataset = files.coco_dataset()
    for image, row in zip(dataset["images"], dataset["annotations"], strict=True):
        image["id"] = row["image_id"] = f"i{image['id']}"
        del image["file_name"]
    expect(load(files.dump(tmp_path / "k.json", dataset), files.FRAMES, files.SIZE), range(files.FRAMES))


def test_no_frame_called_zero(tmp_path):
    rows = files.alphapose_rows(first=1)[:4]
    found = load(files.dump(tmp_path / "k.json", rows), 5, files.SIZE)
    expect(found, range(4))
    assert "ambiguous, taken as 1" in found.messages[0]
    found = load(files.dump(tmp_path / "k.json", files.alphapose_rows(first=3)), 10, files.SIZE)
    expect(found, range(3, 8), -3)
    assert "ambiguous, taken as 0" in found.messages[0]


def test_a_damaged_video_that_is_shorter_than_its_keypoints(tmp_path):
    for name in ("openpose", "npz", "alphapose"):
        (folder := tmp_path / name).mkdir()
        expect(load(files.VALID[name](folder), 2, files.SIZE, may_be_longer=True), range(2))


def test_mmpose_demo_without_its_first_frame(tmp_path):
    """The demo counts from 1 whatever comes: frame_id 2 is the second frame."""
    content = files.mmpose_demo()
    content["instance_info"][0]["instances"] = []
    expect(load(files.dump(tmp_path / "k.json", content), files.FRAMES, files.SIZE), range(1, files.FRAMES))


@pytest.mark.parametrize("count", [3, 7])
def test_a_list_by_place_must_be_whole(tmp_path, count):
    """A list that holds only the frames with a person would be read at the wrong times."""
    for content in ([files.landmarks(i) for i in range(5)], [files.ultralytics_frame(i) for i in range(5)]):
        with pytest.raises(SemttaError, match=f"for 5 frames, the video has {count}"):
            load(files.dump(tmp_path / "k.json", content), count, files.SIZE)


def test_sports2d_of_a_part_of_the_video(tmp_path):
    (tmp_path / "clip_px_person00.trc").write_text(files.trc(first_s=0.2))
    expect(load(tmp_path, 8, files.SIZE), range(2, 7), -2)


# joints that were not found


@pytest.mark.parametrize("bad", [(0, 0, 0.9), (np.nan, 5, 0.9), (5, np.inf, 0.9), (5, 5, np.nan), (5, 5, np.inf), (5, 5, -1)])
def test_one_rule_wherever_keypoints_enter(clip, bad):
    values = files.arrays()
    values[2, 4] = bad
    xy, confidence = torch.tensor(values[..., :2]).float(), torch.tensor(values[..., 2]).float()
    own = Keypoints2D(xy, confidence, "body25")

    class Finds:
        def detect(self, frames, size):
            return [own]

    for keypoints, detector in ((values, None), (torch.tensor(values), None), (own, None), (None, Finds())):
        video = load_video(clip, keypoints=keypoints, detector=detector)
        assert (video.keypoints.confidence <= 0).nonzero().tolist() == [[2, 4]]
        assert video.keypoints.xy.isfinite().all()
    clean = own.only_found()
    clean = replace(clean, confidence=clean.confidence.clamp(min=0))
    torch.testing.assert_close(boxes_from_keypoints(own, 0.3), boxes_from_keypoints(clean, 0.3))
    assert torch.equal(to_smpl29(own, 0.3, "limbs").confidence, to_smpl29(clean, 0.3, "limbs").confidence)


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return write_clip(tmp_path_factory.mktemp("clip"), files.FRAMES)


def test_own_keypoints_of_another_form(clip):
    for xy, confidence in (((5, 24, 2), (5, 24)), ((5, 25, 3), (5, 25)), ((5, 25, 2), (5, 24)), ((25, 2), (25,))):
        with pytest.raises(SemttaError, match=r"expected \[T, 25, 2\]"):
            load_video(clip, keypoints=Keypoints2D(torch.ones(xy), torch.ones(confidence), "body25"))
    with pytest.raises(SemttaError, match="for 4 frames"):
        from_arrays(files.arrays()[:4], 5, files.SIZE)


def test_nobody_but_joints_at_the_origin(tmp_path):
    values = files.arrays()
    values[..., :2] = 0
    with pytest.raises(SemttaError, match=r"at \(0, 0\)"):
        load(files.save(tmp_path / "k.npz", keypoints=values), files.FRAMES, files.SIZE)


# what else is passed over or understood


def test_files_that_macos_adds(tmp_path):
    folder = files.openpose(tmp_path / "json")
    for file in list(folder.iterdir()):
        (folder / f"._{file.name}").write_bytes(b"\0\5\26\7\0\2\0\0Mac OS X" + bytes(48))
    (folder / ".DS_Store").write_bytes(b"\0")
    (folder / "vis.json").mkdir()
    expect(load(folder, files.FRAMES, files.SIZE), range(files.FRAMES))
    expect(load(files.zipped(tmp_path / "k.zip", files.openpose(tmp_path / "json2")), files.FRAMES, files.SIZE), range(5))


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8-sig"])
def test_encodings(tmp_path, encoding):
    (tmp_path / "k.json").write_bytes(json.dumps(files.coco_rows()).encode(encoding))
    expect(load(tmp_path / "k.json", files.FRAMES, files.SIZE), range(files.FRAMES))


@pytest.mark.parametrize("text", ["-nan(ind)", "nan", "-nan", "1.#QNAN", "-1.#IND00", "inf", "NaN", "Infinity", "null"])
def test_no_number_as_c_libraries_write_it(tmp_path, text):
    folder = files.openpose(tmp_path / "json")
    file = folder / "clip_000000000003_keypoints.json"
    content = files.openpose_frame(3)
    content["people"][0]["pose_keypoints_2d"][12:15] = ["A", "A", 0]
    file.write_text(json.dumps(content).replace('"A"', text))
    found = load(folder, files.FRAMES, files.SIZE)
    expect(found, range(files.FRAMES))
    assert (found.people[0].confidence == 0).nonzero().tolist() == [[3, 4]]


@pytest.mark.parametrize("category", [0, 1, 7, None])
def test_any_single_category_is_people(tmp_path, category):
    for rows in (files.coco_rows(), files.alphapose_rows()):
        for row in rows:
            row["category_id"] = category
        expect(load(files.dump(tmp_path / "k.json", rows), files.FRAMES, files.SIZE), range(files.FRAMES))


def test_annotations_without_keypoints_are_left_out(tmp_path):
    dataset = files.coco_dataset()
    dataset["categories"].append({"id": 2, "name": "ball"})
    dataset["annotations"] += [{"image_id": 100, "category_id": 2, "bbox": [1, 2, 3, 4]}]
    dataset["annotations"][3]["keypoints"] = []
    expect(load(files.dump(tmp_path / "k.json", dataset), files.FRAMES, files.SIZE), [0, 1, 2, 4])


@pytest.mark.parametrize("ids", [[1.0], 1.0, [], "person_1", None, [1, 2], [1.0, [2]], 1.5, True, 1e400, -1, 10**30])
def test_ids_that_are_no_whole_numbers_are_no_ids(tmp_path, ids):
    rows = files.alphapose_rows()
    rows[2]["idx"] = ids
    expect(load(files.dump(tmp_path / "k.json", rows), files.FRAMES, files.SIZE), range(files.FRAMES))


def test_other_things_that_ultralytics_finds(tmp_path):
    frames = [files.ultralytics_frame(i) for i in range(files.FRAMES)]
    frames[1].insert(0, {"name": "dog", "class": 16, "confidence": 0.9, "box": {}, "keypoints": frames[0][0]["keypoints"]})
    frames[2] = []
    found = load(files.dump(tmp_path / "k.json", frames), files.FRAMES, files.SIZE)
    expect(found, [0, 1, 3, 4])


def test_several_people_of_mediapipe_in_one_frame(tmp_path):
    other = [{**point, "x": point["x"] + 0.5} for point in files.landmarks(0)]
    frames = [{"frame_index": i, "landmarks": [files.landmarks(i), other]} for i in range(files.FRAMES)]
    assert len(load(files.dump(tmp_path / "k.json", frames), files.FRAMES, files.SIZE).people) == 2
    (tmp_path / "k.json").unlink()
    for i in range(files.FRAMES):
        files.dump(tmp_path / f"{i}.json", [files.landmarks(i), other])
    assert len(load(tmp_path, files.FRAMES, files.SIZE).people) == 2


def test_mediapipe_in_pixels(tmp_path):
    """tfjs's BlazePose writes pixels and calls the visibility score."""
    frames = [
        {"frame": i, "keypoints": [{"x": x, "y": y, "score": v} for x, y, v in files.pose(i, 33).tolist()]} for i in range(5)
    ]
    expect(load(files.dump(tmp_path / "k.json", frames), files.FRAMES, files.SIZE), range(files.FRAMES))


@pytest.mark.parametrize(("low", "words"), [(0, "between 0 and 1. Give pixels: multiply"), (-1, "between -1 and 1")])
def test_scaled_coordinates(tmp_path, low, words):
    values = files.arrays()
    values[..., :2] = low + (1 - low) * values[..., :2] / files.SIZE
    with pytest.raises(SemttaError, match=words) as caught:
        load(files.save(tmp_path / "k.npz", keypoints=values), files.FRAMES, files.SIZE)
    assert low == 0 or "multiply" not in str(caught.value)


# the cases that were reported

NOSES = {0: (183.7, 146.6), 5: (165.5, 151.7)}
READ = {
    "01-coco-category0/predictions.json": range(16), "03-alphapose-one-based-gap/alphapose-results.json": range(15),
    "05-openpose-one-more/json": range(16), "06-appledouble/json": range(16),
    "07-alphapose-format-open/alphapose-results.json": range(16), "08-mmpose-inferencer/results_clip.json": range(16),
    "08-mmpose-inferencer/clip.json": range(16), "09-openpose-nan/json": range(16), "11-number-last/json": range(16),
    "12-alphapose-idx/a.json": range(16), "12-alphapose-idx/b.json": range(16), "12-alphapose-idx/c.json": range(16),
    "34-coco-mixed-annotations/person_keypoints_default.json": range(16),
}  # fmt: skip
REFUSED = {
    "10-keypoint-scale4/json": "between -1 and 1", "12-alphapose-idx/i.json": r"images\.0\.id: Field required",
    "12-alphapose-idx/f.json": r"0\.image_id", "12-alphapose-idx/g.json": "no image 99",
    "13-openpose-nulls/json": r"clip_000000000003_keypoints\.json: people\.0",
}  # fmt: skip
MESSAGES = {"03": "ambiguous", "05": "the last is left out"}


@pytest.mark.skipif(not CASES.is_dir(), reason="the shared cases are not here")
@pytest.mark.parametrize("case", READ)
def test_reported_cases_that_are_read(case):
    video = load_video(CASES / case.split("/")[0] / "clip.mp4", keypoints=CASES / case)
    seen, _ = noses(video)
    assert seen == list(READ[case])
    for frame, place in NOSES.items():
        np.testing.assert_allclose(video.keypoints.xy[frame, 0], place, atol=0.06)
    assert video.keypoints.confidence[0, 0] == 1
    assert MESSAGES.get(case[:2], "") in " ".join(video.messages)
    assert len(video.messages) == (case[:2] in MESSAGES)


@pytest.mark.skipif(not CASES.is_dir(), reason="the shared cases are not here")
@pytest.mark.parametrize("case", REFUSED)
def test_reported_cases_that_are_refused(case):
    with pytest.raises(SemttaError, match=REFUSED[case]) as caught:
        load(CASES / case, 16, (270, 480))
    assert "multiply" not in str(caught.value)
    assert "cut off" not in str(caught.value)
