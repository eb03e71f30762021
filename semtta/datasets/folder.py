"""A folder of videos, with optional companion files: keypoints, labels, ground truth.

The companions of ``NAME.mp4`` are named ``NAME`` + one of the suffixes below. In a folder with a single video the suffix alone
is enough (``keypoints.npz``), which is how ``semtta synth clip`` writes a clip.

=================  =======================================================================================================
``_keypoints``     ``.npz``, ``.json``, ``.zip`` or a folder, as ``semtta.detectors.read_keypoints`` reads; or ``NAME.npz``
``_ground_truth``  ``.npz``, as ``semtta.synthesis.clips.truth_arrays`` describes
``_labels``        ``.json``: a list of ``start``, ``stop`` (exclusive, frames), ``label``; or ``.txt``: one label for the clip
=================  =======================================================================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from ..data import load_video
from ..errors import SemttaError, unknown_name
from ..io.arrays import read_npz
from ..io.files import reading
from ..io.labels import labels_of, read_labels
from ..io.text import read_text
from ..types import EvaluationProtocol, Video
from . import protocols
from .base import Finding, missing_dataset, register

VIDEOS = (".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v", ".gif")
#: Kinds of companion files and their file types ("" is a folder).
COMPANIONS = {"keypoints": (".npz", ".json", ".zip", ""), "ground_truth": (".npz",), "labels": (".json", ".txt")}
LONGEST_LABEL = 200


@dataclass(frozen=True)
class Folder:
    """One track per video, subfolders included; results of earlier runs are ignored."""

    root: Path
    protocol: EvaluationProtocol
    name: str = "folder"

    def tracks(self) -> list[str]:
        """The names of the videos; those in subfolders are prefixed with the folder's name unless it is the same.

        Raises SemttaError if there is none.
        """
        names = sorted(self._videos())
        if not names:
            raise SemttaError(f"{self.root} has no video: put some ({', '.join(VIDEOS)}) there, or give another --root.")
        return names

    def load(self, track: str) -> Video:
        """The video with its companion files; SemttaError for an unknown one, and for a companion that does not match."""
        videos = self._videos()
        if track not in videos:
            raise unknown_name("video", track, videos)
        path = videos[track]
        companions = self._companions(path)
        video = load_video(path, keypoints=companions.get("keypoints"), label=self._clip_label(companions))
        video = replace(video, name=track)
        if "labels" in companions and companions["labels"].suffix == ".json":
            with reading(companions["labels"], "a file of labels"):
                labels = labels_of(read_labels(companions["labels"]), video, companions["labels"])
            video = replace(video, labels=tuple(replace(item, source="given") for item in labels))
        if "ground_truth" not in companions:
            return video
        from ..data.truth import load_truth

        truth = replace(load_truth(companions["ground_truth"]), protocol=self.protocol)
        if len(truth.joints) != video.num_frames:
            raise SemttaError(f"{companions['ground_truth']} has {len(truth.joints)} frames, {path.name} has {video.num_frames}.")
        return replace(video, ground_truth=truth, camera=None)  # the truth's is better than what the file says of its lens

    def check(self) -> list[Finding]:
        """The number of videos, and how many have keypoints, labels and ground truth."""
        companions = [self._companions(path) for path in self._videos().values()]
        findings = [Finding("videos", len(companions), None, f"put videos ({', '.join(VIDEOS)}) here")]
        advice = {
            "keypoints": "without them the detector finds the person",
            "labels": "without them the labeler names what the person does",
            "ground_truth": "without it nothing can be evaluated",
        }
        return findings + [
            Finding(f"videos with {what}", sum(self._has(what, item) for item in companions), len(companions), text)
            for what, text in advice.items()
        ]

    def _videos(self) -> dict[str, Path]:
        found: dict[str, list[Path]] = {}
        for path in sorted(self.root.rglob("*")):
            inside = path.relative_to(self.root).parts
            if path.suffix.lower() not in VIDEOS or path.name == "overlay.mp4" or any(p.startswith(".") for p in inside):
                continue
            folders = inside[:-1][:-1] if len(inside) > 1 and inside[-2] == path.stem else inside[:-1]
            found.setdefault("_".join((*folders, path.stem)), []).append(path)
        videos: dict[str, Path] = {}
        for name, paths in found.items():  # walk.mp4 and walk.avi are two tracks
            own = {name if len(paths) == 1 else f"{name}_{path.suffix[1:]}": path for path in paths}
            if len(own) < len(paths) or own.keys() & videos:
                names = " and ".join(str(path.relative_to(self.root)) for path in [*paths, *videos.values()][:2])
                raise SemttaError(f"Two videos in {self.root} would be called the same ({names}): rename one.")
            videos |= own
        return videos

    def _companions(self, video: Path) -> dict[str, Path]:
        """The companion files of a video, by kind."""
        only_video = sum(path.suffix.lower() in VIDEOS for path in video.parent.iterdir()) == 1
        files = {}
        for kind, suffixes in COMPANIONS.items():
            names = [f"{video.stem}_{kind}{suffix}" for suffix in suffixes]
            names += [f"{video.stem}.npz"] if kind == "keypoints" else []
            names += [f"{kind}{suffix}" for suffix in suffixes if only_video]
            path = next((video.parent / name for name in names if (video.parent / name).exists()), None)
            if path is not None:
                files[kind] = path
        return files

    def _has(self, what: str, companions: Mapping[str, Path]) -> bool:
        return what in companions or (what == "labels" and self._clip_label(companions) is not None)

    def _clip_label(self, companions: Mapping[str, Path]) -> str | None:
        """The label of the whole clip: from the text file, or from where ``semtta synth clip`` stores it."""
        if "labels" in companions:
            return _read_label(companions["labels"]) if companions["labels"].suffix == ".txt" else None
        for kind in ("ground_truth", "keypoints"):
            if kind in companions and companions[kind].suffix == ".npz":
                with suppress(SemttaError):  # which is reported when the file's content is read
                    label = read_npz(companions[kind], only=("label",)).get("label")
                    if label is not None:
                        return str(label)
        return None


def _read_label(path: Path) -> str | None:
    """The label in a text file; None if it is empty."""
    label = " ".join(read_text(path, "a label").split())
    if len(label) > LONGEST_LABEL or not label.isprintable():
        raise SemttaError(f"{path} is not a label: write what the person does in at most {LONGEST_LABEL} characters.")
    return label or None


@register("folder", needs=("protocol",))
def folder(root: str | Path | None = None, split: str = "test", protocol: str | None = None) -> Folder:
    """A folder of the user's own videos; there is one split."""
    if root is None or not Path(root).is_dir():
        raise missing_dataset("folder", root, "your own videos", "your own files")
    return Folder(Path(root), protocols.find("folder", protocol, "folder"))
