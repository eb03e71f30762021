"""The offline loop: fine-tune the estimator on one video, epoch by epoch (Sec. 4, Fig. 2).

Each epoch has two parts. Model fine-tuning: segments of the video are drawn, and the projection, alignment and
smoothing losses (Eq. 10) update the network while the 2D keypoints stay as they are. 2D pose update: one pass over all
frames gives the predictions that move the keypoints (Eq. 8), weigh the sampling, and are smoothed for the next epoch.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from ...constants import SMPL24, SMPL29, SUPERVISED_SETS, table
from ...data.evidence import joint_visibility
from ...denoisers.cycle import DenoiserState, denoise_stage
from ...devices import cuda_devices
from ...geometry import project_to_crop
from ...losses.terms import overall_loss, projection_loss, smoothing_loss
from ...priors import Prior
from ...settings.config import AdaptConfig
from ...types import Evidence, Motion, Segment
from ...updaters import UpdateRules, compose
from ..passes import backward_in_pieces, forward, predict
from ..problem import Estimate, Outcome, Problem, Roles
from .segments import draw_frames, draw_segments, make_segments, sampling_weights


@dataclass
class State:
    """Everything that changes while adapting; a checkpoint is this and nothing else."""

    weights: dict[str, Tensor]
    optimiser: torch.optim.Optimizer
    denoiser: DenoiserState
    evidence: Evidence
    estimate: Estimate
    similarity: Tensor  # [T] of the segments a frame is in
    prior: Prior  # holds what it learns along
    smooth: tuple[Tensor, Tensor] | None = None  # denoised rotations and betas, from the second epoch on
    epoch: int = 0
    epochs: int = 0  # in all
    history: list[dict[str, Any]] = field(default_factory=list)

    def state_dict(self) -> dict[str, Any]:
        return {
            "weights": self.weights, "optimiser": self.optimiser.state_dict(), "denoiser": self.denoiser.state_dict(),
            "evidence": vars(self.evidence), "estimate": vars(self.estimate), "similarity": self.similarity,
            "prior": self.prior.learned(), "smooth": self.smooth, "epoch": self.epoch, "history": self.history,
        }  # fmt: skip

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        with torch.no_grad():
            for name, value in saved["weights"].items():
                self.weights[name].copy_(value)
        self.optimiser.load_state_dict(saved["optimiser"])
        self.denoiser.load_state_dict(saved["denoiser"])
        self.prior.restore(saved["prior"])
        device = self.similarity.device  # a checkpoint is read to the CPU
        self.evidence = Evidence(**{name: value.to(device) for name, value in saved["evidence"].items()})
        self.estimate = Estimate(**{name: value.to(device) for name, value in saved["estimate"].items()})
        self.similarity = saved["similarity"].to(device)
        self.smooth = saved["smooth"] and (saved["smooth"][0].to(device), saved["smooth"][1].to(device))
        self.epoch, self.history = saved["epoch"], list(saved["history"])


def learning_rate(config: AdaptConfig, epoch: int, peak: float | None = None) -> float:
    """Linear warm-up, then a cosine that reaches the minimum in the last epoch."""
    peak = config.learning_rate if peak is None else peak
    if epoch < config.warmup_epochs:
        return peak * (epoch + 1) / config.warmup_epochs
    span = max(1, config.epochs - 1 - config.warmup_epochs)
    floor = min(config.min_learning_rate, peak)
    return floor + 0.5 * (peak - floor) * (1 + math.cos(math.pi * min(1.0, (epoch - config.warmup_epochs) / span)))


class Adaptation:
    """One video's adaptation: ``run`` is the method, the rest are its steps."""

    def __init__(self, problem: Problem, roles: Roles, config: AdaptConfig) -> None:
        self.problem, self.roles, self.config = problem, replace(roles, prior=roles.prior.start()), config
        self.segments = make_segments(problem.labels, len(problem), config.segment_frames, config.segment_stride)
        self.visible = joint_visibility(problem.evidence)
        self.update_keypoints = compose(config.updaters)
        fillable = {"supervised": SUPERVISED_SETS[config.supervised], "smpl24": SMPL24, "smpl29": SMPL29}[config.fill_joints]
        self.rules = UpdateRules(
            alpha=config.ema_alpha,
            sigma=roles.prior.threshold if config.fill_threshold is None else config.fill_threshold,
            fillable=torch.tensor([name in fillable for name in SMPL29], device=problem.crops.device),
            outside_crop=config.fill_outside_crop,
        )

    # -- the method ---------------------------------------------------------------------------------------------------

    def run(
        self, before: Estimate, on_epoch: Callable[[State], None] | None = None, resume: dict[str, Any] | None = None
    ) -> Outcome:
        """Adapt, from what the pre-trained network predicts (see ``predict``).

        ``on_epoch`` sees the state after every epoch; ``resume`` is a state's ``state_dict``.
        """
        state = self.start(before)
        if resume is not None:
            state.load_state_dict(resume)
        while state.epoch < self.config.epochs:
            with torch.random.fork_rng(devices=cuda_devices(self.problem.crops.device)):
                torch.manual_seed(self.config.seed * 1009 + state.epoch)  # so that a resumed run repeats
                self.epoch(state)
            if on_epoch:
                on_epoch(state)
        if self.config.predictions == "train" and self.config.epochs:
            state.estimate = self.predict(state.weights)
        weights = {name: value.detach() for name, value in state.weights.items()}
        return Outcome(before, state.estimate, state.evidence, state.similarity, tuple(state.history), weights)

    def start(self, before: Estimate) -> State:
        """A copy of the pre-trained weights, and nothing adapted yet."""
        weights = {name: value.detach().clone().requires_grad_() for name, value in self.roles.estimator.named_parameters()}
        # fused: right only for gradients that lie in memory as their weights do, which backward() sees to
        optimiser = torch.optim.Adam(weights.values(), lr=self.config.learning_rate, betas=self.config.adam_betas, fused=True)
        similarity = self.frame_similarity(self.segment_similarity(before))
        denoiser = DenoiserState.start(self.roles.denoiser, self.config.adam_betas)
        return State(
            weights, optimiser, denoiser, self.problem.evidence, before, similarity, self.roles.prior,
            epochs=self.config.epochs,
        )  # fmt: skip

    def epoch(self, state: State) -> None:
        """Model fine-tuning, then 2D pose update."""
        began, rate = time.perf_counter(), learning_rate(self.config, state.epoch)
        for group in state.optimiser.param_groups:
            group["lr"] = rate
        totals: dict[str, Tensor] = {}
        steps = 0
        for frames, segments in self.batches(state):
            terms = self.step(state, frames, segments)
            steps += 1
            for name, value in terms.items():
                totals[name] = totals.get(name, 0) + value
        if self.config.predictions == "eval":
            state.estimate = self.predict(state.weights)
        similarity = self.segment_similarity(state.estimate)
        state.similarity = self.frame_similarity(similarity)
        state.smooth = denoise_stage(
            self.roles.denoiser, state.denoiser, state.estimate.rotations, state.estimate.betas,
            rate=self.denoiser_rate(state.epoch), batch=self.config.denoiser_batch,
        )  # fmt: skip
        with torch.no_grad():
            joints = self.roles.body.keypoints(state.estimate.rotations, state.estimate.betas, "smpl29")
            projected = project_to_crop(joints, state.estimate.camera, self.roles.estimator.focal_px)
            state.evidence = self.update_keypoints(state.evidence, projected, state.similarity, self.rules)
        state.history.append(self.record(state, projected, similarity, totals, steps, rate, time.perf_counter() - began))
        state.epoch += 1

    def step(self, state: State, frames: Tensor, segments: list[Segment]) -> dict[str, Tensor]:
        """One optimiser step on ``frames`` [N], which are ``segments`` one after the other (none when sampling frames)."""
        state.optimiser.zero_grad(set_to_none=True)
        terms: dict[str, Tensor] = {}

        def loss_of(rotations: Tensor, betas: Tensor, camera: Tensor) -> Tensor:
            terms.update(self.losses(state, frames, segments, Estimate(rotations, betas, camera)))
            return overall_loss(terms, self.loss_weights(state.epoch))

        outputs = backward_in_pieces(
            lambda crops: forward(self.roles.estimator, state.weights, crops, train=self.config.dropout),
            self.problem.crops[frames], loss_of, self.config.micro_batch,
        )  # fmt: skip
        state.optimiser.step()
        if "align" in terms:
            self.roles.prior.learn(*self.labelled(outputs[0].detach(), frames, segments))
        if self.config.predictions == "train":
            old = state.estimate
            state.estimate = Estimate(
                *(a.index_copy(0, frames, b.detach()) for a, b in zip(vars(old).values(), outputs, strict=True))
            )
        return {name: value.detach() for name, value in terms.items()}

    def losses(self, state: State, frames: Tensor, segments: list[Segment], estimate: Estimate) -> dict[str, Tensor]:
        """The terms of Eq. 10 on a batch: L2D (Eq. 5), Lalign (Eq. 4), Lsmooth (Eq. 9)."""
        joints = self.roles.body.keypoints(estimate.rotations, estimate.betas, "smpl29")
        evidence = state.evidence[frames]
        present = evidence.present
        if not self.config.unlabelled_2d and segments:
            labelled = torch.tensor([s.label is not None for s in segments], device=present.device)
            present = present & labelled.repeat_interleave(len(frames) // len(segments))[:, None]
        projected = project_to_crop(joints, estimate.camera, self.roles.estimator.focal_px)
        terms = {"2d": projection_loss(projected, evidence.points, present, self.config.reduction_2d)}
        if self.config.lambda_align and any(segment.label is not None for segment in segments):
            align = self.roles.prior.loss(*self.labelled(estimate.rotations, frames, segments))
            if self.config.trust_labels:
                trust = tuple(s.trust for s in segments if s.label is not None)
                align = align * table(trust, align.device, align.dtype)
            terms["align"] = align.mean()
        if state.smooth is not None:
            smooth_rotations, smooth_betas = (x[frames] for x in state.smooth)
            terms["pose"], terms["shape"] = smoothing_loss(estimate.rotations, estimate.betas, smooth_rotations, smooth_betas)
        return terms

    def loss_weights(self, epoch: int) -> dict[str, float]:
        """Of Eq. 10; that of the alignment grows linearly over the first ``align_warmup`` of the epochs."""
        c = self.config
        grown = min(1.0, epoch / (c.align_warmup * c.epochs)) if c.align_warmup else 1.0
        return {"2d": c.lambda_2d, "align": grown * c.lambda_align, "pose": c.lambda_pose, "shape": c.lambda_shape}

    # -- its parts ----------------------------------------------------------------------------------------------------

    def predict(self, weights: dict[str, Tensor]) -> Estimate:
        return predict(self.roles.estimator, weights, self.problem.crops, self.config.micro_batch)

    def motion(self, rotations: Tensor, frames: Tensor, count: int, step: int = 1) -> Motion:
        """Rotations [count * L, 24, 3, 3] of every ``step``-th frame of ``count`` segments, with their joints' visibility."""
        shape = (count, len(frames) // count)
        return Motion(rotations.unflatten(0, shape), None, self.visible[frames].unflatten(0, shape), self.problem.fps / step)

    def labelled(self, rotations: Tensor, frames: Tensor, segments: list[Segment]) -> tuple[Motion, list[str]]:
        """Those of a batch's segments that have a label, as motion, and their labels."""
        chosen = [i for i, segment in enumerate(segments) if segment.label is not None]
        motion = self.motion(rotations, frames, len(segments), self.config.segment_step)
        motion = motion if len(chosen) == len(segments) else motion[chosen]
        return motion, [str(segments[i].label) for i in chosen]

    def batches(self, state: State) -> list[tuple[Tensor, list[Segment]]]:
        """One epoch of (frames [N], segments): every segment's worth of draws, and ``min_steps`` batches at least."""
        generator = torch.Generator().manual_seed(self.config.seed * 7919 + state.epoch)
        weights = None
        if self.config.sampling == "similarity":
            labelled = torch.tensor([s.label is not None for s in self.segments])
            weights = sampling_weights(self.segment_similarity(state.estimate).cpu(), labelled)
        found: list[tuple[Tensor, list[Segment]]] = []
        while len(found) < self.config.min_steps:
            if self.config.sampling == "frames":
                found += [(frames, []) for frames in draw_frames(len(self.problem), self.config.batch_frames, generator)]
            else:
                for chosen in draw_segments(weights, len(self.segments), self.config.batch_segments, generator):
                    segments = [self.segments[i] for i in chosen]
                    found.append((self.frames_of(segments, generator), segments))
        frames = torch.cat([frames for frames, _ in found]).to(self.problem.crops.device)  # waits for the device once
        return list(zip(frames.split([len(f) for f, _ in found]), (segments for _, segments in found), strict=True))

    def frames_of(self, segments: list[Segment], generator: torch.Generator) -> Tensor:
        """Every ``segment_step``-th frame of segments of one length, each from a random one of its first; as many of each."""
        step = min(self.config.segment_step, len(segments[0]))
        within = step * torch.arange(len(segments[0]) // step)
        first = torch.randint(step, (len(segments),), generator=generator)
        return torch.cat([s.start + o + within for s, o in zip(segments, first.tolist(), strict=True)])

    @torch.no_grad()
    def segment_similarity(self, estimate: Estimate) -> Tensor:
        """Eq. 3 for every segment [S]; 0 where there is no label."""
        similarity = estimate.rotations.new_zeros(len(self.segments))
        aligned = [i for i, s in enumerate(self.segments) if s.label is not None]
        if aligned:
            starts = torch.tensor([self.segments[i].start for i in aligned], device=similarity.device)
            frames = (starts[:, None] + torch.arange(len(self.segments[0]), device=similarity.device)).flatten()
            motion = self.motion(estimate.rotations[frames], frames, len(aligned))
            similarity[aligned] = self.roles.prior.similarity(motion, [str(self.segments[i].label) for i in aligned])
        return similarity

    def frame_similarity(self, similarity: Tensor) -> Tensor:
        """Highest similarity of the segments that a frame is in: [S] -> [T]."""
        frames = similarity.new_full((len(self.problem),), -1.0)
        for segment, value in zip(self.segments, similarity, strict=True):
            frames[segment.start : segment.stop] = frames[segment.start : segment.stop].maximum(value)
        return frames

    def denoiser_rate(self, epoch: int) -> float:
        peak = self.config.denoiser_learning_rate or min(self.config.learning_rate, 5e-5)
        return learning_rate(self.config, epoch, peak)

    def record(
        self, state: State, projected: Tensor, similarity: Tensor, totals: dict[str, Tensor], steps: int, rate: float,
        seconds: float,
    ) -> dict[str, Any]:  # fmt: skip
        """One line of the history; the only place in the loop where the device is waited for."""
        first, now = self.problem.evidence, state.evidence
        distance = (projected - first.points).norm(dim=-1)[first.present]
        labelled = torch.tensor([s.label is not None for s in self.segments], device=similarity.device)
        return {
            "epoch": state.epoch + 1,
            "learning_rate": rate,
            "steps": steps,
            **{f"loss_{name}": (value / steps).item() for name, value in totals.items()},
            "reprojection_px": distance.median().item() if len(distance) else None,
            "similarity": similarity[labelled].mean().item() if labelled.any() else None,
            "filled": (now.present & ~first.present).float().sum().item() / max(1, first.present.numel()),
            "seconds": seconds,
        }
