"""``semtta.adapt``: names to parts, a video to a result."""

from __future__ import annotations

import logging
import platform
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import torch

from .body import Body
from .build import Resolved, build_labeler, build_roles, resolve
from .data import build_crops
from .data.evidence import ground_truth_keypoints, to_evidence, to_keypoints, to_smpl29
from .data.landmarks import smooth_landmarks
from .devices import choose_device
from .errors import SemttaError
from .estimators import Estimator
from .geometry import image_translation, ray_rotation
from .labelers import Labeler
from .methods import Problem, Roles, RunState, methods
from .methods.divergence import diverged, not_finite, require_finite
from .methods.passes import predict
from .metrics.confidence import joint_confidence
from .pipeline.camera import known_camera
from .pipeline.checkpoint import read_checkpoint, write_checkpoint
from .pipeline.identity import identity_digest, run_identity
from .pipeline.labels import Labelling
from .pipeline.landmarks import landmarks_wanted
from .pipeline.locate import locate
from .priors import Prior
from .refine import refine
from .results import AdaptResult
from .settings import AdaptConfig
from .threads import choose_threads, operations, use_threads
from .types import BodyParams, Camera, FrameBatch, Prediction, Progress, Video, frame_times
from .version import __version__

log = logging.getLogger(__name__)


def adapt(
    video: Video,
    estimator: str | Estimator | None = None,
    body: str | Body | None = None,
    prior: str | Prior | None = None,
    labeler: str | Labeler | None = None,
    denoiser: str | torch.nn.Module | None = None,
    preset: str | None = None,
    settings: Mapping[str, Any] | None = None,
    resolved: Resolved | None = None,
    progress: Progress | None = None,
    checkpoint: str | Path | None = None,
    resume: bool = False,
) -> AdaptResult:
    """Adapt an estimator to one video and return the motion of the person in it.

    >>> import semtta
    >>> from semtta.runs.demo import demo_video
    >>> result = semtta.adapt(demo_video(), settings={"loop.epochs": 1, "loop.min_steps": 1})
    >>> result.params.rotations.shape[1:], result.joints.shape[1:]
    (torch.Size([24, 3, 3]), torch.Size([24, 3]))

    Args:
        video: from ``semtta.load_video`` or a dataset. Without keypoints the configured detector finds them.
        estimator, body, prior, labeler, denoiser: a registered name, or an object of that role; None: as the settings say.
        preset: a name of ``semtta.settings.PRESETS``; None: ``best``.
        settings: over the preset's, nested or by dotted key (``{"loop.epochs": 3, "prior.sigma": 0.4}``).
        resolved: all settings at once, from ``semtta.build.resolve``; then preset and settings do not apply.
        progress: called as (what is being done, steps done, steps in all).
        checkpoint: file that the state is written to after every epoch; ``resume`` goes on from it.

    Returns:
        The result: ``params`` (rotations [T, 24, 3, 3], betas [T, 10], translation [T, 3]) and ``joints`` [T, 24, 3] in metres
        in the camera frame (x right, y down, z forward).

    Raises:
        SemttaError: with one line for the user; nothing has been written then.
    """
    parts = (estimator, body, prior, labeler, denoiser, preset, settings, resolved)
    checkpoints = () if checkpoint is None else (checkpoint,)
    return adapt_people([video], *parts, progress, checkpoints, resume)[0]


def adapt_people(
    videos: Sequence[Video],
    estimator: str | Estimator | None = None,
    body: str | Body | None = None,
    prior: str | Prior | None = None,
    labeler: str | Labeler | None = None,
    denoiser: str | torch.nn.Module | None = None,
    preset: str | None = None,
    settings: Mapping[str, Any] | None = None,
    resolved: Resolved | None = None,
    progress: Progress | None = None,
    checkpoints: Sequence[str | Path] = (),
    resume: bool = False,
) -> list[AdaptResult]:
    """Adapt to each person of one video in turn, then place all of them in one world.

    Args:
        videos: of ``semtta.load_people``: one for each person. Each person's estimator starts from the same weights.
        progress: the steps of "adapting" are those of all people together, so that the time left is.
        checkpoints: a file for each person. The refiners run when everybody is adapted, from what the last epochs left.

    The other arguments, and what it raises, are as of ``adapt``.

    Returns:
        A result for each person, in the order of ``videos``; each has its own ``frame_index``. Of several people the adapted
        weights are not kept.
    """
    parts = {"estimator": estimator, "body": body, "prior": prior, "labeler": labeler, "denoiser": denoiser}
    named = {role: part for role, part in parts.items() if isinstance(part, str)}
    given = {role: part for role, part in parts.items() if part is not None and not isinstance(part, str)}
    resolved = resolved or resolve(preset, {**named, **(settings or {})}, given)
    device = choose_device(resolved.config.device)
    own_roles = build_roles(resolved.config, given)
    say = labeler if isinstance(labeler, Labeler) else build_labeler(resolved.config)
    say.check(videos)
    numbers = [video.person for video in videos]
    session = _Session(resolved, own_roles, own_roles.to(device), say, device, numbers)
    results = []
    for turn, video in enumerate(videos):
        checkpoint = Path(checkpoints[turn]) if checkpoints else None
        result = _adapted(video, session, _turn_of(progress, turn, len(videos)), checkpoint, resume)
        results.append(replace(result, state=None) if len(videos) > 1 else result)  # those of ten large networks are too much
    return cast(list[AdaptResult], refine(resolved.config.refiners, results, own_roles.body))


@dataclass(frozen=True)
class _Session:
    """What the people of a clip are adapted with."""

    resolved: Resolved
    own_roles: Roles
    roles: Roles  # on the device
    labeler: Labeler
    device: torch.device
    people: Sequence[int]  # numbers of those who are adapted together


def _turn_of(progress: Progress | None, turn: int, count: int) -> Progress | None:
    """What follows the steps of one of several people."""
    if progress is None or count == 1:
        return progress

    def report(what: str, done: int, total: int) -> None:
        together = (turn * total + done, count * total) if what == "adapting" else (done, total)
        progress(f"{what} (person {turn + 1} of {count})", *together)

    return report


def _adapted(
    video: Video, session: _Session, progress: Progress | None, checkpoint: Path | None, resume: bool
) -> AdaptResult:  # fmt: skip
    """One person's motion in the camera frame, which no refiner has seen yet."""
    resolved, own_roles, roles, say, device = (
        session.resolved, session.own_roles, session.roles, session.labeler, session.device,
    )  # fmt: skip
    config = resolved.config
    identity = run_identity(video, config, roles, session.people)
    saved = read_checkpoint(checkpoint, identity) if resume and checkpoint is not None else None

    seconds: dict[str, float] = {}
    true_keypoints = ground_truth_keypoints(video) if config.evidence.source == "ground_truth" else None
    if video.keypoints is None and true_keypoints is not None:
        video = replace(video, keypoints=true_keypoints)
    with _timed(seconds, "detecting", device):
        wanted = landmarks_wanted(config, roles.estimator)
        video = locate(video, config, roles.estimator.box_scale, progress, roles.estimator.box_aspect, wanted)
    assert video.keypoints is not None
    assert video.boxes is not None
    notes = list(video.messages)
    keypoints = to_smpl29(true_keypoints or video.keypoints, config.evidence.threshold, config.evidence.joints)
    keypoints = replace(keypoints, landmarks=video.keypoints.landmarks)  # kept with the result
    work = Labelling(video, say, roles.prior, config, device, progress)
    with work:  # a labeler that needs no prediction is at work from here on
        with _timed(seconds, "reading", device):
            inputs = frame_inputs(video, roles.estimator, config, progress).to(device)
        threads = thread_count(roles.estimator, inputs, config)
        with use_threads(threads), _timed(seconds, "adapting", device):
            before = predict(roles.estimator, dict(roles.estimator.named_parameters()), inputs, config.loop.micro_batch)
        if not_finite(before.tensors()):
            raise SemttaError(
                f"Estimator '{roles.estimator.name}' predicts numbers that are not finite before anything is adapted: "
                "its weights are damaged, or of something else."
            )
        with _timed(seconds, "labelling", device):
            labels, messages = work.labels(before)
    keypoints = keypoints.to(device)
    if not bool((keypoints.confidence > 0).any()):
        notes.append("No keypoint was seen with enough confidence: nothing could be adapted, the result is unadapted.")
        config = config.changed({"loop.epochs": 0})
    notes += messages
    problem = Problem(inputs, to_evidence(keypoints, inputs.boxes), tuple(labels), video.fps, video.times_s)

    def on_epoch(state: RunState) -> None:
        require_finite(state, config, kept=checkpoint is not None)
        if progress is not None:
            progress("adapting", state.epoch, state.epochs)
        if checkpoint is not None:
            write_checkpoint(checkpoint, state.state_dict(), identity)

    if progress is not None:
        progress("adapting", 0, config.loop.epochs)
    with use_threads(threads), _timed(seconds, "adapting", device):
        outcome = methods.entry(config.method.name).build(problem, roles, config, before, on_epoch, saved)
    for note in notes:
        log.warning(note)
    camera = known_camera(video, config)
    seen_by = roles.estimator.camera_for(video.size, camera)
    after = body_params(outcome.after, inputs.boxes, seen_by, camera, roles.estimator.in_crops)
    joints = joints_of(own_roles.body, after)
    wrong = not_finite({"rotations": after.rotations, "betas": after.betas, "translation": after.translation, "joints": joints})
    if wrong:
        raise diverged("at its end", wrong, config)
    index = video.frame_index if video.frame_index is not None else torch.arange(video.num_frames)
    result = AdaptResult(
        name=video.name,
        params=after,
        joints=joints,
        keypoints=to_keypoints(outcome.evidence, inputs.boxes, keypoints, outcome.similarity).to("cpu"),
        history=outcome.history,
        labels=tuple(labels),
        camera=camera or seen_by,
        unadapted=body_params(before, inputs.boxes, seen_by, camera, roles.estimator.in_crops),
        keypoints_before=keypoints.to("cpu"),
        fps=video.fps,
        size=video.size,
        boxes=inputs.boxes.cpu(),
        frame_index=index,
        body=config.body.name,
        source=video.source,
        person=video.person,
        config={
            **resolved.dump(), "digest": identity_digest(identity), "identity": identity, "versions": versions(),
            "device": str(device), "threads": threads, "seconds": seconds,
        },
        messages=tuple(notes),
        state={name: value.cpu() for name, value in outcome.weights.items()},
        times_s=video.times_s if not video.start_s else video.start_s + frame_times(video.num_frames, video.fps, video.times_s),
        gender=own_roles.body.gender,
        camera_path=video.camera_path,
        shot=video.shot,
    )  # fmt: skip
    return replace(result, confidence=joint_confidence(result, own_roles.body))


def frame_inputs(video: Video, estimator: Estimator, config: AdaptConfig, progress: Progress | None = None) -> FrameBatch:
    """All frames of a located video as the estimator takes them; nothing is decoded for one that takes no crops."""
    assert video.boxes is not None
    count = video.num_frames
    crops, size = None, estimator.crop_px
    if size is not None:
        crops = build_crops(video, video.boxes, size, progress, resample=config.crop.resample)
    intrinsics = _intrinsics(estimator.camera_for(video.size, known_camera(video, config)), count)
    points, boxes = video.keypoints, video.boxes.float()
    landmarks = None if points is None else points.landmarks
    if landmarks is not None:  # a detector sees a crop, whose axes are those of the ray to the person
        landmarks = smooth_landmarks(landmarks, video.fps)
        turn = ray_rotation(boxes[:, :2], intrinsics).to(landmarks.xyz)
        landmarks = replace(landmarks, xyz=landmarks.xyz @ turn.mT)
    return FrameBatch(torch.arange(count), boxes, intrinsics, crops, video.size, points, landmarks, boxes)


def thread_count(estimator: Estimator, inputs: FrameBatch, config: AdaptConfig) -> int:
    """Threads that a step's forward pass is worth on this machine now; see ``semtta.threads``."""
    loop = config.loop
    length = min(loop.segment_frames, len(inputs)) // min(loop.segment_step, len(inputs))
    frames = loop.batch_frames if loop.sampling == "frames" else loop.batch_segments * max(1, length)
    on_cpu = inputs.device.type == "cpu" and len(inputs) > 0
    weights = dict(estimator.named_parameters())
    per_frame = operations(lambda: predict(estimator, weights, inputs[:1])) if on_cpu else 0
    return choose_threads(min(frames, len(inputs)) * per_frame, config.threads)


def joints_of(body: Body, params: BodyParams) -> torch.Tensor:
    """Joints [T, 24, 3] of a motion, metres, on the CPU."""
    params = params.to(body.v_template)
    return body.joints(params.rotations, params.betas, params.translation).detach().cpu()


def body_params(
    prediction: Prediction, boxes: torch.Tensor, seen_by: Camera, known: Camera | None = None, in_crops: bool = False
) -> BodyParams:
    """A prediction placed in the camera frame of the picture, on the CPU.

    What an estimator says goes with the camera that it is adapted by. The clip's own sees the person along another ray: the
    global rotation turns with it, so that the person looks the same, and the depth keeps the person's size in the picture.

    Args:
        boxes: of the T frames [T, 3].
        seen_by: the camera of the picture that it was adapted by (``Estimator.camera_for``).
        known: the clip's; None: that one.
        in_crops: as of ``Estimator``: the rotation is into the frame of the ray to the box.
    """
    camera, rotations = known or seen_by, prediction.rotations
    translation = image_translation(prediction.camera, boxes, camera.focal_px, camera.center_px)
    if known is not None:
        turn = ray_rotation(boxes[:, :2], _intrinsics(known, len(boxes)).to(boxes))
        if not in_crops:
            turn = turn @ ray_rotation(boxes[:, :2], _intrinsics(seen_by, len(boxes)).to(boxes)).mT
        rotations = torch.cat((turn[:, None].to(rotations) @ rotations[:, :1], rotations[:, 1:]), 1)
    return BodyParams(rotations.cpu(), prediction.betas.cpu(), translation.cpu())


def _intrinsics(camera: Camera, count: int) -> torch.Tensor:
    """Focal length and principal point of each of ``count`` frames [T, 3], pixels."""
    return torch.tensor((camera.focal_px, *camera.center_px)).expand(count, 3)


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
