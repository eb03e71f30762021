"""DAPA, domain adaptive pose augmentation (Weng et al., 3DV 2022), frame by frame.

The predicted pose is varied by the pose prior, each variant is rendered in the frame's own colours onto the frame, and
the network is trained on these images, whose parameters are known, beside the 2D loss on the frame itself. DAPA varies
poses in VPoser's latent space and fine-tunes on a data set in batches of 64; here the poses are varied by the Gaussian
mixture and the batch is one frame with its variants.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from pydantic import Field
from torch import Tensor
from torch.func import grad

from ...errors import SemttaError
from ...geometry import CROP_PX, crop_translation, project_to_crop
from ...registry import Settings
from ...settings import AdaptConfig
from ...types import FrameBatch, Prediction
from ..base import OnEpoch, register, settings_of
from ..problem import Outcome, Problem, Roles
from . import terms
from .loop import OnlineAdaptation, OnlineState, Weights, to_unit_square
from .pairs import render_onto, textures
from .pose_prior import PosePrior
from .source import SourceImages


class DAPASettings(Settings):
    """Of ``dapa``."""

    pairs: int = Field(4, ge=1, le=10_000, description="rendered images a step")
    pair_noise: float = Field(0.5, ge=0, le=100, description="spread of their poses, in standard deviations of the pose prior")
    pair_weight: float = Field(1.0, ge=0, le=1e6, description="of the loss on rendered images beside that on the real one")
    pose_prior_file: str | None = Field(None, description="mixture: SMPLify's gmm_08.pkl or an npz; None: the included one")


class DAPA(OnlineAdaptation):
    """The loop of DAPA."""

    def __init__(self, problem: Problem, roles: Roles, config: AdaptConfig) -> None:
        super().__init__(problem, roles, config)
        self.settings = settings_of(config, DAPASettings)
        if roles.estimator.crop_px is None:
            raise SemttaError(f"Method 'dapa' renders crops, which estimator '{roles.estimator.name}' does not take.")
        self.crop_px = roles.estimator.crop_px
        self.pose_prior = PosePrior.load(self.settings.pose_prior_file).to(problem.device)
        self.faces = roles.body.faces.cpu().numpy().astype(np.int32)
        self.rest = roles.body.v_template.cpu().numpy()

    def adapt(self, state: OnlineState, frame: int) -> dict[str, Tensor]:
        batch = self.frame(frame)
        pairs = self.render(state.weights, batch)

        def objective(weights: Weights) -> tuple[Tensor, dict[str, Tensor]]:
            decoded = self.decode(weights, batch)
            values = {
                "2d": terms.squared_2d(decoded.points, self.points[frame : frame + 1], self.present[frame : frame + 1]),
                "pairs": pairs.loss(self.decode(weights, pairs.batch)),
            }
            return terms.weighted(values, {"2d": terms.SPIN_WEIGHTS["2d"], "pairs": self.settings.pair_weight}), values

        gradients, values = grad(objective, has_aux=True)(state.weights)
        self.step(state, gradients)
        return values

    @torch.no_grad()
    @np.errstate(
        invalid="ignore"
    )  # a run that has diverged is stopped at the end of its block of frames, without numpy's warning
    def render(self, weights: Weights, batch: FrameBatch) -> SourceImages:
        """``settings.pairs`` labelled images from a batch of one frame: as it is predicted to be, but for the pose."""
        assert batch.crops is not None
        predicted = self.decode(weights, batch).prediction
        count = self.settings.pairs
        poses = self.pose_prior.disturbed(predicted.rotations.expand(count, -1, -1, -1), self.settings.pair_noise)
        betas, camera = predicted.betas.expand(count, -1), predicted.camera.expand(count, -1)
        image = batch.crops[0].permute(1, 2, 0).cpu().numpy()
        looks = textures(image, *self.surface(predicted.rotations, predicted.betas, predicted.camera)[0], self.faces, self.rest)
        bodies = self.surface(poses, betas, camera)
        images = np.stack([render_onto(image, *body, self.faces, looks) for body in bodies])
        crops = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous().to(batch.device)
        joints = self.roles.body.keypoints(poses, betas, "smpl29")[:, :24]
        return SourceImages(crops, poses, betas, joints, to_unit_square(project_to_crop(joints, camera)))

    def surface(self, rotations: Tensor, betas: Tensor, camera: Tensor) -> list[tuple[np.ndarray, np.ndarray]]:
        """Vertices of N bodies: (pixels of the estimator's crop [V, 2], depth [V] in metres) of each."""
        vertices = self.roles.body.vertices(rotations, betas)
        points = project_to_crop(vertices, camera) * (self.crop_px / CROP_PX)
        depth = (vertices + crop_translation(camera)[:, None])[..., 2]
        return list(zip(points.cpu().numpy(), depth.cpu().numpy(), strict=True))


@register("dapa", settings=DAPASettings, suits={"loop.learning_rate": 5e-5, "loop.adam_betas": (0.9, 0.999), "loop.epochs": 1})
def dapa(
    problem: Problem, roles: Roles, config: AdaptConfig, before: Prediction, on_epoch: OnEpoch = None,
    resume: dict[str, Any] | None = None,
) -> Outcome:  # fmt: skip
    """Training on rendered variants of the predicted pose, beside the 2D of the frame."""
    return DAPA(problem, roles, config).run(before, on_epoch, resume)
