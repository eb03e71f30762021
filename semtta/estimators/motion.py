"""``motion:FILE``: another system's result as the start, its parameters themselves as the weights that are adapted."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from pydantic import Field
from torch import Tensor, nn

from ..constants import JOINT_SETS, SMPL29
from ..errors import SemttaError
from ..geometry import crop_points, image_translation, matrix_from_6d, matrix_to_6d, project_to_image
from ..registry import Settings
from ..types import Camera, FrameBatch, Keypoints2D, Prediction
from .base import Estimator, register
from .motion_files import FileMotion, read_motion

#: Of the mean shapes, in the rest pose, metres: where the pelvis is from the origin that a translation is of. The
#: differences are what counts: 11 cm between SMPL and SMPL-X.
_PELVIS = {
    "smpl": (-0.002, -0.241, 0.029), "smplh": (-0.002, -0.241, 0.029), "smplx": (0.003, -0.351, 0.012), "mhr": (0.0, 0.0, 0.0),
}  # fmt: skip
#: Keypoints of a higher confidence place a motion that comes without a camera, if a frame has this many.
_CONFIDENT, _ENOUGH = 0.3, 4
#: Nothing is nearer to the camera, metres.
NEAR = 0.1

#: The parameters are the motion itself: a step of 0.015 in 6D is about a degree, and a hundred of them turn a leg that was never
#: seen. There is no dropout, and a pass costs next to nothing. Chosen on synthwild's val part (docs/estimators.md).
SUITS: dict[str, object] = {
    "loop.learning_rate": 0.015, "loop.epochs": 10, "loop.warmup_epochs": 2, "loop.batch_segments": 1, "loop.segment_stride": 6,
    "loop.segment_step": 3, "loop.min_steps": 10,
}  # fmt: skip


class MotionSettings(Settings):
    """Of ``motion``."""

    person: int = Field(0, ge=0, le=1_000_000, description="which of the people in the file, in its own order")
    smooth: float = Field(
        3.0,
        ge=0,
        le=1000,
        description="a frame's change is a Gaussian mean of its neighbours' with this deviation in frames; 0: its own",
    )


class MotionEstimator(Estimator):
    """A motion [T] and, frame by frame, changes of its rotations, shape and camera, which are the parameters: 0 at first.

    What is added to a frame is a mean of the changes of the frames around it: else an optimiser that moves every parameter by
    as much, as Adam does, shakes the motion. The camera starts where the file puts the body; without a translation in the file
    it is fitted to each frame's keypoints.
    """

    name = "motion"
    crop_px = None

    def __init__(self, motion: FileMotion, body: nn.Module, smooth: float = 0.0) -> None:
        super().__init__()
        self.exact = motion.length is not None
        motion = motion.whole()
        family = str(getattr(body, "name", "")).split("-")[0]
        betas = motion.betas if motion.family == family else torch.zeros_like(motion.betas)  # of another space of shapes
        self.pose = nn.Parameter(torch.zeros(len(betas), 24, 6))
        self.shape = nn.Parameter(torch.zeros(len(betas), 10))
        self.camera = nn.Parameter(torch.zeros(len(betas), 3))
        reach = math.ceil(2 * smooth)
        offsets = torch.arange(-reach, reach + 1)
        weights = torch.exp(-0.5 * (offsets / smooth).square()) if smooth else torch.ones(1)
        self.start_pose: Tensor
        self.start_shape: Tensor
        self.offsets: Tensor
        self.kernel: Tensor
        self.register_buffer("start_pose", matrix_to_6d(motion.rotations, "columns"))
        self.register_buffer("start_shape", betas)
        self.register_buffer("offsets", offsets)
        self.register_buffer("kernel", weights / weights.sum())
        self.width_px = motion.width_px
        self.focal_at_width = None if motion.focal_px is None else float(motion.focal_px.median())
        self.place: Tensor | None
        self.joints: Tensor
        place = motion.translation
        if place is not None and motion.family != family:
            rest = body.rest_joints(betas)[:, 0]  # type: ignore[operator]
            place = place + place.new_tensor(_PELVIS.get(motion.family, (0.0, 0.0, 0.0))) - rest.to(place)
        self.register_buffer("place", place)
        with torch.no_grad():
            joints = body.keypoints(motion.rotations, betas, "smpl29")  # type: ignore[operator]
        self.register_buffer("joints", joints, persistent=False)

    def forward(self, batch: FrameBatch) -> Prediction:
        """The motion in the frames of the batch; SemttaError if the video has another number of frames."""
        count, video = len(self.pose), batch.keypoints
        if video is not None and (len(video) < count or (self.exact and len(video) != count)):
            raise SemttaError(f"The motion has {count} frames, the video {len(video)}: they are not of the same clip.")
        frames = batch.frames.clamp(max=count - 1)  # a person who is gone stays
        around = (frames[:, None] + self.offsets).clamp(0, count - 1)

        def changed(start: Tensor, change: Tensor) -> Tensor:
            return start + torch.einsum("k,nk...->n...", self.kernel, change[around])

        scale, x, y = self._pictures(batch, frames).unbind(-1)
        center_x, center_y, side = batch.boxes.to(scale).unbind(-1)
        start = torch.stack((2 * scale / side, (x - center_x) / scale, (y - center_y) / scale), -1)
        rotations = matrix_from_6d(changed(self.start_pose[frames], self.pose), "columns")
        return Prediction(rotations, changed(self.start_shape[frames], self.shape), changed(start, self.camera))

    def _pictures(self, batch: FrameBatch, frames: Tensor) -> Tensor:
        """At first [N, 3]: pixels per metre, and where the body's origin is in the picture."""
        if self.place is None:
            return fitted_cameras(self.joints, batch.keypoints, batch.image_size)[frames]
        focal, center_x, center_y = batch.intrinsics.to(self.place).unbind(-1)
        x, y, z = self.place[frames].unbind(-1)
        scale = focal / z.clamp(min=NEAR)
        return torch.stack((scale, scale * x + center_x, scale * y + center_y), -1)

    def picture_camera(self, size: tuple[int, int]) -> Camera:
        """The camera of the file; the usual one where it has no translation, the picture's diagonal where it says none."""
        usual = super().picture_camera(size)
        if self.place is None:
            return usual
        if self.focal_at_width is None:
            return replace(usual, focal_px=math.hypot(*size), source="assumed: the picture's diagonal")
        focal = self.focal_at_width * size[0] / (self.width_px or size[0])
        return replace(usual, focal_px=focal, source="the file of the motion")

    def project(self, joints: Tensor, camera: Tensor, batch: FrameBatch) -> Tensor:
        """By the camera of the whole picture, in perspective: it is the frame that the motion is given in."""
        focal, *center = batch.intrinsics.to(joints)[:, :, None].unbind(1)
        place = image_translation(camera, batch.boxes.to(joints), focal[:, 0], (center[0][:, 0], center[1][:, 0]))
        points = joints + place[:, None]
        points = torch.cat((points[..., :2], points[..., 2:].clamp(min=NEAR)), -1)
        return crop_points(project_to_image(points, focal, (center[0], center[1])), batch.boxes.to(joints))


def fitted_cameras(joints: Tensor, keypoints: Keypoints2D | None, size: tuple[int, int]) -> Tensor:
    """Scale and shift [T, 3] in pixels that put joints [T, 29, 3] (metres) on keypoints: least squares, frame by frame.

    Frames that show too little get what lies between their neighbours; a clip that shows nothing, the middle of the picture.
    """
    usual = joints.new_tensor((min(size) / 2, size[0] / 2, size[1] / 2)).expand(len(joints), 3)
    if keypoints is None:
        return usual
    names = JOINT_SETS[keypoints.joint_set]
    pairs = [(names.index(name), i) for i, name in enumerate(SMPL29) if name in names]
    theirs, ours = [a for a, _ in pairs], [b for _, b in pairs]
    points = keypoints.xy[: len(joints), theirs].to(joints)
    seen = (keypoints.confidence[: len(joints), theirs].to(joints) > _CONFIDENT) & points.isfinite().all(-1)
    weight = seen.to(joints)[..., None]
    points, flat = points.where(seen[..., None], 0), joints[:, ours, :2]
    total = weight.sum(1).clamp(min=1)
    middle, target = (weight * flat).sum(1) / total, (weight * points).sum(1) / total
    spread = (weight * (flat - middle[:, None])).square().sum((1, 2))
    scale = (weight * (flat - middle[:, None]) * (points - target[:, None])).sum((1, 2)) / spread.clamp(min=1e-6)
    found = torch.cat((scale[:, None], target - scale[:, None] * middle), -1)
    good = ((seen.sum(1) >= _ENOUGH) & (scale > 0)).nonzero()[:, 0]
    if not len(good):
        return usual
    frames = torch.arange(len(joints), device=good.device)
    after = torch.searchsorted(good, frames).clamp(max=len(good) - 1)
    before = torch.where(good[after] == frames, after, (after - 1).clamp(min=0))
    share = ((frames - good[before]) / (good[after] - good[before]).clamp(min=1)).clamp(0, 1)[:, None].to(joints)
    return found[good[before]] * (1 - share) + found[good[after]] * share


@register("motion", settings=MotionSettings, suits=SUITS, needs=("body",), argument="FILE")
def motion(*arguments: object, body: nn.Module) -> MotionEstimator:
    """Another system's result (PHALP, WHAM, GVHMR, TRAM, PromptHMR, SAM 3D Body, or AMASS's keys), refined as it is."""
    path, settings = ("", *arguments)[-2:]
    assert isinstance(settings, MotionSettings)
    if not path:
        raise SemttaError("The estimator 'motion' needs a file: --estimator motion:FILE.")
    return MotionEstimator(read_motion(str(path), settings.person), body, settings.smooth)
