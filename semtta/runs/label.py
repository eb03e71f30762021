"""Labels without adaptation: what ``semtta label`` does for several videos and labelers, and what it writes."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from ..api import Progress, locate, make_prior
from ..data import build_crops
from ..devices import choose_device
from ..errors import SemttaError
from ..estimators import Estimator, estimators
from ..io.files import write_text
from ..io.labels import labels_of, read_labels, to_csv, to_record
from ..io.run_folder import clip_folder
from ..labelers import Labeler, Oracle, VisionLanguageLabeler, labelers
from ..labelers.base import Usage
from ..labelers.evaluation import LabelEvaluation, LabelRun, evaluate_labels
from ..labelers.vlm import Estimate
from ..methods.passes import predict
from ..methods.problem import Estimate as Prediction
from ..pipeline.labels import Labelling
from ..priors import Prior
from ..settings.config import AdaptConfig, merge, resolve
from ..types import SegmentLabel, Video

#: Side of the boxes / extent of the keypoints, where no estimator asks for its own.
BOX_SCALE = 1.2


def label_videos(
    videos: Sequence[Video],
    names: Sequence[str],
    preset: str = "paper",
    settings: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
) -> list[LabelRun]:
    """Label each video with each labeler, one after the other. A budget (``vlm.budget``) holds for all together.

    Raises SemttaError for names that no registry knows before anything is asked.
    """
    _different_names(videos)
    made = [labelers.create(name) for name in names]
    config, prior = _config_and_prior(preset, settings)
    videos = [locate(video, config, BOX_SCALE, progress) for video in videos]
    runs: list[LabelRun] = []
    for name, labeler in zip(names, made, strict=True):
        spent = sum(run.usage.cost for run in runs)
        left = {} if config.vlm.budget is None else {"vlm": {"budget": max(0.0, config.vlm.budget - spent)}}
        runs.append(_run(name, labeler, videos, prior, AdaptConfig(**merge(config.model_dump(), left)), progress))
    return runs


def estimate_labels(
    videos: Sequence[Video],
    name: str,
    preset: str = "paper",
    settings: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
) -> Estimate:
    """What a labeler would send for the videos. Sends nothing."""
    labeler = labelers.create(name)
    config, prior = _config_and_prior(preset, settings)
    total = Estimate(0, 0, 0, 0, 0, 0.0)
    for video in videos:
        work = Labelling(locate(video, config, BOX_SCALE, progress), labeler, prior, config)
        if not isinstance(labeler, VisionLanguageLabeler):
            total = replace(total, segments=total.segments + len(work.spans))
            continue
        more = labeler.estimate(work.video, work.spans, work.context)
        cost = None if more.cost is None or total.cost is None else total.cost + more.cost
        sums = {key: getattr(total, key) + value for key, value in vars(more).items() if key != "cost"}
        total = Estimate(**sums, cost=cost)
    return total


def evaluate_runs(
    runs: Sequence[LabelRun], videos: Sequence[Video], truth: Path | None, preset: str = "paper",
    settings: Mapping[str, Any] | None = None,
) -> list[LabelEvaluation]:  # fmt: skip
    """Judge runs by the labels of a file, or by those that came with the videos; each as the prior takes it."""
    config, prior = _config_and_prior(preset, settings)
    known = read_labels(truth) if truth else {video.name: video.labels for video in videos}
    labels: dict[str, list[SegmentLabel]] = {}
    for video in videos:
        given = labels_of(known, video, truth or "the videos")
        with Labelling(replace(video, labels=given), Oracle(), prior, config) as work:
            found, _ = work.labels()
        labels[video.name] = [item for item in found if _covered(item, given)]
    if not any(labels.values()):
        raise SemttaError("There is no true label to compare with: give a file of labels with --evaluate FILE.")
    return [evaluate_labels(run.labeler, run.labels, labels, run.usage) for run in runs]


def write_label_run(
    run: LabelRun, videos: Sequence[Video], out: Path, review: bool = False, evaluation: LabelEvaluation | None = None,
    settings: Mapping[str, Any] | None = None,
) -> list[Path]:  # fmt: skip
    """``OUT/<clip>/labels.json`` of each video; ``review.html`` and ``review.csv`` of all; ``evaluation.json``."""
    written = []
    for video, items in run.labels.items():
        written.append(clip_folder(out, video) / "labels.json")
        _write(written[-1], json.dumps([to_record(i, item) for i, item in enumerate(items)], indent=1) + "\n")
    if evaluation is not None:
        written.append(out / "evaluation.json")
        _write(written[-1], json.dumps(evaluation.record(), indent=1) + "\n")
    if review:
        from ..visualization.review import review_page

        written += [out / "review.csv", out / "review.html"]
        _write(written[-2], to_csv(run.labels))
        _write(written[-1], review_page(run, videos, resolve("paper", settings).vlm, evaluation))
    return written


def _config_and_prior(preset: str, settings: Mapping[str, Any] | None) -> tuple[AdaptConfig, Prior]:
    config = resolve(preset, settings)
    return config, make_prior(config)


def _run(
    name: str, labeler: Labeler, videos: Sequence[Video], prior: Prior, config: AdaptConfig, progress: Progress | None
) -> LabelRun:
    device = choose_device(config.device)
    labels, messages, usage = {}, [], Usage()
    estimator = None if labeler.early else _create_estimator(config).to(device)
    for video in videos:
        began = time.perf_counter()
        step = None if progress is None else lambda done, total, title=f"{video.name}: {name}": progress(title, done, total)
        with Labelling(video, labeler, prior, config, device, step) as work:
            found, notes = work.labels(None if estimator is None else _prediction(video, estimator, config, device))
        labels[video.name] = tuple(found)
        messages += [f"{video.name}: {note}" for note in notes]
        usage.segments += len(found)
        usage.seconds += time.perf_counter() - began
    if isinstance(labeler, VisionLanguageLabeler):
        usage = labeler.usage
    return LabelRun(name, labels, tuple(messages), usage, tuple(prior.labels))


def _create_estimator(config: AdaptConfig) -> Estimator:
    options = {} if config.estimator_weights is None else {"weights": config.estimator_weights}
    return estimators.create(config.estimator, **options)


def _prediction(video: Video, estimator: Estimator, config: AdaptConfig, device: torch.device) -> Prediction:
    crops = build_crops(video, video.boxes, estimator.crop_px).to(device)
    return predict(estimator, dict(estimator.named_parameters()), crops, config.micro_batch)


def _covered(item: SegmentLabel, given: Sequence[SegmentLabel]) -> bool:
    """Whether something, if only that there is no label, was said about most of a span."""
    said = sum(max(0, min(item.stop, known.stop) - max(item.start, known.start)) for known in given)
    return 2 * said > item.stop - item.start


def _different_names(videos: Sequence[Video]) -> None:
    names = [video.name for video in videos]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise SemttaError(f"Two videos are called '{twice}': label them one at a time, or rename one.")


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, text)
    except OSError as error:
        raise SemttaError(f"Cannot write {path} ({error.strerror}): give another folder with --out.") from error
