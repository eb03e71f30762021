"""Overlay, report and viewer: what they draw, that they need nothing else, and what they do with little."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import av
import numpy as np
import pytest
import torch

from semtta.data.evidence import filled_in
from semtta.errors import SemttaError
from semtta.losses import terms
from semtta.rendering.drawing import AFTER, FILLED_IN, draw_caption, draw_mesh, draw_points
from semtta.types import Keypoints2D
from semtta.visualization import write_overlay, write_report
from semtta.visualization.overlay import Corner, Scene
from semtta.visualization.page import line_chart, number, stacked_strip
from semtta.visualization.report_person import curves, sentence


@pytest.fixture(scope="module")
def result(make_result):
    return make_result()


# --- drawing ---------------------------------------------------------------------------------------------------------


def test_a_mesh_is_drawn_where_its_points_project():
    """A 1 m square 5 m away, focal 100 px: 20 pixels wide around the centre."""
    image = np.zeros((60, 80, 3), np.uint8)
    square = np.float32([[-0.5, -0.5, 5], [0.5, -0.5, 5], [0.5, 0.5, 5], [-0.5, 0.5, 5]])
    faces = np.int32([[0, 2, 1], [0, 3, 2]])
    draw_mesh(image, square, faces, 100.0, (40, 30), (200, 100, 50), alpha=0.5)
    rows, columns = np.nonzero(image.any(-1))
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (20, 39, 30, 49)
    assert (image[30, 40] > 0).all()
    assert image[30, 40, 0] > image[30, 40, 2]


@pytest.mark.parametrize("shift", [(0, 0, -10), (50, 0, 0), (np.nan, 0, 0)])
def test_a_mesh_behind_beside_or_nowhere_leaves_the_picture_alone(shift):
    image = np.zeros((60, 80, 3), np.uint8)
    square = np.float32([[-0.5, -0.5, 5], [0.5, -0.5, 5], [0.5, 0.5, 5]]) + np.float32(shift)
    draw_mesh(image, square, np.int32([[0, 2, 1]]), 100.0, (40, 30), AFTER)
    assert not image.any()


def test_points_at_the_edge_are_cut_and_missing_ones_skipped():
    image = np.zeros((20, 20, 3), np.uint8)
    draw_points(image, np.float32([[0, 0], [19, 10], [np.nan, 3], [-500, 3], [10, 10]]), FILLED_IN, 2)
    assert tuple(image[10, 10]) == tuple(image[0, 0]) == tuple(image[10, 19]) == FILLED_IN
    assert not image[14:].any()
    draw_caption(image, "a text that is wider than the picture", 4, 15)
    assert image[19].any()


def test_filled_in_is_what_no_detection_backs(result):
    filled = filled_in(result)
    assert filled.sum(1).tolist() == [0] * 6 + [4] * 6
    other = Keypoints2D(torch.zeros(12, 25, 2), torch.zeros(12, 25), "body25")
    assert filled_in(replace(result, keypoints_before=other)).all()


# --- overlay ---------------------------------------------------------------------------------------------------------


def frames_of(path):
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == "h264"
        assert stream.codec_context.pix_fmt == "yuv420p"
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)], float(stream.average_rate)


def test_overlay_shows_both_motions(result, make_video, open_body, tmp_path):
    calls = []
    video = make_video(result)
    write_overlay(result, video, open_body, tmp_path / "o.mp4", lambda *step: calls.append(step))
    frames, rate = frames_of(tmp_path / "o.mp4")
    assert len(frames) == 12
    assert rate == 30
    assert frames[0].shape == (240, 640, 3)
    assert calls[-1] == ("drawing", 12, 12)
    assert len(calls) == 12
    plain = video.frames[0].astype(int)
    before, after = frames[3][:, :320].astype(int), frames[3][:, 320:].astype(int)
    drawn = {"before": np.abs(before - plain).sum(-1) > 60, "after": np.abs(after - plain).sum(-1) > 60}
    assert all(0.02 < mask.mean() < 0.5 for mask in drawn.values())
    red, blue = before[drawn["before"]].mean(0), after[drawn["after"]].mean(0)
    assert red[0] > red[2]
    assert blue[2] > blue[0]
    x, y = result.keypoints.xy[3, 1:3].mean(0).long().tolist()
    assert drawn["after"][y, x]  # the pelvis lies on the mesh


def test_overlay_of_odd_sizes_long_sides_and_early_ends(make_result, make_video, open_body, tmp_path):
    result = make_result(frames=3, size=(1281, 721))
    video = make_video(result)
    write_overlay(result, replace(video, frames=video.frames[:2]), open_body, tmp_path / "o.mp4")
    frames, _ = frames_of(tmp_path / "o.mp4")
    assert len(frames) == 2
    assert frames[0].shape == (540, 1920, 3)
    with pytest.raises(SemttaError, match="no frame could be decoded"):
        write_overlay(result, replace(video, frames=[]), open_body, tmp_path / "none.mp4")
    assert [path.name for path in tmp_path.iterdir()] == ["o.mp4"]


def test_a_motion_without_a_place_keeps_its_side_view(result, open_body):
    placeless = replace(result, unadapted=replace(result.unadapted, translation=None))
    scene = Scene(placeless, open_body)
    image = np.zeros((240, 320, 3), np.uint8)
    vertices = scene.mesh("before", 0)
    scene.draw_mesh(image, "before", vertices)
    assert not image.any()
    assert len(np.unique(scene.side_view("before", 0, vertices, 60, 100))) > 20


def test_the_side_view_goes_where_the_person_is_not():
    below_right = torch.rand(100, 2) * 30 + torch.tensor([285.0, 205])
    rows, columns = Corner.emptiest(below_right, (320, 240)).slices(320, 240)
    assert not (rows.stop == 240 and columns.stop == 320)


# --- report ----------------------------------------------------------------------------------------------------------


class Page(HTMLParser):
    """Open tags, links to anything outside, and the text."""

    def __init__(self, path):
        super().__init__()
        self.open, self.outside, self.images, self.text = [], [], 0, ""
        self.feed(path.read_text(encoding="utf-8"))
        assert not [tag for tag in self.open if tag in ("div", "section", "table", "svg", "figure", "ul", "ol", "g")]

    def handle_starttag(self, tag, attributes):
        self.open.append(tag)
        for name, value in attributes:
            if name == "src" and not value.startswith("data:"):
                self.outside.append(value)
        self.images += tag == "img"

    def handle_startendtag(self, tag, attributes):
        pass

    def handle_endtag(self, tag):
        assert tag in self.open, tag
        while self.open.pop() != tag:
            pass

    def handle_data(self, data):
        self.text += data


def test_report_is_one_whole_page(result, make_video, open_body, tmp_path):
    path = tmp_path / "report.html"
    write_report(replace(result, name="<clip> & co"), make_video(result), open_body, path)
    page = Page(path)
    text = path.read_text()
    assert not page.outside
    assert not re.search(r"(https?:)?//\w+\.\w+/", re.sub(r"base64,[^\"]*", "", text))
    assert "{{" not in text
    assert "nan" not in page.text.lower().split()
    assert "<clip> & co" in page.text
    assert "“walking”" in page.text
    assert page.images == 4 * 7 + 3
    for wanted in ("Distance from the keypoints", "Similarity to the label", "no dictionary label is near", "better"):
        assert wanted in page.text


def test_report_with_ground_truth_leads_with_pa_mpjpe(result, make_video, open_body, tmp_path):
    from semtta.types import GroundTruth

    video = make_video(result, ground_truth=GroundTruth(result.joints, params=result.params))
    write_report(result, video, open_body, tmp_path / "r.html")
    text = Page(tmp_path / "r.html").text
    assert re.search(r"PA-MPJPE fell from \d+\.\d to 0\.0 mm", text)
    assert "MPVPE" in text


def test_report_of_next_to_nothing(make_result, make_video, open_body, tmp_path):
    """One frame, no keypoint, no label, no epoch."""
    result = make_result(frames=1, history=(), labels=(), messages=(), config={})
    empty = replace(result.keypoints, confidence=torch.zeros(1, 29))
    result = replace(result, keypoints=empty, keypoints_before=empty, boxes=torch.full((1, 3), torch.nan))
    write_report(result, make_video(result), open_body, tmp_path / "r.html")
    text = Page(tmp_path / "r.html").text
    assert "Nothing was adapted" in text
    assert "No epoch was run" in text
    assert "Nothing could be measured" in text


def test_sentence_says_rose_when_it_rose(result):
    text = sentence(result, {"pa_mpjpe": 50.0}, {"pa_mpjpe": 60.0})
    assert "PA-MPJPE rose from 50.0 to 60.0 mm" in text
    assert "100% were filled in" in text


def test_curves_take_any_history():
    history = [
        {"epoch": 1, "loss": {"new": 2.0}, "note": "text"},
        {"epoch": 2, "loss": {"new": float("nan")}, "similarity": 0.5},
    ]
    loss, similarity = curves(history)
    assert "Similarity" in similarity
    assert "loss new" in loss


def test_curves_of_loss_terms_say_what_their_registration_says():
    history = [{"epoch": 1, "loss_2d": 2.0, "loss_pose": 1.0}, {"epoch": 2, "loss_2d": 1.0, "loss_pose": 1.5}]
    first, second = curves(history)
    assert "Loss: 2d" in first
    assert terms.entry("2d").summary in first
    assert "denoised" in second


def test_an_empty_chart_and_one_with_a_gap():
    assert line_chart([None, float("nan")], "empty") == ""
    assert line_chart([1.0, None, 2.0, 3.0], "gap").count("<polyline") == 2


@pytest.mark.parametrize(("value", "text"), [(0, "0"), (0.00012345, "0.000123"), (0.5, "0.5"), (4.567, "4.57"), (1234.5, "1234")])
def test_numbers_have_three_figures(value, text):
    assert number(value) == text


def test_strip_stacks_shares():
    svg = stacked_strip([("detected", np.array([1.0, 0.5])), ("filled", np.array([0.0, 0.25]))])
    assert 'class="detected" d="M0,1.000V0.000H1V0.500H2V1.000H1V1.000H0Z"' in svg
    assert 'class="filled" d="M0,0.000V0.000H1V0.250H2V0.500H1V0.000H0Z"' in svg


def test_save_with_the_video_writes_everything(result, make_video, open_body, tmp_path):
    place = result.save(tmp_path, make_video(result), open_body)
    assert sorted(path.name for path in place.iterdir()) == sorted(
        [
            "motion.npz",
            "keypoints.npz",
            "labels.json",
            "metrics.json",
            "history.jsonl",
            "config.yaml",
            "overlay.mp4",
            "report.html",
        ]
    )
    assert {"before", "after"} <= set(json.loads((place / "metrics.json").read_text()))
