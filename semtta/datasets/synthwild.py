"""``synthwild``: the included benchmark of rendered clips, or one rendered by ``semtta synth synthwild``."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..data import load_video
from ..errors import unknown_name
from ..labelers.spans import label_spans
from ..synthesis import synthwild
from ..types import EvaluationProtocol, SegmentLabel, Video
from . import protocols
from .base import Finding, register


@dataclass(frozen=True)
class SynthWild:
    """The clips of one split, with simulated keypoints, labels, and ground truth on the ``open`` body."""

    root: Path
    split: str
    rows: tuple[dict[str, Any], ...]  # of the index, see semtta.synthesis.synthwild.read_index
    protocol: EvaluationProtocol
    name: str = "synthwild"

    def tracks(self) -> list[str]:
        """The names of the clips (split, label and situation), sorted."""
        return sorted(row["name"] for row in self.rows)

    def load(self, track: str) -> Video:
        """A clip with keypoints, labels for spans of 60 frames, and ground truth; SemttaError if it is unknown or damaged."""
        from ..data.truth import load_truth

        if track not in self.tracks():
            raise unknown_name("track", track, self.tracks())
        folder = self.root / track
        label = next(row["label"] for row in self.rows if row["name"] == track)
        video = load_video(folder / f"{track}.mp4", keypoints=folder / "keypoints.npz")
        spans = label_spans(video.num_frames)
        labels = tuple(SegmentLabel(start, stop, label, source=self.name) for start, stop in spans)
        truth = replace(load_truth(folder / "ground_truth.npz"), protocol=self.protocol)
        return replace(video, labels=labels, ground_truth=truth)

    def check(self) -> list[Finding]:
        """The number of clips, and how many have unchanged files (by sha256)."""
        expected = len(synthwild.takes(self.split))
        unchanged = sum(synthwild.is_whole(self.root, row) for row in self.rows)
        advice = "render the missing clips with 'semtta synth synthwild', or reinstall semtta"
        return [
            Finding(f"clips of {self.split}", len(self.rows), expected, advice),
            Finding("clips with unchanged files", unchanged, len(self.rows), advice),
        ]


@register("synthwild", needs=("protocol",))
def create(root: str | Path | None = None, split: str = "test", protocol: str | None = None) -> SynthWild:
    """The included clips, or those that 'semtta synth synthwild' rendered into ``root``; ``split`` is ``test`` or ``val``."""
    synthwild.takes(split)
    folder = Path(root) if root else synthwild.FOLDER
    rows = tuple(row for row in synthwild.read_index(folder) if row["split"] == split)
    return SynthWild(folder, split, rows, protocols.find("synthwild", protocol, "synthwild"))
