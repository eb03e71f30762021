"""The stages of a run on the included clip, each as work that can be timed by itself."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from .. import assets
from ..api import adapt, frame_inputs
from ..body import load as load_body
from ..build import Resolved, build_roles, resolve
from ..data import find_keypoints, first_frames
from ..data.evidence import to_evidence, to_smpl29
from ..data.frames import ArrayFrames
from ..devices import choose_device
from ..errors import SemttaError
from ..estimators import HMR, HMR2, Estimator, HMR2Config, HMRConfig, estimators
from ..labelers import labelers
from ..methods import Problem, Roles
from ..methods.offline.loop import Adaptation
from ..methods.passes import backward_in_pieces, forward, predict
from ..pipeline.labels import Labelling
from ..pipeline.locate import locate
from ..results import save
from ..runs.demo import demo_video
from ..types import FrameBatch, Prediction, Video
from ..visualization import write_overlay, write_report
from .meter import Work

#: Networks whose weights are licensed: with random ones they take as long. The small sizes are for tests.
_PUBLISHED = {"hmr": HMR, "hmr2": HMR2}
_SMALL: dict[str, Any] = {
    "hmr": lambda: HMR(HMRConfig(depths=(1, 1, 1, 1), widths=(8, 8, 8, 8), stem=8, crop_px=64, hidden=32)),
    "hmr2": lambda: HMR2(HMR2Config(
        width=80, depth=1, backbone_heads=1, crop_px=64, head_width=16, head_depth=1, heads=8, feedforward=16,
    )),
}  # fmt: skip
#: A batch of the loop does not fit a GPU's memory with ViT-H.
_OWN_SETTINGS: dict[str, dict[str, Any]] = {"hmr2": {"loop.micro_batch": 32}}
#: Of the weights that a network has by its name; otherwise they are random.
INSTALLED = "installed"
LABELERS = ("retrieval", "fixed")


def estimator_of(name: str, small: bool) -> tuple[Estimator | None, str]:
    """A network with random weights where its own are not here (None: they are), and which weights it has."""
    if small and name in _SMALL:
        return _SMALL[name](), "random, small sizes"
    if name in _PUBLISHED:
        try:
            estimators.create(name)
        except SemttaError:
            return _PUBLISHED[name](), "random"
    return None, INSTALLED


@dataclass(frozen=True)
class Case:
    """The included clip, ready for the loop on a device."""

    video: Video  # with boxes
    resolved: Resolved
    roles: Roles
    inputs: FrameBatch
    before: Prediction  # of the pre-trained network
    problem: Problem
    weights: str  # which ones the network has

    @classmethod
    def make(
        cls, estimator: str = "open", frames: int | None = None, device: str = "auto", preset: str | None = None,
        settings: Mapping[str, Any] | None = None, small: bool = False,
    ) -> Case:  # fmt: skip
        """Settings as ``semtta.build.resolve`` takes them; ``small``: ``hmr`` and ``hmr2`` in sizes for tests."""
        network, weights = estimator_of(estimator, small)
        given = {} if network is None else {"estimator": network}
        own = {"estimator": estimator, **_OWN_SETTINGS.get(estimator, {}), **(settings or {}), "device": device}
        resolved = resolve(preset, own, given)
        config = resolved.config
        where = choose_device(config.device)
        roles = build_roles(config, given).to(where)
        video = demo_video()
        if frames is not None and not 2 <= frames <= video.num_frames:
            limit = video.num_frames
            raise SemttaError(f"--frames {frames}: the included clip has {limit} frames; give 2 to {limit}.")
        video = locate(first_frames(video, frames), config, roles.estimator.box_scale, box_aspect=roles.estimator.box_aspect)
        assert video.keypoints is not None
        inputs = frame_inputs(video, roles.estimator, config).to(where)
        before = predict(roles.estimator, dict(roles.estimator.named_parameters()), inputs, config.loop.micro_batch)
        keypoints = to_smpl29(video.keypoints, config.evidence.threshold, config.evidence.joints).to(where)
        evidence = to_evidence(keypoints, inputs.boxes)
        problem = Problem(inputs, evidence, video.labels, video.fps, video.times_s)
        return cls(video, resolved, roles, inputs, before, problem, weights)

    @property
    def device(self) -> torch.device:
        """Where the clip and the parts are."""
        return self.problem.device


class Epoch:
    """One epoch of the loop, again and again, and the passes of the network that this epoch cannot do without."""

    def __init__(self, case: Case) -> None:
        self.case, config = case, case.resolved.config
        self.adaptation = Adaptation(case.problem, case.roles, config)
        self.state = self.adaptation.start(case.before)
        self.loop()  # the first epoch has nothing to smooth towards, and would count for less than the others
        self.batches = [frames for frames, _ in self.adaptation.batches(self.state)]

    def loop(self) -> None:
        """The next epoch of the loop; the last one once more, if there is none."""
        self.state.epoch = max(0, min(self.state.epoch, self.adaptation.loop.epochs - 1))
        self.adaptation.epoch(self.state)

    def network(self) -> None:
        """Forward and backward over the frames of the batches, and over all frames forward if the loop does that."""
        loop, trainable, estimator = self.adaptation.loop, self.state.trainable, self.case.roles.estimator
        for frames in self.batches:
            weights = trainable.weights()
            backward_in_pieces(
                lambda batch, weights=weights: forward(estimator, weights, batch, train=loop.dropout),  # type: ignore[misc]
                self.case.inputs[frames],
                lambda *outputs: sum((output.mean() for output in outputs), start=outputs[0].new_zeros(())),
                loop.micro_batch,
            )
            for weight in trainable.adapted.values():
                weight.grad = None
        if loop.predictions == "eval":
            self.adaptation.predict(self.state)

    def works(self) -> dict[str, Work]:
        """Both by name, for ``meter.measure``."""
        return {"network": self.network, "loop": self.loop}


def stage_works(case: Case, folder: Path) -> tuple[dict[str, Work], dict[str, str]]:
    """Every stage of a run but the loop as work, and the stages that cannot be run here with the reason."""
    video, roles, config = case.video, case.roles, case.resolved.config
    decoded = replace(video, frames=ArrayFrames(list(video.frames)))
    weights = dict(roles.estimator.named_parameters())
    works: dict[str, Work] = {"decode": lambda: [None for _ in video.frames]}
    skipped: dict[str, str] = {}
    reason = detector_missing()
    if reason:
        skipped["detect"] = reason
    else:
        works["detect"] = lambda: find_keypoints(replace(decoded, keypoints=None), "blazepose")
    works["crop"] = lambda: frame_inputs(decoded, roles.estimator, config).to(case.device)
    works["predict"] = lambda: predict(roles.estimator, weights, case.inputs, config.loop.micro_batch)
    for name in LABELERS:
        works[f"label: {name}"] = lambda name=name: _label(case, name)  # type: ignore[misc]
    given = {} if case.weights == INSTALLED else {"estimator": roles.estimator}
    once = replace(case.resolved, config=config.changed({"loop.epochs": 1}))
    result = adapt(video, **given, resolved=once)  # type: ignore[arg-type]
    roles.to(case.device)
    body = load_body(config.body.name)  # one that stays on the CPU
    folder.mkdir(parents=True, exist_ok=True)
    works["write: results"] = lambda: save(result, folder, body=body)
    works["write: overlay"] = lambda: write_overlay(result, video, body, folder / "overlay.mp4")
    works["write: report"] = lambda: write_report(result, video, body, folder / "report.html")
    return works, skipped


def detector_missing() -> str | None:
    """Why BlazePose cannot be run here, if so: nothing is fetched for a measurement."""
    if importlib.util.find_spec("ai_edge_litert") is None:
        return "BlazePose is not installed: pip install 'semtta[blazepose]'"
    if not all(row.path.is_file() for row in assets.rows() if row.name.startswith("blazepose/")):
        return "BlazePose's files are not here: semtta assets fetch blazepose"
    return None


def _label(case: Case, name: str) -> None:
    with Labelling(case.video, labelers.create(name), case.roles.prior, case.resolved.config, case.device) as work:
        work.labels(case.before)
