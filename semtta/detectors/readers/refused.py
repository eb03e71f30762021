"""Files that are often given as keypoints and are not read: what they are, and what to give instead."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ...errors import SemttaError
from ...io.forms import shown
from .documents import Documents, read_documents

_NPZ = "Write the points with numpy.savez(file, keypoints=[T, J, 3])."
#: By the end of the name: what it is, and the cure.
BY_SUFFIX = {
    **dict.fromkeys((".npy",), ("a single array", "Write it with numpy.savez as npz, keypoints=[T, J, 3].")),
    **dict.fromkeys((".csv", ".tsv", ".h5", ".hdf5"), ("a table (DeepLabCut's, or another program's)", _NPZ)),
    **dict.fromkeys((".pkl", ".pickle", ".joblib", ".pt", ".pth", ".mat"), ("a file of objects, which may run code", _NPZ)),
    ".txt": ("text (YOLO's labels?)", "Write JSON: Results.to_json() of Ultralytics, or save_json=True."),
    ".xml": ("XML (CVAT's annotations?)", "Export as COCO Keypoints 1.0."),
    **dict.fromkeys((".yml", ".yaml"), ("YAML (OpenPose's --write_keypoint?)", "Run OpenPose with --write_json.")),
    **dict.fromkeys(
        (".trc", ".c3d", ".mot", ".bvh", ".fbx"), ("3D motion", "Give 2D keypoints in pixels, such as OpenPose's JSON.")
    ),
    **dict.fromkeys((".mp4", ".avi", ".mov", ".mkv", ".webm"), ("a video", "Leave it out to run the included detector.")),
    **dict.fromkeys((".png", ".jpg", ".jpeg"), ("an image", "Give 2D keypoints, such as OpenPose's JSON.")),
    **dict.fromkeys((".gz", ".bz2", ".xz", ".7z", ".rar", ".tar", ".tgz"), ("a packed file", "Unpack it, or pack it as zip.")),
}
#: By a key of the JSON, or of the first thing in it.
BY_KEY = {
    "annolist": ("PoseTrack's annotations", "Convert them to COCO's format."),
    "shapes": ("labelme's annotations", "Export them as COCO keypoints."),
    "_via_img_metadata": ("annotations of VIA", "Export them as COCO keypoints."),
    "pred_boxes": ("Detectron2's instances", "Write coco_instances_results.json with its COCOEvaluator."),
    "pose_keypoints_3d": ("3D keypoints", "Give the 2D ones: OpenPose's pose_keypoints_2d."),
    "box": ("boxes without keypoints", "Run a pose model, such as yolo11n-pose."),
    "bbox": ("boxes without keypoints", "Run a keypoint model."),
    "images": ("a COCO file without 'annotations'", "Give the one with 'images' and 'annotations', or the results."),
    "annotations": ("a COCO file without 'images'", "Give the one with 'images' and 'annotations', or the results."),
    "instances": ("a single frame of MMPose's", "Give the JSON of the whole video."),
    "smpl": ("3D poses", "Give them as --estimator motion:FILE, and 2D keypoints here."),
}
READ = "OpenPose, COCO, AlphaPose, MMPose, Ultralytics, MediaPipe, Pose2Sim or Sports2D, or an npz"


def unreadable(path: Path) -> SemttaError:
    """The error for a file in no format that is read; says what it is, where its name or content tells."""
    what, cure = BY_SUFFIX.get(path.suffix.lower(), ("", "")) if path.is_file() else ("", "")
    documents = None if what else read_documents(path)
    if documents is not None:
        what, cure = _by_content(documents)
    if what:
        return SemttaError(f"{shown(path)} is {what}: no known keypoint format. {cure}")
    return SemttaError(f"{shown(path)} is in no known keypoint format: give files of {READ}.")


def _by_content(documents: Documents) -> tuple[str, str]:
    content: Any = documents.named[0][1]
    for _ in range(3):
        if isinstance(content, dict):
            if found := next((BY_KEY[key] for key in BY_KEY if key in content), None):
                return found
            content = list(content.values())
        content = next((one for one in content if isinstance(one, (dict, list))), None) if isinstance(content, list) else None
    return "", ""
