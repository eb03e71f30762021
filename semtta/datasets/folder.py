"""A folder of videos, with whatever lies beside them: keypoints, labels, ground truth.

What belongs to ``NAME.mp4`` is called ``NAME`` + one of the endings below; where a folder holds one video alone, the ending's
own name will do (``keypoints.npz``), which is how ``semtta synth clip`` writes a clip.

=================  =======================================================================================================
``_keypoints``     ``.npz``, ``.json``, ``.zip`` or a folder: any format of ``semtta.detectors.read_keypoints``; or ``NAME.npz``
``_ground_truth``  ``.npz``, as ``semtta.synthesis.clips.truth_arrays`` describes
``_labels``        ``.json``: a list of ``start``, ``stop`` (exclusive, frames), ``label``; or ``.txt``: one label for the clip
=================  =======================================================================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..data import load_video
from ..errors import SemttaError
from ..io.labels import labels_of, read_labels
from ..types import EvaluationProtocol, Video
from . import protocols
from .base import Finding, no_folder, register

VIDEOS = (".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v", ".gif")
#: What may lie beside a video, and its file types ("" is a folder).
COMPANIONS = {"keypoints": (".npz", ".json", ".zip", ""), "ground_truth": (".npz",), "labels": (".json", ".txt")}


@dataclass(frozen=True)
class Folder:
    """One track for each video; sub-folders count, results of earlier runs do not."""

    root: Path
    protocol: EvaluationProtocol
    name: str = "folder"

    def tracks(self) -> list[str]:
        """Names of the videos; those in sub-folders have the folder in front unless it is called the same."""
        return sorted(self._videos())

    def load(self, track: str) -> Video:
        """The video with what lies beside it; SemttaError for an unknown one, and for a companion that does not fit."""
        videos = self._videos()
        if track not in videos:
            raise SemttaError(f"{self.root} has no video '{track}'. It has: {', '.join(sorted(videos)) or 'none'}.")
        path = videos[track]
        beside = self._beside(path)
        video = load_video(path, keypoints=beside.get("keypoints"), label=self._given_label(beside))
        video = replace(video, name=track)
        if "labels" in beside and beside["labels"].suffix == ".json":
            given = labels_of(read_labels(beside["labels"]), video, beside["labels"])
            video = replace(video, labels=tuple(replace(item, source="given") for item in given))
        if "ground_truth" not in beside:
            return video
        from ..data.truth import load_truth

        truth = replace(load_truth(beside["ground_truth"]), protocol=self.protocol)
        if len(truth.joints) != video.num_frames:
            raise SemttaError(f"{beside['ground_truth']} has {len(truth.joints)} frames, {path.name} has {video.num_frames}.")
        return replace(video, ground_truth=truth)

    def check(self) -> list[Finding]:
        """How many videos there are, and how many have keypoints, labels, ground truth."""
        beside = [self._beside(path) for path in self._videos().values()]
        found = [Finding("videos", len(beside), None, f"put videos ({', '.join(VIDEOS)}) here")]
        advice = {
            "keypoints": "without them the detector finds the person",
            "labels": "without them the labeler says what the person does",
            "ground_truth": "without it nothing can be evaluated",
        }
        return found + [
            Finding(f"videos with {what}", sum(self._has(what, item) for item in beside), len(beside), text)
            for what, text in advice.items()
        ]

    def _videos(self) -> dict[str, Path]:
        found = {}
        for path in sorted(self.root.rglob("*")):
            inside = path.relative_to(self.root).parts
            if path.suffix.lower() not in VIDEOS or path.name == "overlay.mp4" or any(p.startswith(".") for p in inside):
                continue
            folders = inside[:-1][:-1] if len(inside) > 1 and inside[-2] == path.stem else inside[:-1]
            found["_".join((*folders, path.stem))] = path
        return found

    def _beside(self, video: Path) -> dict[str, Path]:
        """What lies beside a video, by kind."""
        alone = sum(path.suffix.lower() in VIDEOS for path in video.parent.iterdir()) == 1
        found = {}
        for kind, endings in COMPANIONS.items():
            names = [f"{video.stem}_{kind}{ending}" for ending in endings]
            names += [f"{video.stem}.npz"] if kind == "keypoints" else []
            names += [f"{kind}{ending}" for ending in endings if alone]
            path = next((video.parent / name for name in names if (video.parent / name).exists()), None)
            if path is not None:
                found[kind] = path
        return found

    def _has(self, what: str, beside: Mapping[str, Path]) -> bool:
        return what in beside or (what == "labels" and self._given_label(beside) is not None)

    def _given_label(self, beside: Mapping[str, Path]) -> str | None:
        """The clip's one label: from the text file, or from where ``semtta synth clip`` puts it."""
        if "labels" in beside:
            return beside["labels"].read_text(encoding="utf-8").strip() if beside["labels"].suffix == ".txt" else None
        for kind in ("ground_truth", "keypoints"):
            if kind in beside and beside[kind].suffix == ".npz":
                try:
                    with np.load(beside[kind], allow_pickle=False) as data:
                        if "label" in data.files:
                            return str(data["label"])
                except (OSError, ValueError, EOFError):
                    continue  # whoever reads the file for its content says what is wrong with it
        return None


@register("folder", needs=("protocol",))
def folder(root: str | Path | None = None, split: str = "test", protocol: str | None = None) -> Folder:
    """A folder of the user's own videos; there is one split."""
    if root is None or not Path(root).is_dir():
        raise no_folder("folder", root, "your own videos", "your own files")
    return Folder(Path(root), protocols.find("folder", protocol, "folder"))
