"""Labels without adaptation: what ``semtta label`` does for several videos and labelers, and what it writes."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from ..api import frame_inputs
from ..build import build_estimator, build_prior, resolve
from ..devices import choose_device
from ..errors import SemttaError
from ..estimators import Estimator
from ..io.files import write_text
from ..io.labels import labels_of, read_labels, to_csv, to_record
from ..io.run_folder import safe_name
from ..io.text import excerpt
from ..labelers import CostEstimate, Labeler, Oracle, Usage, VLMSettings, labelers
from ..labelers.evaluation import LabelEvaluation, LabelRun, evaluate_labels
from ..methods.passes import predict
from ..pipeline.labels import Labelling
from ..pipeline.locate import locate
from ..priors import Prior
from ..settings import AdaptConfig, flatten
from ..types import Prediction, Progress, SegmentLabel, Video
from .people import Who, read_people

#: Side of the boxes / extent of the keypoints, where no estimator asks for its own.
BOX_SCALE = 1.2
Settings = Mapping[str, Any]


def label_videos(
    videos: Sequence[Video],
    names: Sequence[str],
    preset: str | None = None,
    settings: Settings | None = None,
    progress: Progress | None = None,
) -> list[LabelRun]:
    """Label each video with each labeler, one after the other. A budget (``labeler.budget``) holds for all together.

    Raises SemttaError for names that no registry knows, missing keys and damaged files before anything is decoded or asked;
    and if no segment of a labeler has an answer because of its server.
    """
    _different_names(videos)
    configs = [config_for(name, preset, settings) for name in names]
    for name, config in zip(names, configs, strict=True):
        labelers.create(name, config.labeler.settings).check(videos)
    prior = build_prior(configs[0])
    videos = [locate(video, configs[0], BOX_SCALE, progress) for video in videos]
    runs: list[LabelRun] = []
    for name, config in zip(names, configs, strict=True):
        own = config.labeler.settings
        budget = getattr(own, "budget", None)
        if budget is not None:
            spent = sum(run.usage.cost for run in runs)
            own = own.model_copy(update={"budget": max(0.0, budget - spent)})
        runs.append(_run(name, labelers.create(name, own), videos, prior, config, progress))
    return runs


def estimate_labels(
    videos: Sequence[Video],
    name: str,
    preset: str | None = None,
    settings: Settings | None = None,
    progress: Progress | None = None,
) -> CostEstimate:
    """What a labeler would send for the videos. Sends nothing."""
    config = config_for(name, preset, settings)
    labeler, prior = labelers.create(name, config.labeler.settings), build_prior(config)
    total = CostEstimate(0)
    for video in videos:
        work = Labelling(locate(video, config, BOX_SCALE, progress), labeler, prior, config)
        total = total + labeler.estimate(work.video, work.spans, work.context)
    return total


def config_for(labeler: str, preset: str | None, settings: Settings | None) -> AdaptConfig:
    """The settings under one labeler: those of labelers that it does not have, but others do, are left out."""
    flat = flatten(settings or {})
    own, shared = labelers.entry(labeler).settings.model_fields, VLMSettings.model_fields

    def concerns(key: str) -> bool:
        group, _, field = key.partition(".")
        return group not in ("labeler", "vlm") or field in own or field not in shared

    return resolve(preset, {**{key: value for key, value in flat.items() if concerns(key)}, "labeler.name": labeler}).config


def people_to_label(
    path: Path, config: AdaptConfig, who: Who = None, keypoints: Path | None = None, label: str | None = None,
    start: float | None = None, end: float | None = None, progress: Progress | None = None,
) -> list[Video]:  # fmt: skip
    """The people of a video, see ``read_people``; of several each is called ``<clip>/person-N``."""
    people = read_people(path, config, who, keypoints, label, start, end, progress).people
    return [replace(one, name=f"{one.name}/person-{one.person}") for one in people] if len(people) > 1 else people


def evaluate_runs(
    runs: Sequence[LabelRun], videos: Sequence[Video], truth: Path | None, preset: str | None = None,
    settings: Settings | None = None,
) -> list[LabelEvaluation]:  # fmt: skip
    """Judge runs by the labels of a file, or by those that came with the videos; each as the prior takes it."""
    config = config_for("oracle", preset, settings)
    prior = build_prior(config)
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
    settings: Settings | None = None,
) -> list[Path]:  # fmt: skip
    """``OUT/<clip>/labels.json`` of each video, ``OUT/<clip>/person-N/labels.json`` of each of several people in it.

    And ``review.html`` and ``review.csv`` of all; ``evaluation.json``.
    """
    written = []
    for video, items in run.labels.items():
        written.append(out.joinpath(*map(safe_name, video.split("/")), "labels.json"))
        _write(written[-1], json.dumps([to_record(i, item) for i, item in enumerate(items)], indent=1) + "\n")
    if evaluation is not None:
        written.append(out / "evaluation.json")
        _write(written[-1], json.dumps(evaluation.record(), indent=1) + "\n")
    if review:
        from ..visualization.review import review_page

        written += [out / "review.csv", out / "review.html"]
        _write(written[-2], to_csv(run.labels))
        _write(written[-1], review_page(run, videos, _looks(run.labeler, settings), evaluation))
    return written


def _looks(labeler: str, settings: Settings | None) -> VLMSettings:
    """Margin, marks and threshold of the page: the labeler's, else the defaults."""
    found = config_for(labeler, None, settings).labeler.settings
    return found if isinstance(found, VLMSettings) else VLMSettings()


def _run(
    name: str, labeler: Labeler, videos: Sequence[Video], prior: Prior, config: AdaptConfig, progress: Progress | None
) -> LabelRun:
    device = choose_device(config.device)
    labels, messages, usage = {}, [], Usage()
    estimator = None if labeler.early else build_estimator(config).to(device)
    for video in videos:
        began = time.perf_counter()
        title = f"{video.name}: {name}"
        step = None if progress is None else lambda what, done, total, title=title: progress(title, done, total)
        with Labelling(video, labeler, prior, config, device, step) as work:
            found, notes = work.labels(None if estimator is None else _prediction(video, estimator, config, device))
        labels[video.name] = tuple(found)
        messages += [f"{video.name}: {note}" for note in notes]
        usage.segments += len(found)
        usage.seconds += time.perf_counter() - began
    usage = labeler.usage or usage
    if usage.failed and usage.failed == usage.segments:
        reason = next((item.reason for items in labels.values() for item in items if item.reason), "")
        raise SemttaError(f"'{excerpt(name, 60)}' answered for no segment: {excerpt(reason.removeprefix('no answer: '), 160)}.")
    return LabelRun(name, labels, tuple(messages), usage, tuple(prior.labels))


def _prediction(video: Video, estimator: Estimator, config: AdaptConfig, device: torch.device) -> Prediction:
    inputs = frame_inputs(video, estimator, config).to(device)
    return predict(estimator, dict(estimator.named_parameters()), inputs, config.loop.micro_batch)


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
