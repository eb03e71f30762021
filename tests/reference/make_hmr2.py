"""Makes ``hmr2.npz``: python make_hmr2.py CHECKOUT, 4D-Humans' public repository.

Its vision transformer and its SMPL head run in eval mode on this folder's made-up weights, at small sizes.
"""

from __future__ import annotations

import importlib
import sys
import tempfile
import types
from pathlib import Path
from typing import Any

import formula
import numpy as np
import torch
from make_networks import save, shapes
from yacs.config import CfgNode

CONFIG = """
MODEL:
  IMAGE_SIZE: 64
  SMPL_HEAD:
    TYPE: transformer_decoder
    TRANSFORMER_DECODER: {depth: 2, heads: 2, mlp_dim: 32, dim_head: 8, dropout: 0.0, emb_dropout: 0.0, norm: layer,
      context_dim: 160}
EXTRA: {FOCAL_LENGTH: 5000}
"""


PUBLISHED = {"depth": 6, "heads": 8, "mlp_dim": 1024, "dim_head": 64, "dropout": 0.0, "emb_dropout": 0.0, "norm": "layer",
             "context_dim": 1280}  # fmt: skip


def prepare(checkout: Path) -> None:
    """The packages without what their ``__init__`` imports (renderers)."""
    for name in ("hmr2", "hmr2.utils", "hmr2.models", "hmr2.models.heads", "hmr2.models.backbones", "hmr2.models.components"):
        package = types.ModuleType(name)
        package.__path__ = [str(checkout / name.replace(".", "/"))]
        sys.modules[name] = package


def published(config: CfgNode, vit: Any, head: Any) -> list[str]:
    """Name and shape of every tensor of the published model, made on no device. Its own initialisation is left out."""
    config = config.clone()
    config.MODEL.IMAGE_SIZE = 256
    config.MODEL.SMPL_HEAD.TRANSFORMER_DECODER = CfgNode(PUBLISHED)
    linspace = torch.linspace
    torch.linspace = lambda *a: linspace(*a, device="cpu")  # type: ignore[assignment]
    with torch.device("meta"):
        parts = {"backbone": vit.vit(config), "smpl_head": head.SMPLTransformerDecoderHead(config)}
    torch.linspace = linspace
    return [f"{name} {shape}" for name, shape in shapes(torch.nn.ModuleDict(parts)).items()]


if __name__ == "__main__":
    prepare(Path(sys.argv[1]).resolve())
    vit = importlib.import_module("hmr2.models.backbones.vit")
    head = importlib.import_module("hmr2.models.heads.smpl_head")
    geometry = importlib.import_module("hmr2.utils.geometry")
    config = CfgNode.load_cfg(CONFIG)
    means = Path(tempfile.mkdtemp()) / "means.npz"
    np.savez(means, pose=np.zeros(144), shape=np.zeros(10), cam=np.zeros(3))
    config.SMPL = CfgNode({"NUM_BODY_JOINTS": 23, "MEAN_PARAMS": str(means)})
    config.MODEL.SMPL_HEAD.TRANSFORMER_DECODER.dim = 48
    backbone = vit.ViT(img_size=(64, 48), patch_size=16, embed_dim=160, depth=2, num_heads=2, ratio=1, mlp_ratio=4, qkv_bias=True)
    network = torch.nn.ModuleDict({"backbone": backbone, "smpl_head": head.SMPLTransformerDecoderHead(config)}).eval()
    network.load_state_dict(formula.hmr2_weights(shapes(network)))
    with torch.no_grad():
        images = formula.normalised(formula.crops("hmr2 crops", 2, 64))
        pose, camera, _ = network["smpl_head"](network["backbone"](images[:, :, :, 8:-8]))
        joints = formula.tensor("hmr2 joints", 2, 5, 3)
        translation = torch.stack((camera[:, 1], camera[:, 2], 2 * 5000 / (64 * camera[:, 0] + 1e-9)), -1)
        points = geometry.perspective_projection(joints, translation=translation, focal_length=torch.full((2, 2), 5000 / 64))
        rotations = torch.cat((pose["global_orient"], pose["body_pose"]), 1)
        save("hmr2", {
            "tensors": len(shapes(network)), "rotations": rotations, "betas": pose["betas"], "camera": camera,
            "points": 224 * (points + 0.5), "published": published(config, vit, head),
        })  # fmt: skip
