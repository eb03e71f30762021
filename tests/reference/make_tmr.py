"""Makes ``tmr.npz``: python make_tmr.py CHECKOUT, TMR's public repository.

Its encoders (small) and its HumanML3D features run on this folder's made-up weights and motion.
"""

from __future__ import annotations

import importlib
import sys
import types
from pathlib import Path

import formula
import scipy.ndimage
import torch
from make_networks import module, save, shapes

if __name__ == "__main__":
    checkout = Path(sys.argv[1]).resolve()
    filters = types.ModuleType("scipy.ndimage.filters")
    filters.gaussian_filter1d = scipy.ndimage.gaussian_filter1d  # type: ignore[attr-defined]
    sys.modules["scipy.ndimage.filters"] = filters
    scipy.ndimage.filters = filters
    sys.path.insert(0, str(checkout))
    features = importlib.import_module("src.guofeats.motion_representation")
    actor = module(checkout / "src/model/actor.py", "tmr_actor")
    made = {}
    for turned in (False, True):
        made[f"features_{turned}"] = features.joints_to_guofeats(formula.walk(turned)[0].numpy())[::5]
    mask = torch.arange(40) < torch.tensor([[40], [23]])
    for name, inputs in (("motion_encoder", 263), ("text_encoder", 24)):
        encoder = actor.ACTORStyleEncoder(nfeats=inputs, vae=True, latent_dim=32, ff_size=48, num_layers=2, num_heads=4).eval()
        formula.fill(encoder, f"{name}.")
        with torch.no_grad():
            made[name] = encoder({"x": formula.tensor(name, 2, 40, inputs), "mask": mask})[:, 0]
        made[f"{name}_tensors"] = len(shapes(encoder))
    save("tmr", made)
