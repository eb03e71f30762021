"""What a run is a run of: everything that decides its result, so that a result never stands for another input's."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..io.files import sha256
from ..labelers.spans import frame_labels
from ..methods import Roles
from ..settings import AdaptConfig, flatten
from ..types import Video
from .camera import known_camera
from .landmarks import GIVEN, landmarks_source, landmarks_wanted

#: Of checkpoints and results; a change of what they mean changes it.
FORMAT = 4
#: Settings that change where or how fast a run is made, not what comes out.
NOT_KEYED = ("device", "threads", "loop.micro_batch")

Identity = dict[str, Any]


def run_identity(video: Video, config: AdaptConfig, roles: Roles, people: Sequence[int] | None = None) -> Identity:
    """Plain values by what they stand for: video, frames, person, keypoints, boxes, labels, settings and weights.

    ``people``: the numbers of those who are adapted together, since they come to stand on one floor; by default the person alone.
    The video is known by its file's content (a dataset's track by its name and frames), keypoints by their values, or
    as the detector's. ``settings`` is a mapping by dotted key, ``weights`` one by role; ``source`` is only told, since a file
    may be moved.
    """
    settings, points = flatten(config.dump()), video.keypoints
    return {
        "format": FORMAT,
        "video": _video(video),
        "source": video.source or video.name,
        "frames": _frames(video),
        "person": video.person,
        "people": ", ".join(map(str, people or (video.person,))),
        "keypoints": "of the detector" if points is None else _tensors(points.xy, points.confidence),
        "landmarks": _landmarks(video, config, roles),
        "boxes": "from the keypoints" if video.boxes is None else _tensors(video.boxes),
        "camera": _camera(video, config),
        "labels": _labels(video, config),
        "settings": {key: _plain(value) for key, value in settings.items() if key not in NOT_KEYED},
        "weights": {role: weights_digest(part) for role, part in vars(roles).items()},
    }  # fmt: skip


def identity_digest(identity: Identity) -> str:
    """Sixteen hexadecimal digits."""
    identity = {key: value for key, value in identity.items() if key != "source"}
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]


def differences(requested: Identity, previous: Identity) -> list[str]:
    """What differs between a run that is asked for and one that was made, in words, the plainest first."""
    previous_settings, requested_settings = previous.get("settings", {}), requested["settings"]
    lines = [
        f"{key} is {requested_settings.get(key)}, was {previous_settings.get(key)}"
        for key in sorted({*requested_settings, *previous_settings})
        if requested_settings.get(key) != previous_settings.get(key)
    ]
    weights = [r for r in requested["weights"] if requested["weights"][r] != previous.get("weights", {}).get(r)]
    named: list[str] = []
    keys = ("format", "video", "people", "person", "frames", "keypoints", "landmarks", "boxes", "camera", "labels")
    for key in keys:
        if requested[key] != previous.get(key):
            named.append(_difference(key, requested, previous))
    return [*named, *lines, *(f"other weights of the {role}" for role in weights if not lines)]


def _difference(key: str, requested: Identity, previous: Identity) -> str:
    if key == "video":
        source, before = requested["source"], previous.get("source")
        return f"the video is {source}, was {before}" if source != before else f"the video {source} has changed"
    return f"other {key}" if key in ("keypoints", "boxes") else f"{key}: {requested[key]}, was {previous.get(key)}"


def weights_digest(part: Any) -> str:
    """Of a network's weights and a prior's dictionary; of another part only its kind."""
    digest = hashlib.sha256(f"{type(part).__module__}.{type(part).__qualname__}".encode())
    tensors = dict(part.state_dict()) if isinstance(part, nn.Module) else {}
    dictionary = getattr(part, "dictionary", None)
    if dictionary is not None:
        tensors |= dictionary.tensors()
        digest.update(json.dumps(dictionary.labels).encode())
    for name, value in sorted(tensors.items()):
        if torch.is_tensor(value):
            digest.update(name.encode() + _bytes(value))
    return digest.hexdigest()


def _video(video: Video) -> str:
    path = Path(video.source) if video.source else None
    content = sha256(path) if path is not None and path.is_file() else video.source
    text = json.dumps([content, video.name if content == video.source else "", list(video.size), video.fps])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _frames(video: Video) -> str:
    """Numbers of the frames in the file: "30 to 149"; with a digest if some between are left out."""
    index = torch.arange(video.num_frames) if video.frame_index is None else video.frame_index.cpu().long()
    if not len(index):
        return "none"
    text = f"{int(index[0])} to {int(index[-1])}"
    return text if bool((index.diff() == 1).all()) else f"{len(index)} of {text}, {_tensors(index)}"


def _camera(video: Video, config: AdaptConfig) -> str:
    """The camera that is known, by its numbers, and the path that came with it."""
    known, path = known_camera(video, config), video.camera_path
    place = "assumed" if known is None else f"{known.focal_px:g} px, ({known.center_px[0]:g}, {known.center_px[1]:g})"
    if path is None:
        return place
    return f"{place}, path {_tensors(path.rotation, path.translation)} in {'metres' if path.metric else 'some unit'}"


def _landmarks(video: Video, config: AdaptConfig, roles: Roles) -> str:
    source, points = landmarks_source(video, config, landmarks_wanted(config, roles.estimator)), video.keypoints
    if source != GIVEN or points is None or points.landmarks is None:
        return source
    return f"{source}, {_tensors(points.landmarks.xyz, points.landmarks.confidence)}"


def _labels(video: Video, config: AdaptConfig) -> str:
    """The labels that came with the video, or the content of the file that the labeler reads."""
    kind, _, path = config.labeler.name.partition(":")
    if kind == "file" and Path(path).is_file():
        return f"file {sha256(Path(path))[:16]}"
    names = frame_labels(video.labels, video.num_frames)
    if not any(names):
        return "none given"
    if len(set(names)) == 1:
        return f"'{names[0]}'"
    return f"{len(video.labels)} given, {hashlib.sha256(json.dumps(names).encode()).hexdigest()[:8]}"


def _tensors(*tensors: Tensor) -> str:
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(_bytes(tensor))
    return digest.hexdigest()[:16]


def _bytes(tensor: Tensor) -> bytes:
    return tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes()


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, (tuple, list)) else dict(value) if isinstance(value, Mapping) else value
