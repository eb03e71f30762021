"""Labels of a video: what a labeler says, as the prior takes it, asked for while the frames are decoded."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import replace

import torch
from torch import Tensor

from ..errors import SemttaError
from ..geometry.timing import motion_at_constant_rate
from ..labelers import LabelContext, Labeler
from ..labelers.spans import label_spans
from ..priors import Prior
from ..priors.near import label_features, near_in_words
from ..priors.text import encode_sentences
from ..settings import AdaptConfig
from ..types import Motion, Prediction, Progress, SegmentLabel, Video

_encoding = threading.Lock()


class Labelling:
    """A labeler at work on one video.

    An early labeler starts at once in a thread; ``labels`` waits for it. Leaving the block by an error stops it: requests
    that are under way are still finished and kept, no other is sent.
    """

    def __init__(
        self, video: Video, labeler: Labeler, prior: Prior, config: AdaptConfig, device: torch.device | str = "cpu",
        progress: Progress | None = None,
    ) -> None:  # fmt: skip
        self.video, self.labeler, self.prior, self.config = video, labeler, prior, config
        self.context = make_context(prior, config, device, progress)
        self.spans = label_spans(video.num_frames, config.labels.frames)
        self._pool = ThreadPoolExecutor(1) if labeler.early else None
        self._answers: Future[list[SegmentLabel]] | None = None

    def __enter__(self) -> Labelling:
        if self._pool is not None:
            self._answers = self._pool.submit(self.labeler.label, self.video, self.spans, self.context)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self.context.stop.set()
        if self._pool is not None:
            self._pool.shutdown()

    def labels(self, before: Prediction | None = None) -> tuple[list[SegmentLabel], list[str]]:
        """Labels of the video's spans as the prior takes them, and what the user should know about them.

        ``before`` is the first prediction, for labelers that look at it.
        """
        if self._answers is not None:
            while not wait([self._answers], timeout=0.2).done:
                pass  # a signal that another thread caught is heard between two waits, not in one without end
            answers = self._answers.result()
        else:
            context = replace(self.context, suggest=suggest_from(before, self.prior, self.video.fps, self.video.times_s))
            answers = self.labeler.label(self.video, self.spans, context)
        labels: list[SegmentLabel] = []
        where: dict[str, list[str]] = {}  # reason -> frames
        for item in answers:
            resolved = self.prior.resolve(item.label)
            reason = "; ".join(dict.fromkeys(filter(None, (item.reason, resolved.reason if item.label else ""))))
            trust = item.trust * self.prior.trust(resolved)
            labels.append(replace(item, label=resolved.label, reason=reason or resolved.reason, trust=trust))
            if reason and self.config.prior.name != "none":
                where.setdefault(reason, []).append(f"{item.start}-{item.stop - 1}")
        messages = [f"{_listed(frames)}: {reason}" for reason, frames in where.items()]
        if self.labeler.usage is not None:
            messages.append(f"{self.labeler.name}: {self.labeler.usage.summary()}")
        return labels, messages


def _listed(frames: Sequence[str]) -> str:
    return f"Frames {', '.join(frames)}" if len(frames) < 5 else f"{len(frames)} segments, the first of frames {frames[0]}"


def make_context(
    prior: Prior, config: AdaptConfig, device: torch.device | str = "cpu", progress: Progress | None = None
) -> LabelContext:
    """What a labeler may use beside the video, but for the first prediction."""

    def unlike(label: str) -> list[str]:
        assert prior.dictionary is not None
        known = prior.resolve(label).label
        if known not in prior.labels:  # none, or words that are taken as they are
            return list(prior.labels)
        features = prior.dictionary.text_features
        likeness = torch.cosine_similarity(features, prior.dictionary.features([known]), dim=-1).tolist()
        return [name for _, name in sorted(zip(likeness, prior.labels, strict=True)) if name != known]

    def resolve(label: str) -> tuple[str | None, float, str]:
        with _encoding:
            return prior.resolve(label)[:3]  # the trust comes when the answer is taken

    return LabelContext(
        prior.labels,
        unlike=unlike if prior.labels else None,
        seed=config.seed,
        resolve=resolve if config.prior.name != "none" else None,
        nearest=(lambda text, count: nearest_labels(prior.labels, text, count)) if prior.labels else None,
        device=str(device),
        progress=progress,
    )


def suggest_from(
    before: Prediction | None, prior: Prior, fps: float, times_s: Tensor | None = None
) -> Callable[[int, int], list[tuple[str, float]]] | None:
    """The prior's own opinion of a prediction; None without one, or without a dictionary. ``times_s``: as ``Video`` has them."""
    if before is None or not prior.labels:
        return None

    @torch.no_grad()
    def suggest(start: int, stop: int) -> list[tuple[str, float]]:
        names = list(prior.labels)
        motion = Motion(before.rotations[None, start:stop], fps=fps)
        if times_s is not None:
            motion = motion_at_constant_rate(motion.rotations, times_s[None, start:stop], prior.fps)
        motion = motion[torch.zeros(len(names), dtype=torch.long)]
        scores = prior.similarity(motion, names).tolist()
        return sorted(zip(names, scores, strict=True), key=lambda pair: -pair[1])

    return suggest


def nearest_labels(dictionary: Sequence[str], text: str, count: int) -> list[str]:
    """The ``count`` labels whose text features are most like the text's, best first; by words and letters without an encoder."""
    names = tuple(dictionary)
    try:
        with _encoding:
            scores = (label_features(names) @ encode_sentences([text])[0]).tolist()
    except SemttaError:
        return near_in_words(text, names)[:count]
    ranked = sorted(zip(scores, names, strict=True), key=lambda pair: -pair[0])
    return [name for _, name in ranked[:count]]
