from __future__ import annotations

import copy

import pytest
import torch

from semtta.errors import SemttaError
from semtta.estimators import HMR, OPEN_CONFIG, HMRConfig, estimators
from semtta.geometry import matrix_from_6d
from semtta.io.weights import save_weights
from semtta.testing import check_estimator

TINY = HMRConfig(block="basic", depths=(1, 1, 1), widths=(8, 8, 16), stem=8, crop_px=64, hidden=16, joint_maps=5)


def test_the_papers_network_has_the_reference_tensors():
    model = HMR()
    names = model.state_dict()
    assert len(names) == 172
    assert len(HMR(HMRConfig(norm="batch")).state_dict()) == 331
    assert names["layer1.0.downsample.0.weight"].shape == (256, 64, 1, 1)
    assert names["layer4.2.bn3.weight"].shape == (2048,)
    assert names["fc1.weight"].shape == (1024, 2048 + 144 + 13)
    assert isinstance(model.bn1, torch.nn.GroupNorm)
    assert model.bn1.num_groups == 4
    assert model.layer2[0].conv2.stride == (2, 2)  # the stride sits on the 3 x 3 convolution
    assert model.layer2[0].conv1.stride == (1, 1)


def test_regressor_by_hand():
    """With zero decoders' weights the outputs are the start plus three times the decoder's bias."""
    model = HMR(TINY).eval()
    for decoder in (model.decpose, model.decshape, model.deccam):
        torch.nn.init.zeros_(decoder.weight)
        torch.nn.init.constant_(decoder.bias, 0.01)
    out = model.from_images(torch.zeros(2, 3, 64, 64))
    torch.testing.assert_close(out.betas, torch.full((2, 10), 0.03))
    torch.testing.assert_close(out.camera, torch.tensor([[0.93, 0.03, 0.03]]).expand(2, 3))
    expected = matrix_from_6d((model.init_pose + 0.03).view(1, 24, 6), "columns_interleaved").expand(2, -1, -1, -1)
    torch.testing.assert_close(out.rotations, expected)


def test_joint_maps_find_a_peak():
    model = HMR(TINY)
    fine, coarse = torch.zeros(1, 8, 8, 8), torch.zeros(1, 16, 4, 4)
    final = model.maps.mix[2]
    torch.nn.init.zeros_(final.weight)
    torch.nn.init.zeros_(final.bias)
    joints, _ = model.maps(fine, coarse, coarse)
    torch.testing.assert_close(joints[..., :3], torch.zeros(1, 5, 3))  # flat maps: the centre, no depth
    torch.testing.assert_close(joints[..., 3], torch.full((1, 5), 1 / 64))


@pytest.mark.parametrize("config", [TINY, OPEN_CONFIG, HMRConfig(depths=(1, 1, 1, 1), widths=(8, 8, 8, 8), stem=8, crop_px=64)])
def test_sizes_conform(config):
    torch.manual_seed(0)
    check_estimator(HMR(config))


@pytest.mark.parametrize("name", estimators.names())
def test_registered_estimators_conform(name):
    if not name.startswith("open"):
        pytest.skip("needs the user's weights")
    model = estimators.create(name)
    check_estimator(model)
    assert sum(p.numel() for p in model.parameters()) <= 15e6


def test_safetensors_round_trip(tmp_path):
    model = HMR(TINY).eval()
    save_weights(tmp_path / "w.safetensors", "hmr", model.state_dict(), config=TINY.as_dict())
    again = HMR.from_checkpoint(tmp_path / "w.safetensors")
    crops = torch.randn(1, 3, 64, 64)
    torch.testing.assert_close(again.from_images(crops).rotations, model.from_images(crops).rotations)


def small_state(**changes):
    return {f"module.{k}": v for k, v in {**HMR().state_dict(), **changes}.items()}


def test_reference_checkpoint_format(tmp_path):
    torch.save({"model": small_state()}, tmp_path / "hmr.pt")
    assert HMR.from_checkpoint(tmp_path / "hmr.pt").config.norm == "group"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"model": {"module.conv1.weight": torch.zeros(64, 3, 7, 7)}}, r"missing 171"),
        ({"model": {"weights": 3}}, "no HMR weights"),
        ([1, 2], "no HMR weights"),
    ],
)
def test_wrong_checkpoints_are_named(tmp_path, content, message):
    torch.save(content, tmp_path / "x.pt")
    with pytest.raises(SemttaError, match=message):
        HMR.from_checkpoint(tmp_path / "x.pt")


def test_truncated_and_malicious_files(tmp_path):
    path = tmp_path / "x.pt"
    torch.save({"model": {"a": torch.zeros(100)}}, path)
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(SemttaError, match=r"truncated|not a PyTorch"):
        HMR.from_checkpoint(path)

    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "owned"), "w"))

    torch.save({"model": Evil()}, path)
    with pytest.raises(SemttaError, match=r"In place of 'model' it has .*open"):
        HMR.from_checkpoint(path)
    assert not (tmp_path / "owned").exists()


def test_the_memory_format_on_a_cpu_is_the_more_precise():
    """Gradients of a step against double precision, mean of four inputs: with channels last more is lost to rounding."""
    torch.manual_seed(0)
    model = HMR(HMRConfig(depths=(1, 1, 1, 1), widths=(8, 8, 16, 16), stem=8, crop_px=64, hidden=32, dropout=0.0))
    double = copy.deepcopy(model).double()

    def gradient(network: HMR, images: torch.Tensor) -> torch.Tensor:
        network.zero_grad()
        out = network.from_images(images)
        ((out.rotations - torch.eye(3).to(images)).square().mean() + out.camera.square().mean()).backward()
        return torch.cat([p.grad.flatten().double() for p in network.parameters() if p.grad is not None])

    off = {"ours": 0.0, "other": 0.0}
    for _ in range(4):
        images = model.normalise(torch.randint(0, 256, (8, 3, 64, 64), dtype=torch.uint8))
        assert images.is_contiguous()
        truth = gradient(double, images.double())
        other = images.contiguous(memory_format=torch.channels_last)
        for name, laid_out in (("ours", images), ("other", other)):
            off[name] += float((gradient(model, laid_out) - truth).norm() / truth.norm())
    assert off["ours"] < off["other"]


def test_memory_formats_by_network():
    """The included network on pictures is as precise with channels last, and faster; the published ones are not."""
    crops = torch.zeros(2, 3, 112, 112, dtype=torch.uint8)
    assert estimators.create("open-image").normalise(crops).is_contiguous(memory_format=torch.channels_last)
    assert HMR(TINY).normalise(crops).is_contiguous()
    assert "cuda" in HMR.channels_last
