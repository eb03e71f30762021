"""Agreement of the other networks with their public code (how the numbers were made: README.md)."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import formula
import pytest
import torch
from torch import Tensor, nn

from semtta.denoisers import MDNet
from semtta.errors import SemttaError
from semtta.estimators import HMR, HMRConfig
from semtta.io.weights import save_weights
from semtta.priors import MotionCLIP, MotionDictionary, MotionDiscriminator, priors
from semtta.priors.discriminator import Objective, estimators_term, networks_loss
from semtta.priors.discriminator_network import Pool
from semtta.priors.motionclip import _ORIGINAL_NAMES, _UNUSED, MotionCLIPSettings
from semtta.types import FrameBatch

EXACT = {"rtol": 0, "atol": 2e-5}


@pytest.fixture(scope="module")
def expected() -> dict[str, Tensor]:
    return {key: torch.from_numpy(value) for key, value in formula.stored("networks").items()}


def shapes(module: nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(value.shape) for name, value in module.state_dict().items()}


@torch.no_grad()
def test_spins_hmr(tmp_path: Path, expected: dict[str, Tensor]):
    """BatchNorm in eval mode; SPIN's file has no ``module.``."""
    made = formula.hmr_weights(shapes(HMR(HMRConfig(norm="batch"))))
    assert len(made) == expected["spin_tensors"] == 331
    torch.save({"model": made}, tmp_path / "model_checkpoint.pt")
    model = HMR.from_checkpoint(tmp_path / "model_checkpoint.pt")
    out = model(FrameBatch.of_crops(formula.crops("crops", 2, 224)))
    torch.testing.assert_close(out.rotations, expected["spin_rotations"], **EXACT)
    torch.testing.assert_close(out.betas, expected["spin_betas"], **EXACT)
    torch.testing.assert_close(out.camera, expected["spin_camera"], **EXACT)


def discriminator_state(pool: Pool = "attention") -> dict[str, Tensor]:
    network = MotionDiscriminator(pool=pool)
    names = {name.replace("attention.", "attention.attention."): shape for name, shape in shapes(network).items()}
    return formula.weights(names)


@torch.no_grad()
@pytest.mark.parametrize(("pool", "suffix"), [("attention", ""), ("concat", "_concat"), ("last", "_last")])
def test_vibes_discriminator(pool: Pool, suffix: str, tmp_path: Path, expected: dict[str, Tensor]):
    """In a checkpoint of VIBE's training: a numpy score and optimisers are in it too. The tensors tell how it pools."""
    import numpy as np

    state = discriminator_state(pool)
    assert len(state) == expected[f"vibe_tensors{suffix}"]
    path = tmp_path / "vibe.pth.tar"
    torch.save({"epoch": 30, "performance": np.float64(56.5), "disc_motion_state_dict": state, "gen_optimizer": {}}, path)
    model = MotionDiscriminator.from_checkpoint(path)
    assert model.pool == pool
    poses, score = 0.3 * formula.tensor("motion 69", 3, 16, 69), expected[f"vibe_score{suffix}"][:, 0]
    torch.testing.assert_close(model(poses), score, **EXACT)
    torch.testing.assert_close(model(poses[:1]), score[:1], **EXACT)
    again = MotionDiscriminator.from_checkpoint(model.save(tmp_path / "mine.safetensors"))
    torch.testing.assert_close(again(poses), model(poses), rtol=0, atol=0)


@pytest.mark.parametrize("objective", get_args(Objective))
def test_vibes_adversarial_losses(objective: Objective, expected: dict[str, Tensor]):
    """Of the estimator and of the discriminator, least squares and Wasserstein."""
    real, fake = formula.tensor("real scores", 5, 1)[:, 0], formula.tensor("fake scores", 3, 1)[:, 0]
    ours = torch.stack((estimators_term(fake, objective).mean(), networks_loss(real, fake, objective)))
    torch.testing.assert_close(ours, expected[f"vibe_{objective}"].float(), **EXACT)


@pytest.fixture(scope="module")
def motionclip_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As MotionCLIP writes it: one flat table; positions, the biases of an ablation, CLIP and a body are in it."""
    theirs = {ours: name for name, ours in _ORIGINAL_NAMES.items()}
    names = {}
    for name, shape in shapes(MotionCLIP()).items():
        ours = next(prefix for prefix in theirs if name.startswith(prefix))
        names[name.replace(ours, theirs[ours])] = shape
    folder = tmp_path_factory.mktemp("motionclip")
    unused = {name: torch.zeros(5000, 1, 512) for name in _UNUSED}
    unused |= {"clip_model.logit_scale": torch.zeros(()), "rotation2xyz.smpl_model.faces_tensor": torch.zeros(2, 3).long(),
               "rotation2xyz.smpl_model.betas": torch.zeros(1, 10)}  # fmt: skip
    torch.save({**formula.weights(names), **unused}, folder / "checkpoint_0100.pth.tar")
    (folder / "opt.yaml").write_text("latent_dim: 512\nnum_layers: 8\nnum_heads: 4\npose_rep: rot6d\nactivation: gelu\n")
    return folder / "checkpoint_0100.pth.tar"


@torch.no_grad()
def test_motionclip(motionclip_file: Path, expected: dict[str, Tensor]):
    model = MotionCLIP.from_checkpoint(motionclip_file)
    assert model.decoder is not None
    assert len(shapes(model)) + len(_UNUSED) == expected["motionclip_tensors"]
    mask = torch.arange(60) < torch.tensor([[60], [41]])
    latent = model.encoder(formula.tensor("rows", 2, 25, 6, 60), mask)
    torch.testing.assert_close(latent, expected["motionclip_latent"], **EXACT)
    made = model.decoder(formula.tensor("latent", 2, 512), 60, mask) * mask[:, None, None]
    torch.testing.assert_close(made[..., ::7], expected["motionclip_output"], **EXACT)


def test_motionclip_without_a_dictionary_is_not_the_papers(motionclip_file: Path, tmp_path: Path):
    """Eq. 4's exemplar rotation and the labels would be dropped without a word."""
    command = "semtta dictionary build OUT --mocap AMASS --babel BABEL --for motionclip"
    for given in (None, "exemplar"):
        with pytest.raises(SemttaError, match=command) as caught:
            priors.create("motionclip", MotionCLIPSettings(weights=str(motionclip_file), global_rotation=given))
        assert "\n" not in str(caught.value)
    chosen = priors.create("motionclip", MotionCLIPSettings(weights=str(motionclip_file), global_rotation="predicted"))
    assert isinstance(chosen, MotionCLIP)
    assert chosen.labels == ()
    model, features = MotionCLIP.from_checkpoint(motionclip_file), torch.ones(1, 512)
    model.dictionary = MotionDictionary(("walk",), features, torch.eye(3).expand(1, 60, 24, 3, 3))
    whole = model.save(tmp_path / "motionclip.safetensors")
    assert priors.create("motionclip", MotionCLIPSettings(weights=str(whole))).labels == ("walk",)
    model.dictionary = MotionDictionary(("walk",), features)
    bare = model.save(tmp_path / "bare.safetensors")
    with pytest.raises(SemttaError, match=command):
        priors.create("motionclip", MotionCLIPSettings(weights=str(bare)))


def test_motionclips_options_must_fit(motionclip_file: Path, tmp_path: Path):
    (tmp_path / "checkpoint_0100.pth.tar").write_bytes(motionclip_file.read_bytes())
    (tmp_path / "opt.yaml").write_text("latent_dim: 256\n")
    with pytest.raises(SemttaError, match="latent_dim 256"):
        MotionCLIP.from_checkpoint(tmp_path / "checkpoint_0100.pth.tar")
    (tmp_path / "opt.yaml").write_text("device: !!python/object/apply:os.system [echo]\n")
    with pytest.raises(SemttaError, match="is not a YAML file of options"):
        MotionCLIP.from_checkpoint(tmp_path / "checkpoint_0100.pth.tar")


@pytest.mark.parametrize("reader", [HMR, MDNet, MotionCLIP, MotionDiscriminator])
def test_a_foreign_checkpoint_is_refused(reader: type, tmp_path: Path):
    """Another network's tensors, a truncated file, a file of another kind, and none at all."""
    foreign = {"model": {"conv.weight": torch.zeros(3)}, "disc_motion_state_dict": {"fc.weight": torch.zeros(1, 3)}}
    torch.save(foreign, tmp_path / "x.pt")
    save_weights(tmp_path / "x.safetensors", "something", {"a": torch.zeros(2)})
    (tmp_path / "cut.pt").write_bytes((tmp_path / "x.pt").read_bytes()[:300])
    for name, reason in (("x.pt", "does not fit|not MotionCLIP"), ("x.safetensors", "something"), ("cut.pt", "truncated"),
                         ("none.pt", "No checkpoint")):  # fmt: skip
        with pytest.raises(SemttaError, match=reason) as caught:
            reader.from_checkpoint(tmp_path / name)
        assert "\n" not in str(caught.value)


def test_missing_and_unexpected_tensors_are_listed(tmp_path: Path):
    state = discriminator_state()
    state["gru.other"] = state.pop("fc.bias")
    torch.save({"disc_motion_state_dict": state}, tmp_path / "x.pt")
    with pytest.raises(SemttaError, match=r"missing 1 \(fc.bias\); unexpected 1 \(gru.other\)"):
        MotionDiscriminator.from_checkpoint(tmp_path / "x.pt")
