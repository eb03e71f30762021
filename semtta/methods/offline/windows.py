"""Long clips, window by window: each window is adapted to like a clip, from the weights that the one before left.

So memory and the time of a step do not grow with the clip. Weights that went from window to window would drift to what the
last one shows; two anchors hold them (as in test-time adaptation to streams: an average over time, and a soft reset to the
source). With the pre-trained weights s and those that window k leaves, t_k:

    a_k = m a_(k-1) + (1 - m) t_k,   a_0 = s,          m: ``loop.window_average``
    window k + 1 starts from a_k + r (s - a_k)          r: ``loop.window_reset``

Frames that two windows share are blended from the one's prediction to the other's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import Any

import torch
from torch import Tensor

from ...geometry import matrix_from_6d, matrix_to_6d
from ...settings import AdaptConfig, LoopSettings
from ...types import Evidence, Prediction
from ..base import OnEpoch, RunState
from ..problem import Outcome, Problem, Roles
from .loop import Adaptation
from .state import prediction_dict

Weights = dict[str, Tensor]


def adapt_clip(
    problem: Problem, roles: Roles, config: AdaptConfig, before: Prediction, on_epoch: OnEpoch = None,
    resume: dict[str, Any] | None = None,
) -> Outcome:  # fmt: skip
    """Adapt to a clip: at once, or window by window if it is longer than ``loop.window_frames``."""
    spans = window_spans(len(problem), config.loop)
    if len(spans) < 2:
        return Adaptation(problem, roles, config).run(before, on_epoch, resume)
    return Windows(problem, roles, config, spans).run(before, on_epoch, resume)


def window_spans(count: int, loop: LoopSettings) -> list[tuple[int, int]]:
    """Windows (start, stop) of ``count`` frames, as long as one another, which share ``loop.window_overlap`` frames.

    They start where segments of the whole clip do; so they may be longer than ``loop.window_frames`` by less than a stride.
    """
    if loop.window_frames is None or count <= loop.window_frames:
        return [(0, count)]
    overlap = min(loop.window_overlap, loop.window_frames // 2)
    number = ceil((count - overlap) / (loop.window_frames - overlap))
    hop = ceil((count - overlap) / number / loop.segment_stride) * loop.segment_stride
    return [(start, min(start + hop + overlap, count)) for start in range(0, count - overlap, hop)]


@dataclass
class Progressed:
    """What is adapted so far of a clip; a checkpoint is this and nothing else."""

    prediction: Prediction  # [T] the pre-trained network's from the end of the last window that is done on
    evidence: Evidence  # [T, 29]
    similarity: Tensor  # [T]
    anchor: Weights  # a_k
    windows: int  # in all
    window: int = 0  # that is being adapted to, or is next
    records: list[list[dict[str, Any]]] = field(default_factory=list)  # of each window that is done
    inner: RunState | None = None  # of the window that is being adapted to

    @property
    def epoch(self) -> int:
        """Epochs done, of all windows."""
        return 0 if self.inner is None else self.window * self.inner.epochs + self.inner.epoch

    @property
    def epochs(self) -> int:
        """Epochs of all windows."""
        return 0 if self.inner is None else self.inner.epochs * self.windows

    def state_dict(self) -> dict[str, Any]:
        """The window's own state as ``inner``; ``history`` of the window, for those who look at its numbers."""
        inner = {} if self.inner is None else self.inner.state_dict()
        return {
            "prediction": prediction_dict(self.prediction), "evidence": vars(self.evidence), "similarity": self.similarity,
            "anchor": self.anchor, "window": self.window, "records": self.records, "inner": inner,
            "history": inner.get("history", []),
        }  # fmt: skip

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        device = self.similarity.device  # a checkpoint is read to the CPU
        self.prediction = Prediction(**saved["prediction"]).to(device)
        self.evidence = Evidence(**saved["evidence"]).to(device)
        self.similarity = saved["similarity"].to(device)
        self.anchor = {name: value.to(device) for name, value in saved["anchor"].items()}
        self.window, self.records = saved["window"], list(saved["records"])


class Windows:
    """The adaptation to a clip of several windows (start, stop)."""

    def __init__(self, problem: Problem, roles: Roles, config: AdaptConfig, spans: Sequence[tuple[int, int]]) -> None:
        self.problem, self.roles, self.spans = problem, roles, spans
        steps = ceil(config.loop.min_steps / len(spans))  # of all windows together as many as of the clip at once
        self.config = config.changed({"loop.min_steps": steps})
        self.source: Weights = {name: value.detach() for name, value in roles.estimator.named_parameters()}

    def run(self, before: Prediction, on_epoch: OnEpoch = None, resume: dict[str, Any] | None = None) -> Outcome:
        """As ``Adaptation.run``; the history's records are means over the windows, weighted by their frames."""
        similarity = before.betas.new_zeros(len(self.problem))
        done = Progressed(before, self.problem.evidence, similarity, dict(self.source), len(self.spans))
        saved = None
        if resume is not None:
            done.load_state_dict(resume)
            saved = resume["inner"]

        def follow(state: RunState) -> None:
            done.inner = state
            if on_epoch:
                on_epoch(done)

        for start, stop in self.spans[done.window :]:
            work = Adaptation(self.problem.part(start, stop), self.roles, self.config, self.first_weights(done.anchor))
            outcome = work.run(before[start:stop], follow, saved)
            saved, done.inner = None, None
            self.add(done, outcome, start, stop)
        frames = [stop - start for start, stop in self.spans]
        history = tuple(mean_records(records, frames) for records in zip(*done.records, strict=True))
        return Outcome(before, done.prediction, done.evidence, done.similarity, history, done.anchor)

    def first_weights(self, anchor: Weights) -> Weights:
        """What a window starts from: the anchor, pulled softly to the source."""
        return {name: value.lerp(self.source[name], self.config.loop.window_reset) for name, value in anchor.items()}

    def add(self, done: Progressed, outcome: Outcome, start: int, stop: int) -> None:
        """Blend a window's outcome into what is done, and move the anchor."""
        shared = self.spans[done.window - 1][1] - start if done.window else 0
        share = torch.ones(stop - start, device=self.problem.device)  # of the new window in each frame
        share[:shared] = torch.arange(1, shared + 1, device=share.device) / (shared + 1)
        frames = torch.arange(start, stop, device=share.device)
        done.prediction = done.prediction.updated(frames, blended(done.prediction[start:stop], outcome.after, share))
        later = slice(start + shared // 2, stop)  # keypoints and similarity of the nearer window
        done.evidence = replaced(done.evidence, outcome.evidence[shared // 2 :], later)
        done.similarity = torch.cat((done.similarity[: later.start], outcome.similarity[shared // 2 :], done.similarity[stop:]))
        average = self.config.loop.window_average
        done.anchor = {name: outcome.weights[name].lerp(value, average) for name, value in done.anchor.items()}
        done.records.append(list(outcome.history))
        done.window += 1


def blended(old: Prediction, new: Prediction, share: Tensor) -> Prediction:
    """Predictions [N] between two, with ``share`` [N] of the new one; rotations by way of their first two columns."""

    def between(a: Tensor, b: Tensor) -> Tensor:
        return torch.lerp(a, b, share.view(-1, *[1] * (a.ndim - 1)))

    six = between(*(matrix_to_6d(each.rotations, "columns") for each in (old, new)))
    mixed = matrix_from_6d(six, "columns")
    rotations = new.rotations.where((share == 1).view(-1, 1, 1, 1), mixed)  # exactly the new one's
    return Prediction(rotations, between(old.betas, new.betas), between(old.camera, new.camera))


def replaced(evidence: Evidence, part: Evidence, place: slice) -> Evidence:
    """The evidence with other frames in one place."""
    points, present = evidence.points.clone(), evidence.present.clone()
    points[place], present[place] = part.points, part.present
    return Evidence(points, present)


def mean_records(records: Sequence[Mapping[str, Any]], frames: Sequence[int]) -> dict[str, Any]:
    """One epoch's record of all windows: means weighted by their frames; steps and seconds add up."""
    mean: dict[str, Any] = {}
    for name in dict.fromkeys(name for record in records for name in record):
        known = [(record[name], count) for record, count in zip(records, frames, strict=True) if record.get(name) is not None]
        if name in ("steps", "seconds"):
            mean[name] = sum(value for value, _ in known)
        elif name == "epoch":
            mean[name] = known[0][0]
        else:
            mean[name] = sum(value * count for value, count in known) / sum(count for _, count in known) if known else None
    return mean
