"""Detections that are kept: they come back as they were, and only for what they are of."""

from __future__ import annotations

from dataclasses import replace

import torch

from semtta.data import load_video
from semtta.data.detections import detections_key, read_detections, write_detections
from semtta.types import Keypoints2D, Landmarks3D


def test_they_come_back_as_they_were(tmp_path):
    generator = torch.Generator().manual_seed(0)
    points = Keypoints2D(torch.rand(4, 25, 2, generator=generator), torch.rand(4, 25, generator=generator), "body25", "x")
    marks = Landmarks3D(torch.rand(4, 33, 3, generator=generator), torch.rand(4, 33, generator=generator), "blazepose33", "y")
    write_detections(tmp_path / "d.npz", "key", [points, replace(points, landmarks=marks)])
    alone, both = read_detections(tmp_path / "d.npz", "key")
    assert torch.equal(alone.xy, points.xy)
    assert (alone.joint_set, alone.source, alone.landmarks) == ("body25", "x", None)
    assert torch.equal(both.landmarks.xyz, marks.xyz)
    assert torch.equal(both.landmarks.confidence, marks.confidence)
    write_detections(tmp_path / "d.npz", "key", [])
    assert read_detections(tmp_path / "d.npz", "key") == []


def test_others_and_damaged_ones_are_none(tmp_path):
    path = tmp_path / "d.npz"
    assert read_detections(path, "key") is None
    write_detections(path, "key", [Keypoints2D(torch.zeros(4, 25, 2), torch.zeros(4, 25), "body25")])
    assert read_detections(path, "other") is None
    path.write_bytes(path.read_bytes()[:200])
    assert read_detections(path, "key") is None


def test_they_are_of_the_file_its_frames_and_the_detector(write_video):
    path = write_video("walk.mp4", 6)
    whole, part = load_video(path), load_video(path, end=0.3)
    keys = {detections_key(whole, {"name": "a"}), detections_key(whole, {"name": "b"}), detections_key(part, {"name": "a"})}
    other = load_video(write_video("walk.mp4", 7), end=0.6)
    assert len(keys | {detections_key(other, {"name": "a"})}) == 4
    assert detections_key(load_video(path, end=0.3), {"name": "a"}) not in keys  # the file is another one now
