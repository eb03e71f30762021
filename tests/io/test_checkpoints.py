"""Networks in files: what the mixin promises for every network of this project."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from semtta.denoisers import MDNet
from semtta.errors import SemttaError
from semtta.estimators import HMR, HMR2, HMR2Config, HMRConfig
from semtta.io.checkpoints import Checkpointed, count_layers, renamed, size_of, tensor_table
from semtta.io.weights import load_weights, save_weights
from semtta.priors import TMR, InfillConfig, InfillPrior, MotionCLIP, MotionCLIPConfig, OpenPrior, TMRConfig
from semtta.priors import MotionDictionary as Dictionary
from semtta.priors import MotionDiscriminator as Discriminator

CLIP = MotionCLIPConfig(width=8, layers=1, heads=2, feedforward=8, text_dim=4, decoder=False)
INFILL = InfillConfig(width=8, layers=1, heads=2, feedforward=8, text_dim=4)
LABELS = Dictionary(("walk",), torch.ones(1, 4))
HMR2_SIZES = HMR2Config(width=80, depth=1, backbone_heads=1, crop_px=64, head_width=8, head_depth=2, heads=2, feedforward=8)
NETWORKS: dict[str, Callable[[], Checkpointed]] = {
    "hmr": lambda: HMR(HMRConfig(block="basic", depths=(1, 1), widths=(4, 8), stem=4, hidden=8)),
    "hmr2": lambda: HMR2(HMR2_SIZES),
    "mdnet": lambda: MDNet(2),
    "motion_discriminator": lambda: Discriminator(8, 1, 2),
    "tmr": lambda: TMR(TMRConfig(width=8, layers=1, heads=2, feedforward=8)),
    "motionclip": lambda: MotionCLIP(CLIP, LABELS, name="mine", threshold=0.1),
    "open": lambda: OpenPrior(CLIP, INFILL, LABELS, floor=0.2),
    "infill": lambda: InfillPrior(INFILL, LABELS, name="mine"),
}


@pytest.fixture(params=NETWORKS)
def network(request: pytest.FixtureRequest) -> Checkpointed:
    torch.manual_seed(0)
    return NETWORKS[request.param]()


def test_what_is_saved_comes_back(network: Checkpointed, tmp_path: Path):
    """Sizes, name, settings and dictionary by the file alone, weights exactly (of priors: to float16), further metadata too."""
    path = network.save(tmp_path / "x.safetensors", trained_steps=7)
    again = type(network).from_checkpoint(path)
    assert not again.training
    for (name, value), (other, saved) in zip(network.state_dict().items(), again.state_dict().items(), strict=True):
        assert name == other
        torch.testing.assert_close(saved, value, rtol=0, atol=2e-3 if hasattr(network, "saved_settings") else 0)
    for name in ("config", "name", *getattr(network, "saved_settings", ())):
        assert getattr(again, name, None) == getattr(network, name, None)
    assert getattr(again, "labels", None) == getattr(network, "labels", None)
    assert load_weights(path, network.kind)[1]["trained_steps"] == 7


@pytest.mark.parametrize("metadata", [{}, {"config": 3}, {"config": {"width": -1}}, {"config": {"colour": 1}}])
def test_a_file_that_does_not_tell_its_sizes(network: Checkpointed, metadata: dict, tmp_path: Path):
    """One line, whatever the metadata are; the two networks whose tensors tell their sizes need none."""
    path = save_weights(tmp_path / "x.safetensors", network.kind, network.packed(), **metadata)
    if network.kind in ("mdnet", "motion_discriminator"):
        assert type(network).from_checkpoint(path)
        return
    with pytest.raises(SemttaError, match=r"x\.safetensors does not describe a") as caught:
        type(network).from_checkpoint(path)
    assert "\n" not in str(caught.value)


def test_strict(network: Checkpointed, tmp_path: Path):
    tensors = network.packed()
    name = next(name for name in tensors if name.endswith("bias"))
    tensors["other.bias"] = tensors.pop(name)
    path = save_weights(tmp_path / "x.safetensors", network.kind, tensors, **network.described())
    with pytest.raises(SemttaError, match=r"missing 1 \(.*unexpected 1 \(other\.bias\)"):
        type(network).from_checkpoint(path)


@pytest.mark.parametrize(
    "content", [None, 3, [1], {"w": 3}, {"model": {"w": 3}}, {0: torch.zeros(1)}, {"model": [torch.zeros(1)]}]
)
def test_no_table_of_tensors(content: object):
    with pytest.raises(SemttaError, match="nothing here"):
        tensor_table(content, "model", "", otherwise="nothing here")


def test_tables_of_tensors_and_their_names():
    zero = torch.zeros(2, 5)
    assert tensor_table({"model": {"module.a": zero}, "b": 1}, "model", "", otherwise="") == {"a": zero}
    assert tensor_table({"a": zero}, "model", "", otherwise="") == {"a": zero}
    with pytest.raises(SemttaError, match="none"):
        tensor_table({"a": zero}, "model", otherwise="none")
    assert renamed("encoder.fc0.fc.weight", {"fc0.fc": "time", "encoder.": ""}) == "time.weight"
    table = {"layers.0.a": zero, "layers.0.b": zero, "layers.1.a": zero, "x": zero}
    assert (count_layers(table, "layers.", 8), count_layers(table, "blocks.", 8)) == (2, 8)
    assert (size_of(table, "x", 1, 8), size_of(table, "y", 1, 8)) == (5, 8)
