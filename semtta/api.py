"""``semtta.adapt``: names to parts, a video to a result."""

from __future__ import annotations

import inspect
import logging
import platform
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from .body import Body
from .body import load as load_body
from .data import boxes_from_keypoints, build_crops, find_keypoints
from .data.evidence import ground_truth_keypoints, to_evidence, to_keypoints, to_smpl29
from .denoisers import denoisers
from .detectors import detectors
from .devices import choose_device
from .errors import SemttaError
from .estimators import Estimator, estimators
from .generators import Generator, generators
from .geometry import image_focal_px, image_translation
from .io.files import write_atomically
from .io.weights import load_checkpoint
from .labelers import Labeler, labelers
from .methods import Progressing, adaptation_defaults, methods
from .methods.passes import predict
from .methods.problem import Estimate, Problem, Roles
from .pipeline.labels import Labelling
from .priors import Prior, priors
from .settings.config import AdaptConfig, resolve
from .types import AdaptResult, BodyParams, Camera, Video
from .updaters import updaters
from .version import __version__

log = logging.getLogger(__name__)
Progress = Callable[[str, int, int], None]  # (what is being done, steps done, steps in all)


def adapt(
    video: Video,
    estimator: str | Estimator | None = None,
    body: str | Body | None = None,
    prior: str | Prior | None = None,
    labeler: str | Labeler | None = None,
    denoiser: str | torch.nn.Module | None = None,
    preset: str = "paper",
    config: AdaptConfig | None = None,
    progress: Progress | None = None,
    checkpoint: str | Path | None = None,
    resume: bool = False,
    **settings: Any,
) -> AdaptResult:
    """Adapt an estimator to one video and return the motion of the person in it.

    Args:
        video: from ``semtta.load_video`` or a dataset. Without keypoints the configured detector finds them.
        estimator, body, prior, labeler, denoiser: a registered name, or an object of that role. Default: the preset's.
        preset: a name of ``semtta.config.PRESETS``.
        config: all settings at once; then no preset applies.
        progress: called as (what, done, total).
        checkpoint: file that the state is written to after every epoch; ``resume`` goes on from it.
        settings: fields of AdaptConfig, over the preset's.

    Raises:
        SemttaError: with one line for the user; nothing has been written then.
    """
    given = {"estimator": estimator, "body": body, "prior": prior, "labeler": labeler, "denoiser": denoiser}
    named = {role: item if isinstance(item, str) else _name(item) for role, item in given.items() if item is not None}
    parts = {role: item for role, item in given.items() if not isinstance(item, str)}
    if config is None:
        roles, config = build_roles(preset, {**named, **settings}, parts)
    else:
        roles = make_roles(config, parts)
    say = labeler if isinstance(labeler, Labeler) else labelers.create(config.labeler)
    device = choose_device(config.device)
    roles = roles.to(device)
    notes = list(video.messages)
    seconds: dict[str, float] = {}

    true_keypoints = ground_truth_keypoints(video) if config.keypoints_from == "ground_truth" else None
    if video.keypoints is None and true_keypoints is not None:
        video = replace(video, keypoints=true_keypoints)
    with _timed(seconds, "detecting", device):
        video = locate(video, config, roles.estimator.box_scale, progress)
    assert video.keypoints is not None
    assert video.boxes is not None
    boxes = video.boxes
    keypoints = to_smpl29(true_keypoints or video.keypoints, config.keypoint_threshold, config.supervised)
    seen = bool((keypoints.confidence > 0).any())
    work = Labelling(video, say, roles.prior, config, device, _step(progress, "labelling"))
    with work:  # a labeler that needs no prediction is at work from here on
        with _timed(seconds, "reading", device):
            crops = build_crops(video, boxes, roles.estimator.crop_px, _step(progress, "cropping")).to(device)
        with _timed(seconds, "adapting", device):
            before = predict(roles.estimator, dict(roles.estimator.named_parameters()), crops, config.micro_batch)
        with _timed(seconds, "labelling", device):
            labels, messages = work.labels(before)
    boxes = boxes.to(device)
    keypoints = keypoints.to(device)
    if not seen:
        notes.append("No keypoint was seen with enough confidence: nothing could be adapted, the result is unadapted.")
        config = config.model_copy(update={"epochs": 0})

    notes += messages
    problem = Problem(crops, to_evidence(keypoints, boxes), tuple(labels), video.fps)

    def on_epoch(state: Progressing) -> None:
        _tell(progress, "adapting", state.epoch, state.epochs)
        if checkpoint is not None:
            saved = {"state": state.state_dict(), "config": config.model_dump(mode="json")}
            write_atomically(Path(checkpoint), lambda path: torch.save(saved, path))

    saved = _load_state(checkpoint, config) if resume and checkpoint is not None else None
    _tell(progress, "adapting", 0, config.epochs)
    with _timed(seconds, "adapting", device):
        outcome = methods.get(config.method)(problem, roles, config, before, on_epoch, saved)

    center = (video.size[0] / 2, video.size[1] / 2)
    camera = Camera(image_focal_px(video.size), center)

    def params(estimate: Estimate) -> BodyParams:
        translation = image_translation(estimate.camera, boxes, camera.focal_px, center)
        return BodyParams(estimate.rotations.cpu(), estimate.betas.cpu(), translation.cpu())

    after = params(outcome.after)
    updated = to_keypoints(outcome.evidence, boxes, keypoints, outcome.similarity)
    index = video.frame_index if video.frame_index is not None else torch.arange(video.num_frames)
    for note in notes:
        log.warning(note)
    return AdaptResult(
        name=video.name,
        params=after,
        joints=roles.body.cpu().joints(after.rotations, after.betas, after.translation).detach(),
        keypoints=updated.to("cpu"),
        history=outcome.history,
        labels=tuple(labels),
        camera=camera,
        unadapted=params(before),
        keypoints_before=keypoints.to("cpu"),
        fps=video.fps,
        size=video.size,
        boxes=boxes.cpu(),
        frame_index=index,
        body=config.body,
        source=video.source,
        config={
            "settings": config.model_dump(mode="json"),
            "versions": versions(),
            "device": str(device),
            "seconds": seconds,
        },
        messages=tuple(notes),
        state={name: value.cpu() for name, value in outcome.weights.items()},
    )


def locate(video: Video, config: AdaptConfig, box_scale: float, progress: Progress | None = None) -> Video:
    """The video with keypoints, the detector's if it has none, and with boxes, made from them if it has none."""
    if video.keypoints is None:
        video = find_keypoints(video, config.detector, progress=_step(progress, "finding keypoints"))
    if video.boxes is not None:
        return video
    assert video.keypoints is not None
    scale = config.box_scale or box_scale
    return replace(video, boxes=boxes_from_keypoints(video.keypoints, config.keypoint_threshold, scale, size=video.size))


def build_roles(
    preset: str = "paper", chosen: Mapping[str, Any] | None = None, given: Mapping[str, Any] | None = None
) -> tuple[Roles, AdaptConfig]:
    """The parts that a preset and the ``chosen`` settings name (or that are ``given``), and all settings.

    Estimator, prior and method may carry ``adaptation_defaults``, the estimator also ``method_defaults``: in this order they
    come before the preset's settings, what is chosen before them.
    """
    chosen = chosen or {}
    roles = make_roles(resolve(preset, chosen), given or {})
    method = resolve(preset, chosen).method
    suited = {
        **roles.estimator.adaptation_defaults, **roles.prior.adaptation_defaults, **adaptation_defaults(method),
        **roles.estimator.method_defaults.get(method, {}),
    }  # fmt: skip
    return roles, resolve(preset, chosen, suited)


def make_roles(config: AdaptConfig, given: Mapping[str, Any]) -> Roles:
    """The parts that ``config`` names, or that are ``given``. SemttaError for a name that no registry knows."""
    for name in config.updaters:
        updaters.get(name)
    methods.get(config.method)
    detectors.get(config.detector)
    return Roles(
        estimator=given.get("estimator") or _create(estimators, config.estimator, weights=config.estimator_weights),
        body=given.get("body") or load_body(config.body_file or config.body),
        denoiser=given.get("denoiser") or _create(denoisers, config.denoiser, weights=config.denoiser_weights),
        prior=given.get("prior") or make_prior(config),
    )


def make_prior(config: AdaptConfig) -> Prior:
    """The prior that ``config`` names; a factory that takes a ``generator`` is given the one that it names."""
    options: dict[str, Any] = {"weights": config.prior_weights}
    if "generator" in inspect.signature(priors.get(config.prior)).parameters:
        options["generator"] = make_generator(config)
    return _create(priors, config.prior, **options)


def make_generator(config: AdaptConfig) -> Generator:
    """The generator that ``config`` names, with the prior or the source that its factory takes."""
    wanted = inspect.signature(generators.get(config.generator)).parameters
    options: dict[str, Any] = {}
    if "prior" in wanted:
        usual = "open-cosine" if config.generator == "decoder" else "open"  # the included prior that has a decoder
        options["prior"] = priors.create(config.generator_source or usual)
    if "source" in wanted:
        options["source"] = config.generator_source
    return generators.create(config.generator, **options)


def _name(part: object) -> str:
    return getattr(part, "name", "") or type(part).__name__


def _create(registry: Any, name: str, **options: Any) -> Any:
    """A part with the options that are set; ``none`` needs none of them. SemttaError for one that the part does not take."""
    taken = inspect.signature(registry.get(name)).parameters
    chosen = {key: value for key, value in options.items() if value is not None and not (name == "none" and key not in taken)}
    if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in taken.values()):
        for key in chosen.keys() - taken.keys():
            raise SemttaError(f"'{name}' of semtta.{registry.role} takes no {key}: leave that setting out.")
    return registry.create(name, **chosen)


def versions() -> dict[str, str]:
    """What a result depends on."""
    return {"semtta": __version__, "torch": str(torch.__version__), "python": platform.python_version()}


@contextmanager
def _timed(seconds: dict[str, float], stage: str, device: torch.device) -> Iterator[None]:
    """Add the time that the block takes, the device's queued work included, to ``seconds[stage]``."""
    began = time.perf_counter()
    yield
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    seconds[stage] = seconds.get(stage, 0.0) + time.perf_counter() - began


def _load_state(path: str | Path, config: AdaptConfig) -> dict[str, Any] | None:
    if not Path(path).exists():
        return None
    saved = load_checkpoint(path)
    if saved["config"] != config.model_dump(mode="json"):
        raise SemttaError(f"{path} is a checkpoint of other settings: give the same ones, or start anew without --resume.")
    return saved["state"]


def _tell(progress: Progress | None, what: str, done: int, total: int) -> None:
    if progress is not None:
        progress(what, done, total)


def _step(progress: Progress | None, what: str) -> Callable[[int, int], None] | None:
    return None if progress is None else lambda done, total: progress(what, done, total)
