"""Makes ``cycleadapt*.npz``: python make_cycleadapt.py CHECKOUT, CycleAdapt's public repository.

Its code runs as it is on this folder's made-up weights and inputs. Needs its requirements: torchgeometry 0.1.2 (whose
``1 - mask`` is written for older PyTorch), smplx, easydict, opencv, scikit-image, trimesh, warmup-scheduler.
"""

from __future__ import annotations

import os
import pickle
import sys
import tempfile
import types
from pathlib import Path
from typing import Any

import formula
import numpy as np
import torch
from torch import Tensor, nn

WINDOW, FRAMES, BATCH, PIXELS = 49, 54, 20, 64


def prepare(checkout: Path) -> None:
    """A folder as the code expects it, with made-up models; CUDA calls do nothing."""
    folder = Path(tempfile.mkdtemp())
    models = folder / "data/base_data/human_models"
    (models / "smpl").mkdir(parents=True)
    (checkout / "experiment").mkdir(exist_ok=True)
    for gender in ("NEUTRAL", "MALE", "FEMALE"):
        with (models / f"smpl/SMPL_{gender}.pkl").open("wb") as file:
            pickle.dump(formula.smpl_arrays(), file)
    start = formula.hmr_weights({"init_pose": (1, 144), **{f"{n}.weight": (1, 1) for n in ("decpose", "decshape", "deccam")}})
    np.savez(
        models / "smpl_mean_params.npz", pose=start["init_pose"][0].numpy(), shape=np.zeros(10),
        cam=start["init_cam"][0].numpy(),
    )  # fmt: skip
    np.save(models / "J_regressor_h36m_smpl.npy", formula.h36m_regressor())
    os.chdir(folder)
    for part in ("lib", "lib/utils", "main"):
        sys.path.insert(0, str(checkout / part))
    torch.Tensor.cuda = lambda self, *a, **k: self
    nn.Module.cuda = lambda self, *a, **k: self
    subtract = torch.Tensor.__rsub__
    torch.Tensor.__rsub__ = lambda self, other: ~self if self.dtype == torch.bool else subtract(self, other)
    for name in ("core.logger", "pycocotools", "pycocotools.coco"):
        sys.modules[name] = types.ModuleType(name)
    sys.modules["core.logger"].logger = types.SimpleNamespace(info=print)  # type: ignore[attr-defined]


def shapes(module: nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(value.shape) for name, value in module.state_dict().items()}


@torch.no_grad()
def networks() -> dict[str, Any]:
    """HMR and MDNet in eval mode."""
    from models.module import HMRNet, MDNet

    hmr, mdnet = HMRNet().eval(), MDNet().eval()
    hmr.load_state_dict(formula.hmr_weights(shapes(hmr)))
    formula.fill(mdnet)
    pose, betas, translation = hmr(formula.normalised(formula.crops("crops", 2, 224)))
    return {
        "hmr_tensors": len(hmr.state_dict()), "hmr_pose6d": pose, "hmr_betas": betas, "hmr_translation": translation,
        "mdnet_tensors": len(mdnet.state_dict()), "mdnet": mdnet(0.5 * formula.tensor("windows", 2, WINDOW, 144)),
    }  # fmt: skip


@torch.no_grad()
def geometry() -> dict[str, Any]:
    """Rotations, boxes, crops, the 29 joints, projection, windows, losses and metrics."""
    import aug_utils
    import eval_utils
    import funcs_utils
    from core.loss import CoordLoss, ParamLoss
    from human_models import smpl

    made: dict[str, Any] = {}
    axis_angle = formula.tensor("axis-angle", 12, 3)
    angles = torch.tensor([1e-9, 1e-4, 1e-2, 0.5, 1.5, 2.5, 3.0, 3.1, 3.14, 3.1415, 2.0, 1.0])
    axis_angle = axis_angle / axis_angle.norm(dim=1, keepdim=True) * angles[:, None]
    axis_angle = torch.cat((torch.zeros(1, 3), axis_angle))
    matrices = funcs_utils.batch_rodrigues(axis_angle)
    made |= {"axis_angle": axis_angle, "matrices": matrices, "six": funcs_utils.rotmat_to_6d(matrices)[:, 0]}
    made["matrices_of_six"] = funcs_utils.rot6d_to_rotmat(formula.tensor("six", 5, 6))
    made["axis_angle_of_six"] = funcs_utils.rot6d_to_axis_angle(formula.tensor("six", 5, 6))

    boxes = np.array([[30.0, 20, 50, 120], [100, 40, 90, 60]])
    square = [funcs_utils.process_bbox(b, (240, 320), (224, 224), expand_ratio=1.0) for b in boxes]
    made |= {"boxes": boxes, "square": np.stack(square)}
    rows, columns = np.mgrid[:240, :320]
    image = np.stack((rows % 256, columns % 256, (3 * rows + columns) % 256), -1).astype(np.float32)
    patches = [aug_utils.img_processing(image, b, (224, 224), "test")[:2] for b in square]
    points = np.array([[70.0, 35], [150, 100], [0, 0]])
    made["crops"] = np.stack([p[::16, ::16] for p, _ in patches])
    made["crop_points"] = np.stack([aug_utils.coord2D_processing(points, t, False, (224, 224)) for _, t in patches])
    made["image_camera"] = np.stack([np.stack(funcs_utils.convert_focal_princpt(b)) for b in square])

    rotations, betas = formula.rotations("body", 3, 24), formula.tensor("betas", 3, 10)
    vertices = smpl.layer["neutral"](
        betas=betas, body_pose=rotations[:, 1:], global_orient=rotations[:, :1], pose2rot=False
    ).vertices
    made["joints29"] = torch.from_numpy(smpl.joint_regressor) @ vertices
    made["vertices"] = vertices[:, ::200]
    made["h36m"] = torch.from_numpy(smpl.h36m_joint_regressor).float() @ vertices
    made["merged"] = funcs_utils.slide_window_to_sequence(formula.tensor("slide", 4, WINDOW, 5))

    predicted, target = 100 + 40 * formula.tensor("predicted", 6, 29, 2), 100 + 40 * formula.tensor("target", 6, 29, 2)
    seen = formula.tensor("seen", 6, 29) > 0
    made["loss_2d"] = CoordLoss()(predicted, target, seen.float())
    other = formula.rotations("other", 6, 24)
    made["loss_pose"] = ParamLoss()(formula.rotations("one", 6, 24).flatten(1), other.flatten(1), torch.ones(6).bool())
    made["loss_shape"] = ParamLoss()(formula.tensor("shape one", 6, 10), formula.tensor("shape other", 6, 10), torch.ones(6))

    pose = formula.normal("pose 17", 4, 17, 3) * 300
    near = pose + formula.normal("near", 4, 17, 3) * 60
    mirrored = near * np.array([-1, 1, 1])
    for name, guess in (("near", near), ("mirrored", mirrored)):
        made[f"mpjpe_{name}"], made[f"pa_mpjpe_{name}"] = (np.array(v) for v in eval_utils.eval_3d_pose(guess, pose))
    made["accel"] = eval_utils.eval_accel_error(near, pose)
    mesh, true_mesh = formula.normal("mesh", 4, 50, 3) * 300, formula.normal("true mesh", 4, 50, 3) * 300
    made["mpvpe"] = np.array(eval_utils.eval_mesh(mesh, true_mesh, near, pose))
    return made


def rates() -> dict[str, Any]:
    """Learning rate of each of the 13 cycles."""
    from core.config import cfg
    from train_utils import get_scheduler

    cfg.TRAIN.update(scheduler="cosine", lr=5e-5, min_lr=1e-6, total_cycle=12)
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR.get_lr  # before 2.9, asked before its first step, it gave the rate
    torch.optim.lr_scheduler.CosineAnnealingLR.get_lr = lambda self: (
        [g["lr"] for g in self.optimizer.param_groups] if self.last_epoch == 0 else cosine(self)
    )
    optimiser = torch.optim.Adam([nn.Parameter(torch.zeros(1))], lr=cfg.TRAIN.lr)
    scheduler = get_scheduler(optimiser)
    found = []
    for _ in range(13):
        found.append(optimiser.param_groups[0]["lr"])
        scheduler.step()
    return {"learning_rates": np.array(found)}


def adapter(hmr: nn.Module, rate: float) -> Any:
    """The public loop around a network, with its losses and optimisers, dropout off."""
    from core import base
    from core.config import cfg
    from core.loss import CoordLoss, ParamLoss
    from human_models import smpl
    from models.model import AdaptModel
    from models.module import MDNet
    from train_utils import get_optimizer, get_scheduler

    cfg.TRAIN.update(scheduler="cosine", min_lr=1e-6, lr=rate)
    cfg.TRAIN.update(pose_loss_weight=1.0, shape_loss_weight=0.001, proj_loss_weight=0.1, md_loss_weight=1.0)
    AdaptModel.init_weights = lambda self: None
    made = base.Adaptater.__new__(base.Adaptater)
    made.model = AdaptModel(hmr, MDNet())
    formula.fill(made.model.md_net)
    hmr.drop1.p = hmr.drop2.p = 0
    nothing = lambda *a: torch.zeros(())  # noqa: E731
    made.loss = {"param": ParamLoss(), "proj": CoordLoss(), "joint": CoordLoss(), "prior": nothing}
    made.hmr_optimizer, made.md_optimizer = get_optimizer(made.model, "hmr"), get_optimizer(made.model, "md")
    made.hmr_lr_scheduler, made.md_lr_scheduler = get_scheduler(made.hmr_optimizer), get_scheduler(made.md_optimizer)
    made.smpl_layer = smpl.layer["neutral"]
    return made


def inputs(crops: Tensor, points: Tensor, seen: Tensor, order: list[Tensor]) -> list[Any]:
    return [({"img": crops[i]}, {"joint_img": points[i]}, {"joint_img_valid": seen[i].float(), "index": i}) for i in order]


def small() -> Any:
    """The network with few channels, of the same blocks, for crops of 64 pixels."""
    from models.module import Bottleneck, HMRNet, gn_helper

    hmr = HMRNet()
    hmr.inplanes = 8
    hmr.conv1, hmr.bn1 = nn.Conv2d(3, 8, 7, 2, 3, bias=False), gn_helper(8)
    for i, width in enumerate((8, 8, 16, 16)):
        setattr(hmr, f"layer{i + 1}", hmr._make_layer(gn_helper, Bottleneck, width, 1, stride=1 if i == 0 else 2))
    hmr.avgpool = nn.AvgPool2d(2)
    hmr.fc1, hmr.fc2 = nn.Linear(64 + 157, 32), nn.Linear(32, 32)
    hmr.decpose, hmr.decshape, hmr.deccam = nn.Linear(32, 144), nn.Linear(32, 10), nn.Linear(32, 3)
    hmr.load_state_dict(formula.hmr_weights(shapes(hmr)))
    return hmr


def steps() -> dict[str, Any]:
    """Two optimiser steps of the small network on two crops: projection loss only, lr of cycle 0.

    In double precision: where a gradient is near 0 its sign, which is Adam's first step, is rounding else.
    """
    from human_models import smpl

    hmr = small()
    loop = adapter(hmr.double(), 5e-5)
    loop.model.smpl_layer.double()
    single, smpl.joint_regressor = smpl.joint_regressor, smpl.joint_regressor.astype(np.float64)
    loop.hmr_dict, loop.md_dict = torch.zeros(2, 173).double(), torch.zeros(2, 173).double()
    batch = [torch.arange(2)] * 2
    crops, points, seen = formula.normalised(formula.crops("step crops", 2, PIXELS)).double(), *formula.keypoints(2)
    loop.hmrnet_adaptation_stage(None, inputs(crops, points.double(), seen, batch), 0)
    smpl.joint_regressor = single
    state = hmr.state_dict()
    kept = ("conv1.weight", "layer4.0.bn3.weight", "decpose.bias", "decshape.bias", "deccam.bias")
    start = formula.hmr_weights(shapes(hmr))
    moved = {name: (state[name] - start[name].double()).flatten()[:200] / (5e-5 / 3) for name in kept}
    return {f"step_{name}": value for name, value in moved.items()} | {"step_betas": loop.hmr_dict[:, 72:82]}


def cycles() -> dict[str, Any]:
    """Two whole cycles of a small network of the same blocks on a clip; orders and masks are stored."""
    hmr = small()
    loop = adapter(hmr, 1e-3)
    loop.dict_length, windows = FRAMES, FRAMES - WINDOW + 1
    loop.hmr_dict, loop.md_dict = torch.zeros(FRAMES, 173), torch.zeros(FRAMES, 173)
    crops = formula.normalised(formula.crops("small crops", FRAMES, PIXELS))
    random = np.random.RandomState(12)
    made: dict[str, list[Any]] = {"frame_order": [], "window_order": [], "masked": [], "md_rotations": [], "md_betas": []}
    from funcs_utils import batch_rodrigues

    for cycle in range(2):
        order = torch.from_numpy(random.permutation(FRAMES))
        loop.hmrnet_adaptation_stage(None, inputs(crops, *formula.keypoints(FRAMES), list(order.split(BATCH))), cycle)
        loop.hmr_lr_scheduler.step()
        chosen = torch.from_numpy(random.permutation(windows))
        masked = np.zeros((windows, WINDOW), bool)
        masked[:, WINDOW // 2] = True
        others = np.delete(np.arange(WINDOW), WINDOW // 2)
        for row in masked:
            row[random.permutation(others)[:24]] = True
        batches = []
        for index in chosen.split(4):
            frames = index[:, None] + torch.arange(WINDOW)
            mask = torch.from_numpy(~masked[index.numpy()]).float()
            batches.append(({}, {}, {"indices": frames, "mask": mask, "gender": ["neutral"]}))
        loop.mdnet_adaptation_stage(None, batches, cycle)
        loop.md_lr_scheduler.step()
        made["frame_order"].append(order)
        made["window_order"].append(chosen)
        made["masked"].append(torch.from_numpy(masked))
        made["md_rotations"].append(batch_rodrigues(loop.md_dict[::6, :72].reshape(-1, 3)).reshape(-1, 24, 3, 3))
        made["md_betas"].append(loop.md_dict[::6, 72:82].clone())
    loop.model.eval()
    with torch.no_grad():
        output = loop.model({"img": crops}, "hmr")
    result: dict[str, Any] = {name: torch.stack(values) for name, values in made.items()}
    result |= {"rotations": output["rotmat"][::6].reshape(-1, 24, 3, 3), "betas": output["shape"][::6]}
    result |= {"translation": output["trans"][::6], "fc1": hmr.fc1.weight[:4], "decpose": hmr.decpose.bias}
    result |= {"time": loop.model.md_net.motion_mlp.mlps[1].fc0.fc.weight[:4]}
    return result


def save(name: str, arrays: dict[str, Any]) -> None:
    plain = {key: value.detach().numpy() if isinstance(value, Tensor) else np.asarray(value) for key, value in arrays.items()}
    small = {key: value.astype(np.float32) if value.dtype == np.float64 else value for key, value in plain.items()}
    np.savez_compressed(formula.HERE / f"{name}.npz", **small)
    print(name, (formula.HERE / f"{name}.npz").stat().st_size, {key: value.shape for key, value in small.items()})


if __name__ == "__main__":
    torch.set_num_threads(1)
    prepare(Path(sys.argv[1]).resolve())
    if "loop" not in sys.argv[2:]:
        save("cycleadapt", {**networks(), **geometry(), **rates()})
    save("cycleadapt_loop", {**steps(), **cycles()})
