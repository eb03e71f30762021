"""The offline loop: fine-tune the estimator on one clip, epoch by epoch (Sec. 4, Fig. 2).

Each epoch has two parts. Model fine-tuning: segments of the clip are drawn, and the projection, alignment and
smoothing losses (Eq. 10) update the network while the 2D keypoints stay as they are. 2D pose update: one pass over all
frames gives the predictions that move the keypoints (Eq. 8), weigh the sampling, and are smoothed for the next epoch.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from ... import losses, updaters
from ...constants import SMPL29, SUPERVISED_SETS, table
from ...data.evidence import joint_visibility
from ...denoisers.cycle import DenoiserState, denoise_stage
from ...devices import cuda_devices
from ...geometry.timing import OtherRate, motion_at_constant_rate
from ...losses import WholeClip
from ...settings import AdaptConfig
from ...types import Motion, Prediction, Segment
from ..passes import backward_in_pieces, forward, predict
from ..problem import Outcome, Problem, Roles
from .rays import pelvis_rays
from .schedule import learning_rate
from .segments import draw_batches, make_segments, sampling_weights
from .state import State
from .trainable import make_trainable


class Adaptation:
    """One clip's adaptation: ``run`` is the method, the rest are its steps.

    ``weights``: of the estimator, that it starts from; None: the pre-trained ones.
    """

    def __init__(
        self, problem: Problem, roles: Roles, config: AdaptConfig, weights: Mapping[str, Tensor] | None = None
    ) -> None:  # fmt: skip
        self.weights = weights
        self.problem, self.roles, self.config = problem, replace(roles, prior=roles.prior.for_clip()), config
        self.loop = config.loop
        self.places = replace(problem.inputs, crops=None)  # where the frames' boxes are, to project into them
        drop_mixed = self.loop.mixed_segments == "drop"
        self.segments = make_segments(
            problem.labels, len(problem), self.loop.segment_frames, self.loop.segment_stride, drop_mixed
        )
        self.labelled = torch.tensor([segment.label is not None for segment in self.segments])
        self.visible = joint_visibility(problem.evidence)
        self.landmarks = problem.landmarks
        self.denoiser_rate = OtherRate(problem.seconds, getattr(config.denoiser.settings, "fps", None), problem.device)
        self.terms = losses.bind(config.losses)
        self.updaters = updaters.bind(config.updaters)
        wanted = SUPERVISED_SETS[config.evidence.joints]
        self.supervised = torch.tensor([name in wanted for name in SMPL29], device=problem.device)

    # -- the method ---------------------------------------------------------------------------------------------------

    def run(
        self, before: Prediction, on_epoch: Callable[[State], None] | None = None, resume: dict[str, Any] | None = None
    ) -> Outcome:
        """Adapt, from what the pre-trained network predicts (see ``predict``).

        ``on_epoch`` sees the state after every epoch; ``resume`` is a state's ``state_dict``.
        """
        state = self.start(before)
        if resume is not None:
            state.load_state_dict(resume)
        while state.epoch < self.loop.epochs:
            with torch.random.fork_rng(devices=cuda_devices(self.problem.device)):
                torch.manual_seed(self.config.seed * 1009 + state.epoch)  # so that a resumed run repeats
                self.epoch(state)
            if on_epoch:
                on_epoch(state)
        if self.loop.predictions == "train" and self.loop.epochs:
            state.prediction = self.predict(state)
        weights = {name: value.detach() for name, value in state.trainable.weights().items()}
        return Outcome(before, state.prediction, state.evidence, state.similarity, tuple(state.history), weights)

    def start(self, before: Prediction) -> State:
        """A copy of the weights to start from, and nothing adapted yet."""
        trainable = make_trainable(self.roles.estimator, self.loop.trainable, self.weights)
        # fused: right only for gradients that lie in memory as their weights do, which backward() sees to
        optimiser = torch.optim.Adam(
            trainable.adapted.values(), lr=self.loop.learning_rate, betas=self.loop.adam_betas, fused=True
        )
        denoiser = DenoiserState.start(self.roles.denoiser, self.loop.adam_betas)
        similarity = self.segment_similarity(before)
        return State(
            trainable, optimiser, denoiser, self.problem.evidence, self.one_shape(before), similarity,
            self.frame_similarity(similarity), self.roles.prior, epochs=self.loop.epochs,
        )  # fmt: skip

    def epoch(self, state: State) -> None:
        """Model fine-tuning, then 2D pose update."""
        began, rate = time.perf_counter(), learning_rate(self.loop, state.epoch)
        for group in state.optimiser.param_groups:
            group["lr"] = rate
        totals: dict[str, Tensor] = {}
        batches = self.batches(state)
        for frames, segments in batches:
            for name, value in self.step(state, frames, segments).items():
                totals[name] = totals.get(name, 0) + value

        if self.loop.predictions == "eval":
            state.prediction = self.predict(state)
        state.segment_similarity = self.segment_similarity(state.prediction)
        state.similarity = self.frame_similarity(state.segment_similarity)
        state.target = self.denoise(state)
        projected = self.update_keypoints(state)
        seconds = time.perf_counter() - began
        state.history.append(self.record(state, projected, totals, len(batches), rate, seconds))
        state.epoch += 1

    def step(self, state: State, frames: Tensor, segments: list[Segment]) -> dict[str, Tensor]:
        """One optimiser step on ``frames`` [N], which are ``segments`` one after the other (none when sampling frames)."""
        state.optimiser.zero_grad(set_to_none=True)
        values: dict[str, Tensor] = {}

        def loss_of(rotations: Tensor, betas: Tensor, camera: Tensor) -> Tensor:
            prediction = self.one_shape(Prediction(rotations, betas, camera), state.prediction)
            values.update(self.losses(state, frames, segments, prediction))
            return losses.overall_loss(values, self.loss_weights(state.epoch))

        outputs = backward_in_pieces(
            lambda batch: forward(self.roles.estimator, state.trainable.weights(), batch, train=self.loop.dropout),
            self.problem.inputs[frames], loss_of, self.loop.micro_batch,
        )  # fmt: skip
        state.optimiser.step()
        if "align" in values:
            motion, labels, _ = self.labelled_motion(outputs[0].detach(), frames, segments)
            self.roles.prior.train_step(motion, labels)
        if self.loop.predictions == "train":
            state.prediction = state.prediction.updated(frames, Prediction.of(outputs))
        return {name: value.detach() for name, value in values.items()}

    def losses(self, state: State, frames: Tensor, segments: list[Segment], prediction: Prediction) -> dict[str, Tensor]:
        """The terms of Eq. 10 on a batch, by default L2D (Eq. 5), Lalign (Eq. 4), Lsmooth (Eq. 9)."""
        joints = self.roles.body.keypoints(prediction.rotations, prediction.betas, "smpl29")
        projected = self.project(prediction, joints, frames)
        motion, labels, trust = self.labelled_motion(prediction.rotations, frames, segments, projected)
        context = losses.StepContext(
            prediction, joints, projected, state.evidence[frames], frames, segments,
            None if state.target is None else state.target[frames], self.roles.prior, motion if labels else None, labels, trust,
            self.progress(state.epoch), self.landmarks, self.problem.fps / self.loop.segment_step, self.whole_clip(state),
        )  # fmt: skip
        return losses.evaluate_terms(self.terms, context)

    def update_keypoints(self, state: State) -> Tensor:
        """Eq. 8 by the predictions of all frames; returns their projection [T, 29, 2]."""
        with torch.no_grad():
            projected = state.projected = self.projection(state.prediction)
            context = updaters.UpdateContext(
                state.evidence, state.evidence, projected, state.similarity, self.roles.prior.threshold, self.supervised
            )
            state.evidence = updaters.update(self.updaters, context)
        return projected

    def whole_clip(self, state: State) -> WholeClip | None:
        """The clip as it was predicted after the last epoch; None in the first."""
        if not state.epoch:
            return None
        if state.projected is None:  # after a checkpoint
            with torch.no_grad():
                state.projected = self.projection(state.prediction)
        return WholeClip(state.prediction.rotations, state.projected, self.visible, self.places)

    # -- its parts ----------------------------------------------------------------------------------------------------

    def progress(self, epoch: int) -> float:
        """Share of the epochs that are done when ``epoch`` begins."""
        return epoch / max(1, self.loop.epochs)

    def loss_weights(self, epoch: int) -> dict[str, float]:
        """Of Eq. 10's terms in an epoch."""
        return {term.name: term.weight(self.progress(epoch)) for term in self.terms}

    def predict(self, state: State) -> Prediction:
        """All frames in eval mode, by the weights of now."""
        with torch.no_grad():
            weights = state.trainable.weights()
        return self.one_shape(predict(self.roles.estimator, weights, self.problem.inputs, self.loop.micro_batch))

    def one_shape(self, prediction: Prediction, clip: Prediction | None = None) -> Prediction:
        """With ``loop.shared_shape``: the mean shape of the ``clip`` (None: the prediction) in every frame of the prediction.

        Gradients reach the prediction's own shapes, as those of their mean.
        """
        if not self.loop.shared_shape:
            return prediction
        mean = own = prediction.betas.mean(0)
        if clip is not None:
            mean = clip.betas.mean(0) + own - own.detach()
        return replace(prediction, betas=mean.expand_as(prediction.betas))

    def projection(self, prediction: Prediction) -> Tensor:
        """The joints of a prediction of all frames in their crops: [T, 29, 2]."""
        return self.project(prediction, self.roles.body.keypoints(prediction.rotations, prediction.betas, "smpl29"))

    def project(self, prediction: Prediction, joints: Tensor, frames: Tensor | None = None) -> Tensor:
        """A prediction's joints [N, J, 3] into the 224 crops of ``frames`` [N], by default all: [N, J, 2]."""
        return self.roles.estimator.project(joints, prediction.camera, self.places if frames is None else self.places[frames])

    def denoise(self, state: State) -> Prediction | None:
        """The next epoch's target (Eq. 9); None without a denoiser."""
        settings = self.config.denoiser.settings
        peak = getattr(settings, "learning_rate", None) or min(self.loop.learning_rate, 5e-5)
        at_rate = self.denoiser_rate
        denoised = denoise_stage(
            self.roles.denoiser, state.denoiser, *at_rate.there(state.prediction.rotations, state.prediction.betas),
            rate=learning_rate(self.loop, state.epoch, peak), batch=getattr(settings, "batch", 32),
        )  # fmt: skip
        if denoised is None:
            return None
        rotations, betas = at_rate.back(*denoised)
        return replace(state.prediction, rotations=rotations, betas=betas)

    def motion(self, rotations: Tensor, frames: Tensor, count: int, step: int = 1, projected: Tensor | None = None) -> Motion:
        """Rotations [count * L, 24, 3, 3] of every ``step``-th frame of ``count`` segments, with their joints' visibility.

        With joints ``projected`` into the crops [count * L, 29, 2] also with the camera's rays. Frames with times of their own
        are resampled to the prior's rate.
        """
        shape = (count, len(frames) // count)
        rays = None
        if projected is not None:
            rays = pelvis_rays(projected[:, :24].detach(), rotations[:, 0].detach(), self.places[frames]).unflatten(0, shape)
        rotations, visible = rotations.unflatten(0, shape), self.visible[frames].unflatten(0, shape)
        if self.problem.times_s is None:
            return Motion(rotations, None, visible, self.problem.fps / step, rays)
        times_s = self.problem.times_s[frames.cpu()].unflatten(0, shape)
        return motion_at_constant_rate(rotations, times_s, self.roles.prior.fps, visible, rays)

    def labelled_motion(
        self, rotations: Tensor, frames: Tensor, segments: list[Segment], projected: Tensor | None = None
    ) -> tuple[Motion, list[str], Tensor]:
        """Those of a batch's segments that have a label: motion, labels, and the trust in them."""
        chosen = [i for i, segment in enumerate(segments) if segment.label is not None]
        labels = [str(segments[i].label) for i in chosen]
        trust = table(tuple(segments[i].trust for i in chosen), rotations.device, rotations.dtype)
        if not segments:  # frames are drawn one by one
            return Motion(rotations[None]), labels, trust
        motion = self.motion(rotations, frames, len(segments), self.loop.segment_step, projected)
        return motion if len(chosen) == len(segments) else motion[chosen], labels, trust

    def batches(self, state: State) -> list[tuple[Tensor, list[Segment]]]:
        """One epoch of (frames [N], segments)."""
        generator = torch.Generator().manual_seed(self.config.seed * 7919 + state.epoch)
        weights = None
        if self.loop.sampling == "similarity":
            weights = sampling_weights(state.segment_similarity.cpu(), self.labelled)
        drawn = draw_batches(self.segments, len(self.problem), self.loop, weights, generator)
        frames = torch.cat([frames for frames, _ in drawn]).to(self.problem.device)  # waits for the device once
        return list(zip(frames.split([len(f) for f, _ in drawn]), (segments for _, segments in drawn), strict=True))

    @torch.no_grad()
    def segment_similarity(self, prediction: Prediction) -> Tensor:
        """Eq. 3 for every segment [S]; 0 where there is no label."""
        similarity = prediction.rotations.new_zeros(len(self.segments))
        aligned = [i for i, s in enumerate(self.segments) if s.label is not None]
        if aligned:
            starts = torch.tensor([self.segments[i].start for i in aligned], device=similarity.device)
            frames = (starts[:, None] + torch.arange(len(self.segments[0]), device=similarity.device)).flatten()
            motion = self.motion(prediction.rotations[frames], frames, len(aligned))
            similarity[aligned] = self.roles.prior.similarity(motion, [str(self.segments[i].label) for i in aligned])
        return similarity

    def frame_similarity(self, similarity: Tensor) -> Tensor:
        """Highest similarity of the segments that a frame is in: [S] -> [T]."""
        frames = similarity.new_full((len(self.problem),), -1.0)
        for segment, value in zip(self.segments, similarity, strict=True):
            frames[segment.start : segment.stop] = frames[segment.start : segment.stop].maximum(value)
        return frames

    def record(
        self, state: State, projected: Tensor, totals: dict[str, Tensor], steps: int, rate: float, seconds: float
    ) -> dict[str, Any]:
        """One line of the history; the only place in the loop where the device is waited for."""
        first, now = self.problem.evidence, state.evidence
        distance = (projected - first.points).norm(dim=-1)[first.present]
        similarity = state.segment_similarity
        labelled = self.labelled.to(similarity.device)
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
