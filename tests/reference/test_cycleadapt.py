"""Agreement with CycleAdapt's public code on made-up weights and inputs (how the numbers were made: README.md)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import formula
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from semtta.body import SMPL
from semtta.build import resolve
from semtta.constants import H36M_EVALUATION
from semtta.denoisers import MDNet, cycle, merge_windows
from semtta.estimators import HMR, HMRConfig
from semtta.geometry import (
    axis_angle_to_matrix,
    crop_points,
    crop_translation,
    image_focal_px,
    image_translation,
    matrix_from_6d,
    matrix_to_6d,
    matrix_to_axis_angle,
    project_to_crop,
    project_to_image,
)
from semtta.geometry.crops import warp_square
from semtta.losses import projection_loss, smoothing_loss
from semtta.methods import Problem, Roles
from semtta.methods.offline import segments
from semtta.methods.offline.loop import Adaptation
from semtta.methods.offline.schedule import learning_rate
from semtta.methods.offline.state import State
from semtta.methods.passes import predict
from semtta.metrics import acceleration_error, mpjpe, mpvpe, pa_mpjpe
from semtta.priors import NoPrior
from semtta.settings import AdaptConfig
from semtta.types import Evidence, FrameBatch, Prediction

EXACT = {"rtol": 0, "atol": 2e-5}
PIXELS = MILLIMETRES = {"rtol": 0, "atol": 1e-4}


@pytest.fixture(scope="module")
def expected() -> dict[str, Tensor]:
    return {key: torch.from_numpy(np.asarray(value)) for key, value in formula.stored("cycleadapt").items()}


@pytest.fixture(scope="module")
def loop() -> dict[str, Tensor]:
    return {key: torch.from_numpy(np.asarray(value)) for key, value in formula.stored("cycleadapt_loop").items()}


@pytest.fixture(scope="module")
def smpl() -> SMPL:
    return SMPL(formula.smpl_arrays(), regressors={"h36m17": formula.h36m_regressor()})


def shapes(module: nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(value.shape) for name, value in module.state_dict().items()}


@pytest.fixture(scope="module")
def hmr(tmp_path_factory: pytest.TempPathFactory) -> HMR:
    """Read from a file as CycleAdapt distributes it."""
    path = tmp_path_factory.mktemp("hmr") / "hmr_basemodel.pt"
    made = formula.hmr_weights(shapes(HMR()))
    torch.save({"model": {f"module.{name}": value for name, value in made.items()}}, path)
    return HMR.from_checkpoint(path)


@torch.no_grad()
def test_hmr(hmr: HMR, expected: dict[str, Tensor]):
    assert len(hmr.state_dict()) == expected["hmr_tensors"] == 172
    out = hmr(FrameBatch.of_crops(formula.crops("crops", 2, 224)))
    rotations = matrix_from_6d(expected["hmr_pose6d"].view(2, 24, 6), "columns_interleaved")
    torch.testing.assert_close(out.rotations, rotations, **EXACT)
    torch.testing.assert_close(out.betas, expected["hmr_betas"], **EXACT)
    torch.testing.assert_close(crop_translation(out.camera), expected["hmr_translation"], rtol=2e-6, atol=2e-5)


@pytest.fixture(scope="module")
def md_state(expected: dict[str, Tensor]) -> dict[str, Tensor]:
    """MDNet's weights under its own names."""
    names = {"inner": "motion_fc_in", "outer": "motion_fc_out"}
    names |= {f"blocks.{i}.time": f"motion_mlp.mlps.{i}.fc0.fc" for i in range(4)}
    found = {}
    for name, shape in shapes(MDNet()).items():
        owner, kind = name.rsplit(".", 1)
        if owner.endswith("norm"):
            found[f"motion_mlp.mlps.{owner.split('.')[1]}.norm0.{'alpha' if kind == 'weight' else 'beta'}"] = (1, 144, 1)
        else:
            found[f"{names[owner]}.{kind}"] = shape
    assert len(found) == expected["mdnet_tensors"]
    return formula.weights(found)


@torch.no_grad()
def test_mdnet(tmp_path: Path, md_state: dict[str, Tensor], expected: dict[str, Tensor]):
    torch.save({"model": {f"module.{name}": value for name, value in md_state.items()}}, tmp_path / "md_basemodel.pt")
    model = MDNet.from_checkpoint(tmp_path / "md_basemodel.pt")
    torch.testing.assert_close(model(0.5 * formula.tensor("windows", 2, 49, 144)), expected["mdnet"], **EXACT)


@torch.no_grad()
@pytest.mark.parametrize("prefix", ["", "module."])
def test_an_adapted_sequence(prefix: str, tmp_path: Path, hmr: HMR, md_state: dict[str, Tensor], expected: dict[str, Tensor]):
    """Both networks and SMPL in one table; beside it optimisers, and schedulers as the objects that they are."""
    tables = {
        "hmr_net": hmr.state_dict(),
        "md_net": md_state,
        "smpl_layer": {"betas": torch.zeros(1, 10), "shapedirs": torch.ones(2)},
    }
    content: dict[str, object] = {
        f"{prefix}{net}.{name}": value for net, table in tables.items() for name, value in table.items()
    }  # fmt: skip
    optimiser = torch.optim.Adam([nn.Parameter(torch.ones(2))])
    warmup = {"after_scheduler": torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, 9), "last_epoch": 13}
    path = tmp_path / "downtown_arguing_00.pth.tar"
    torch.save({
        "cycle": 12, "model_state_dict": content, "optim_state_dict": (optimiser.state_dict(), optimiser.state_dict()),
        "scheduler_state_dict": (warmup, warmup), "test_log": {"mpjpe": [np.float32(80.0)], "pa-mpjpe": [], "mpvpe": []},
    }, path)  # fmt: skip
    out = HMR.from_checkpoint(path)(FrameBatch.of_crops(formula.crops("crops", 2, 224)))
    torch.testing.assert_close(crop_translation(out.camera), expected["hmr_translation"], rtol=2e-6, atol=2e-5)
    windows = 0.5 * formula.tensor("windows", 2, 49, 144)
    torch.testing.assert_close(MDNet.from_checkpoint(path)(windows), expected["mdnet"], **EXACT)


def test_rotations(expected: dict[str, Tensor]):
    """Twelve turns between 0 and pi, 0 itself, and 6D vectors that are no rotation's."""
    turns = expected["axis_angle"]
    torch.testing.assert_close(axis_angle_to_matrix(turns), expected["matrices"], **EXACT)
    torch.testing.assert_close(matrix_to_6d(expected["matrices"], "columns_interleaved"), expected["six"], **EXACT)
    raw = formula.tensor("six", 5, 6)
    torch.testing.assert_close(matrix_from_6d(raw, "columns_interleaved"), expected["matrices_of_six"], **EXACT)
    torch.testing.assert_close(matrix_to_axis_angle(expected["matrices_of_six"]), expected["axis_angle_of_six"], **EXACT)


def test_crop_and_camera(expected: dict[str, Tensor]):
    """Boxes squared about their centre, points into the crop, and the whole image's camera of each crop."""
    corner, size = expected["boxes"][:, :2], expected["boxes"][:, 2:]
    boxes = torch.cat((corner + size / 2, size.amax(1, keepdim=True)), 1)
    torch.testing.assert_close(boxes[:, :2] - boxes[:, 2:] / 2, expected["square"][:, :2], **PIXELS)
    points = torch.tensor([[70.0, 35], [150, 100], [0, 0]]).expand(2, 3, 2)
    torch.testing.assert_close(crop_points(points, boxes), expected["crop_points"], **PIXELS)
    focal, center = expected["image_camera"].unbind(1)
    torch.testing.assert_close(5000 / 224 * boxes[:, 2:].expand(2, 2), focal, rtol=1e-6, atol=0)
    torch.testing.assert_close(boxes[:, :2], center, **PIXELS)


def test_crop_pixels(expected: dict[str, Tensor]):
    """A ramp enlarged, as its OpenCV made it of floats, the edges of the picture and all; bytes are rounded."""
    rows, columns = np.mgrid[:240, :320]
    image = np.stack((rows % 256, columns % 256, (3 * rows + columns) % 256), -1).astype(np.uint8)
    for square, theirs in zip(expected["square"].tolist(), expected["crops"].numpy(), strict=True):
        x, y, w, h = square
        crop = warp_square(image, [x + w / 2, y + h / 2, w], 224)[::16, ::16]
        assert np.abs(crop.astype(float) - theirs).max() <= 1.6  # OpenCV 4 rounds positions to 1/32 pixel


@torch.no_grad()
def test_body(smpl: SMPL, expected: dict[str, Tensor]):
    rotations, betas = formula.rotations("body", 3, 24), formula.tensor("betas", 3, 10)
    torch.testing.assert_close(smpl.vertices(rotations, betas)[:, ::200], expected["vertices"], **EXACT)
    torch.testing.assert_close(smpl.keypoints(rotations, betas, "smpl29"), expected["joints29"], **EXACT)
    torch.testing.assert_close(smpl.keypoints(rotations, betas, "h36m17"), expected["h36m"], **EXACT)


def test_windows(expected: dict[str, Tensor]):
    torch.testing.assert_close(merge_windows(formula.tensor("slide", 4, 49, 5)), expected["merged"], **EXACT)


def test_losses(expected: dict[str, Tensor]):
    predicted, target = 100 + 40 * formula.tensor("predicted", 6, 29, 2), 100 + 40 * formula.tensor("target", 6, 29, 2)
    loss = projection_loss(predicted, target, formula.tensor("seen", 6, 29) > 0)
    torch.testing.assert_close(loss.mean(), expected["loss_2d"], **EXACT)
    pose, shape = smoothing_loss(
        formula.rotations("one", 6, 24), formula.tensor("shape one", 6, 10),
        formula.rotations("other", 6, 24), formula.tensor("shape other", 6, 10),
    )  # fmt: skip
    torch.testing.assert_close(pose.mean(), expected["loss_pose"], **EXACT)
    torch.testing.assert_close(shape.mean(), expected["loss_shape"], **EXACT)


@pytest.mark.parametrize("case", ["near", "mirrored"])
def test_metrics(case: str, expected: dict[str, Tensor]):
    """The public code takes millimetres; a mirrored pose must not be matched by a reflection."""
    pose = torch.from_numpy(formula.normal("pose 17", 4, 17, 3)) * 0.3
    near = pose + torch.from_numpy(formula.normal("near", 4, 17, 3)) * 0.06
    guess = near * torch.tensor([-1, 1, 1]) if case == "mirrored" else near
    chosen = list(H36M_EVALUATION)
    guess, truth = (guess - guess[:, :1])[:, chosen], (pose - pose[:, :1])[:, chosen]
    torch.testing.assert_close(mpjpe(guess, truth, root=None).float(), expected[f"mpjpe_{case}"], **MILLIMETRES)
    torch.testing.assert_close(pa_mpjpe(guess, truth).float(), expected[f"pa_mpjpe_{case}"], **MILLIMETRES)
    if case == "near":
        torch.testing.assert_close(acceleration_error(guess, truth, root=None).float(), expected["accel"], **MILLIMETRES)
        meshes = [torch.from_numpy(formula.normal(name, 4, 50, 3)) * 0.3 for name in ("mesh", "true mesh")]
        errors = mpvpe(*meshes, near[:, 0], pose[:, 0])
        torch.testing.assert_close(errors.float(), expected["mpvpe"], **MILLIMETRES)


def test_learning_rates(expected: dict[str, Tensor]):
    loop = resolve("cycleadapt").config.loop
    rates = [learning_rate(loop, epoch) for epoch in range(loop.epochs)]
    torch.testing.assert_close(torch.tensor(rates), expected["learning_rates"], rtol=1e-5, atol=0)


def settings(changes: dict[str, object] | None = None) -> AdaptConfig:
    """CycleAdapt's, dropout off."""
    return resolve("cycleadapt", {"estimator": "hmr", "loop.dropout": False, **(changes or {})}).config


def small() -> HMR:
    """The network with few channels that the public loop ran."""
    model = HMR(HMRConfig(depths=(1, 1, 1, 1), widths=(8, 8, 16, 16), stem=8, crop_px=64, hidden=32))
    model.load_state_dict(formula.hmr_weights(shapes(model)))
    return model


def test_two_optimiser_steps(loop: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch):
    """In double precision, since Adam's first step is the gradient's sign. Changes are stored in learning rates."""
    smpl = SMPL(formula.smpl_arrays(), dtype=torch.float64)
    points, seen = formula.keypoints(2)
    problem = Problem(FrameBatch.of_crops(formula.crops("step crops", 2, 64)), Evidence(points.double(), seen), (), 30.0)
    double = small()
    monkeypatch.setattr(HMR, "normalise", lambda self, crops: formula.normalised(crops).double())
    run = Adaptation(problem, Roles(double.double(), smpl, None, NoPrior()), settings())
    nothing = torch.zeros(2, 24, 3, 3).double(), torch.zeros(2, 10).double(), torch.zeros(2, 3).double()
    state = run.start(Prediction(*nothing))
    rate = learning_rate(run.loop, 0)
    state.optimiser.param_groups[0]["lr"] = rate
    for _ in range(2):
        run.step(state, torch.arange(2), [])
    torch.testing.assert_close(state.prediction.betas.float(), loop["step_betas"], **EXACT)
    before = double.state_dict()
    for name in ("conv1.weight", "layer4.0.bn3.weight", "decpose.bias", "decshape.bias", "deccam.bias"):
        moved = (state.trainable.adapted[name].detach() - before[name]).flatten()[:200] / rate
        assert moved.abs().mean() > 0.5
        torch.testing.assert_close(moved.float(), loop[f"step_{name}"], rtol=0, atol=1e-3)


def test_two_cycles(smpl: SMPL, loop: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch):
    """Both stages twice on 54 frames, in the order and with the masks that the public code was given."""
    hmr, mdnet = small(), MDNet()
    mdnet.load_state_dict(mdnet_weights(mdnet))
    points, seen = formula.keypoints(54)
    problem = Problem(FrameBatch.of_crops(formula.crops("small crops", 54, 64)), Evidence(points, seen), (), 30.0)
    rates = {"loop.learning_rate": 1e-3, "denoiser.learning_rate": 1e-3}
    config = settings({**rates, "loop.batch_frames": 20, "denoiser.batch": 4})
    run = Adaptation(problem, Roles(hmr, smpl, mdnet, NoPrior()), config)
    state = run.start(predict(hmr, dict(hmr.named_parameters()), problem.inputs))
    first = state.prediction
    for epoch in range(2):
        follow(monkeypatch, loop, epoch)
        run.epoch(state)
        assert state.target is not None
        torch.testing.assert_close(state.target.rotations[::6], loop["md_rotations"][epoch], **EXACT)
        torch.testing.assert_close(state.target.betas[::6], loop["md_betas"][epoch], **EXACT)
    after = run.predict(state)
    agree(after, first, state, loop)
    theirs = smpl.keypoints(loop["rotations"], loop["betas"], "h36m17")
    ours, before = (smpl.keypoints(x.rotations[::6], x.betas[::6], "h36m17") for x in (after, first))
    assert mpjpe(ours, theirs).mean() < 0.3  # mm
    assert mpjpe(before, theirs).mean() > 30  # which is how far both went


def follow(monkeypatch: pytest.MonkeyPatch, loop: dict[str, Tensor], epoch: int) -> None:
    """Make the loop draw what was stored."""
    windows, masks = loop["window_order"][epoch], iter(loop["masked"][epoch][loop["window_order"][epoch]].split(4))

    def frames(count: int, batch: int, generator: torch.Generator) -> Iterator[Tensor]:
        yield from loop["frame_order"][epoch].split(batch)

    monkeypatch.setattr(segments, "draw_frames", frames)
    monkeypatch.setattr(cycle, "random_mask", lambda *a: next(masks))
    monkeypatch.setattr(torch, "randperm", lambda *a, **k: windows)


def agree(after: Prediction, first: Prediction, state: State, loop: dict[str, Tensor]) -> None:
    """Predictions and weights after the two cycles; they must have moved far more than the tolerance."""
    assert (after.rotations - first.rotations).abs().mean() > 100 * EXACT["atol"]
    torch.testing.assert_close(after.rotations[::6], loop["rotations"], **EXACT)
    torch.testing.assert_close(after.betas[::6], loop["betas"], **EXACT)
    torch.testing.assert_close(crop_translation(after.camera)[::6], loop["translation"], rtol=2e-5, atol=2e-5)
    torch.testing.assert_close(state.trainable.adapted["fc1.weight"][:4].detach(), loop["fc1"], **EXACT)
    torch.testing.assert_close(state.trainable.adapted["decpose.bias"].detach(), loop["decpose"], **EXACT)
    assert state.denoiser.weights is not None
    torch.testing.assert_close(state.denoiser.weights["blocks.1.time.weight"][:4].detach(), loop["time"], **EXACT)


def mdnet_weights(model: MDNet) -> dict[str, Tensor]:
    """The formula's weights go by CycleAdapt's names."""
    made = {}
    for name, value in model.state_dict().items():
        theirs = name.replace("inner", "motion_fc_in").replace("outer", "motion_fc_out")
        theirs = theirs.replace("blocks", "motion_mlp.mlps").replace(".time", ".fc0.fc")
        theirs = theirs.replace("norm.weight", "norm0.alpha").replace("norm.bias", "norm0.beta")
        shape = (1, 144, 1) if "norm" in name else tuple(value.shape)
        made[name] = formula.weights({theirs: shape})[theirs].view_as(value)
    return made


def test_projection_into_crop_and_image_agree():
    """The crop's camera and the whole image's see a body of small depth in the same place (weak perspective)."""
    camera, box = torch.tensor([[0.9, 0.1, -0.2]]), torch.tensor([[300.0, 200.0, 150.0]])
    point = torch.tensor([[[0.3, -0.4, 0.0]]])
    focal = image_focal_px((640, 480))
    in_image = project_to_image(point + image_translation(camera, box, focal, (320.0, 240.0))[:, None], focal, (320.0, 240.0))
    torch.testing.assert_close(crop_points(in_image, box), project_to_crop(point, camera), rtol=0, atol=1e-3)
