"""Makes ``networks.npz``: python make_networks.py SPIN VIBE MOTIONCLIP, checkouts of the public repositories.

Their networks run in eval mode on this folder's made-up weights and inputs.
"""

from __future__ import annotations

import importlib.util
import sys
import tempfile
import types
from pathlib import Path
from typing import Any

import formula
import numpy as np
import torch
from torch import nn


def module(path: Path, name: str) -> types.ModuleType:
    """A source file as a module of this name."""
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    sys.modules[name] = made
    spec.loader.exec_module(made)
    return made


def shapes(network: nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(value.shape) for name, value in network.state_dict().items()}


def spin(checkout: Path) -> dict[str, Any]:
    sys.modules["utils"] = types.ModuleType("utils")
    module(checkout / "utils/geometry.py", "utils.geometry")
    found = module(checkout / "models/hmr.py", "spin_hmr")
    means = Path(tempfile.mkdtemp()) / "means.npz"
    np.savez(means, pose=np.zeros(144, np.float32), shape=np.zeros(10), cam=np.zeros(3, np.float32))
    network = found.HMR(found.Bottleneck, [3, 4, 6, 3], str(means)).eval()
    network.load_state_dict(formula.hmr_weights(shapes(network)))
    rotations, betas, camera = network(formula.normalised(formula.crops("crops", 2, 224)))
    return {"spin_tensors": len(shapes(network)), "spin_rotations": rotations, "spin_betas": betas, "spin_camera": camera}


def vibe(checkout: Path) -> dict[str, Any]:
    for package in ("lib", "lib.models"):
        sys.modules[package] = types.ModuleType(package)
    module(checkout / "lib/models/attention.py", "lib.models.attention")
    found = module(checkout / "lib/models/motion_discriminator.py", "vibe_discriminator")
    poses = 0.3 * formula.tensor("motion 69", 3, 16, 69)
    made: dict[str, Any] = {}
    for pool, suffix in (("attention", ""), ("concat", "_concat"), ("", "_last")):
        network = found.MotionDiscriminator(
            rnn_size=1024, input_size=69, num_layers=2, output_size=1, feature_pool=pool, attention_size=1024,
            attention_layers=3, attention_dropout=0.2,
        ).eval()  # fmt: skip
        formula.fill(network)
        made |= {f"vibe_tensors{suffix}": len(shapes(network)), f"vibe_score{suffix}": network(poses)}
    return made | vibe_losses(checkout)


def vibe_losses(checkout: Path) -> dict[str, Any]:
    """Of both kinds, on made-up scores; what the file imports for other losses is left out."""
    for name in ("lib.utils", "lib.utils.geometry"):
        sys.modules[name] = types.ModuleType(name)
    sys.modules["lib.utils.geometry"].batch_rodrigues = None  # type: ignore[attr-defined]
    found = module(checkout / "lib/core/loss.py", "vibe_loss")
    real, fake = formula.tensor("real scores", 5, 1), formula.tensor("fake scores", 3, 1)
    return {
        f"vibe_{ours}": np.array([getattr(found, f"batch_encoder_disc_{theirs}_loss")(fake),
                                  getattr(found, f"batch_adv_disc_{theirs}_loss")(real, fake)[2]])
        for ours, theirs in (("least_squares", "l2"), ("wasserstein", "wasserstein"))
    }  # fmt: skip


def motionclip(checkout: Path) -> dict[str, Any]:
    found = module(checkout / "src/models/architectures/transformer.py", "motionclip_transformer")
    sizes = {
        "modeltype": "", "njoints": 25, "nfeats": 6, "num_frames": 60, "num_classes": 1, "translation": True,
        "pose_rep": "rot6d", "glob": True, "glob_rot": None, "latent_dim": 512, "num_layers": 8,
    }  # fmt: skip
    encoder, decoder = found.Encoder_TRANSFORMER(**sizes).eval(), found.Decoder_TRANSFORMER(**sizes).eval()
    for prefix, network in (("encoder.", encoder), ("decoder.", decoder)):
        kept = network.sequence_pos_encoder.pe.clone()
        formula.fill(network, prefix)
        network.sequence_pos_encoder.pe.copy_(kept)
    lengths = torch.tensor([60, 41])
    mask = torch.arange(60) < lengths[:, None]
    batch = {"x": formula.tensor("rows", 2, 25, 6, 60), "y": torch.zeros(2, dtype=torch.long), "mask": mask, "lengths": lengths}
    latent = encoder(batch)["mu"]
    made = decoder({**batch, "z": formula.tensor("latent", 2, 512)})["output"]
    return {
        "motionclip_tensors": len(shapes(encoder)) + len(shapes(decoder)), "motionclip_latent": latent,
        "motionclip_output": made[..., ::7],
    }  # fmt: skip


def save(name: str, arrays: dict[str, Any]) -> None:
    plain = {key: np.asarray(value) for key, value in arrays.items()}
    np.savez_compressed(formula.HERE / f"{name}.npz", **plain)
    print(name, (formula.HERE / f"{name}.npz").stat().st_size, {key: value.shape for key, value in plain.items()})


if __name__ == "__main__":
    folders = [Path(argument).resolve() for argument in sys.argv[1:]]
    with torch.no_grad():
        save("networks", {**spin(folders[0]), **vibe(folders[1]), **motionclip(folders[2])})
