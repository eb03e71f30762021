"""Small valid keypoint files of every format that is read: 5 frames of one person who walks to the right."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

SIZE = (640, 480)
FRAMES = 5
_SHAPE = np.random.default_rng(0).uniform(-0.5, 0.5, (136, 2)) * (60, 200)


def pose(frame: int, joints: int) -> np.ndarray:
    """[J, 3]: the person of a frame; the nose is at ``nose(frame)``."""
    return np.column_stack([_SHAPE[:joints] + np.array((100 + 10 * frame, 240)), np.full(joints, 0.8)]).round(3)


def nose(frame: int) -> list[float]:
    return pose(frame, 1)[0, :2].tolist()


def flat(frame: int, joints: int = 17) -> list[float]:
    return pose(frame, joints).ravel().tolist()


def openpose_frame(frame: int, joints: int = 25) -> dict[str, Any]:
    return {"version": 1.3, "people": [{"person_id": [-1], "pose_keypoints_2d": flat(frame, joints), "face_keypoints_2d": []}]}


def openpose(folder: Path, name: str = "clip_{:012d}_keypoints.json", frames: range = range(FRAMES), joints: int = 25) -> Path:
    folder.mkdir(exist_ok=True, parents=True)
    for i in frames:
        (folder / name.format(i)).write_text(json.dumps(openpose_frame(i - frames.start, joints)))
    return folder


def zipped(path: Path, folder: Path, inside: str = "") -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.iterdir()):
            archive.write(file, inside + file.name)
    return path


def coco_rows() -> list[dict[str, Any]]:
    return [{"image_id": i, "category_id": 1, "keypoints": flat(i), "score": 0.9} for i in range(FRAMES)]


def coco_dataset(first: int = 0) -> dict[str, Any]:
    names = [f"frame_{i:06d}.PNG" for i in range(first, first + FRAMES)]
    return {
        "images": [{"id": i, "file_name": name, "width": 640, "height": 480} for i, name in enumerate(names, 100)],
        "annotations": [{**row, "image_id": row["image_id"] + 100} for row in coco_rows()],
        "categories": [{"id": 1, "name": "person"}],
    }


def alphapose_rows(first: int = 0, joints: int = 17) -> list[dict[str, Any]]:
    return [
        {"image_id": f"{i + first}.jpg", "category_id": 1, "keypoints": flat(i, joints), "score": 2.9, "idx": 1}
        for i in range(FRAMES)
    ]


def alphapose_open(key: str = "people", inner: str = "pose_keypoints_2d") -> dict[str, Any]:
    return {f"{i}.jpg": {"version": "AlphaPose v0.3", key: [{inner: flat(i, 18)}]} for i in range(FRAMES)}


def mmpose_instance(frame: int, joints: int = 17) -> dict[str, Any]:
    values = pose(frame, joints)
    return {"keypoints": values[:, :2].tolist(), "keypoint_scores": values[:, 2].tolist(), "bbox": [[1, 2, 3, 4]]}


def mmpose_frames(first: int, joints: int = 17) -> list[dict[str, Any]]:
    return [{"frame_id": i + first, "instances": [mmpose_instance(i, joints)]} for i in range(FRAMES)]


def mmpose_demo() -> dict[str, Any]:
    return {"meta_info": {"dataset_name": "coco", "num_keypoints": 17}, "instance_info": mmpose_frames(1)}


def ultralytics_frame(frame: int) -> list[dict[str, Any]]:
    x, y, visible = pose(frame, 17).T.tolist()
    box = {"x1": 1.0, "y1": 2.0, "x2": 3.0, "y2": 4.0}
    return [
        {"name": "person", "class": 0, "confidence": 0.9, "box": box, "keypoints": {"x": x, "y": y, "visible": visible}},
    ]


def landmarks(frame: int) -> list[dict[str, float]]:
    """MediaPipe's 33, of which landmark 0 is the nose, as fractions."""
    return [{"x": x / SIZE[0], "y": y / SIZE[1], "z": 0.1, "visibility": v} for x, y, v in pose(frame, 33).tolist()]


def mediapipe() -> list[dict[str, Any]]:
    return [{"frame": i, "pose_landmarks": landmarks(i)} for i in range(FRAMES)]


def trc(first_s: float = 0.0) -> str:
    """Sports2D's file in pixels, at 10 frames a second."""
    names = ["Nose", "RHip", "LHip", "RShoulder", "LShoulder", "RAnkle", "LAnkle"]
    lines = [
        "PathFileType\t4\t(X/Y/Z)\tclip_px_person00.trc", "DataRate\tCameraRate\tNumFrames\tNumMarkers\tUnits",
        f"10\t10\t{FRAMES}\t{len(names)}\tm", "Frame#\tTime\t" + "\t\t\t".join(names) + "\t\t\t",
        "\t\t" + "\t".join(f"X{i}\tY{i}\tZ{i}" for i in range(1, len(names) + 1)),
    ]  # fmt: skip
    for i in range(FRAMES):
        cells = [f"{x}\t{y}\t0.0" for x, y, _ in pose(i, len(names)).tolist()]
        lines.append(f"{i}\t{first_s + i / 10}\t" + "\t".join(cells))
    return "\n".join(lines) + "\n"


def arrays() -> np.ndarray:
    """[T, 25, 3]"""
    return np.stack([pose(i, 25) for i in range(FRAMES)])


def dump(path: Path, content: Any) -> Path:
    path.write_text(json.dumps(content))
    return path


def save(path: Path, **values: Any) -> Path:
    np.savez(path, **values)
    return path


#: One valid file of every format by name; each writes into an empty folder and returns what to give.
VALID = {
    "openpose": lambda d: openpose(d / "json"),
    "openpose-18": lambda d: openpose(d / "json", joints=18),
    "openpose-zip": lambda d: zipped(d / "k.zip", openpose(d / "json"), "clip/"),
    "pose2sim": lambda d: openpose(d / "cam01_json", "cam01_{:06d}.json", joints=26),
    "pose2sim-parent": lambda d: openpose(d / "pose_json", "cam01_{:06d}.json", joints=133).parent,
    "rtmlib-17": lambda d: openpose(d / "json", "{:05d}.json", joints=17),
    "coco-results": lambda d: dump(d / "k.json", coco_rows()),
    "coco-dataset": lambda d: dump(d / "k.json", coco_dataset()),
    "alphapose": lambda d: dump(d / "k.json", alphapose_rows()),
    "alphapose-136": lambda d: dump(d / "k.json", alphapose_rows(joints=136)),
    "alphapose-open": lambda d: dump(d / "k.json", alphapose_open()),
    "alphapose-cmu": lambda d: dump(d / "k.json", alphapose_open("bodies", "joints")),
    "mmpose-demo": lambda d: dump(d / "k.json", mmpose_demo()),
    "mmpose-inferencer": lambda d: dump(d / "k.json", mmpose_frames(0, 133)),
    "mmpose-folder": lambda d: [dump(d / f"{i:06d}.json", [mmpose_instance(i)]) for i in range(FRAMES)] and d,
    "ultralytics-list": lambda d: dump(d / "k.json", [ultralytics_frame(i) for i in range(FRAMES)]),
    "ultralytics-text": lambda d: dump(d / "k.json", [json.dumps(ultralytics_frame(i)) for i in range(FRAMES)]),
    "ultralytics-folder": lambda d: [dump(d / f"walk_{i}.json", ultralytics_frame(i)) for i in range(FRAMES)] and d,
    "mediapipe": lambda d: dump(d / "k.json", mediapipe()),
    "mediapipe-frames": lambda d: dump(
        d / "k.json", {"fps": 30, "frames": [{"landmarks": [landmarks(i)]} for i in range(FRAMES)]}
    ),
    "mediapipe-lists": lambda d: dump(d / "k.json", [landmarks(i) for i in range(FRAMES)]),
    "mediapipe-proto": lambda d: dump(d / "k.json", [{"poseLandmarks": {"landmark": landmarks(i)}} for i in range(FRAMES)]),
    "mediapipe-folder": lambda d: [dump(d / f"f{i}.json", {"pose_landmarks": landmarks(i)}) for i in range(FRAMES)] and d,
    "sports2d": lambda d: [(d / "clip_px_person00.trc").write_text(trc())] and d,
    "sports2d-file": lambda d: [(d / "clip_px.trc").write_text(trc())] and d / "clip_px.trc",
    "npz": lambda d: save(d / "k.npz", keypoints=arrays()),
    "npz-people": lambda d: save(d / "k.npz", keypoints=arrays()[:, None], width=640, height=480),
    "npz-own": lambda d: save(d / "k.npz", xy=arrays()[..., :2], confidence=arrays()[..., 2], joint_set="body25"),
}
