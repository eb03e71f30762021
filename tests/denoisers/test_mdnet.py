from pathlib import Path

import pytest
import torch
from torch.func import functional_call

from semtta import assets
from semtta.denoisers import MDNet, denoise, denoisers, masked_loss, merge_windows, random_mask, to_windows
from semtta.denoisers.cycle import DenoiserState, denoise_stage
from semtta.errors import SemttaError
from semtta.geometry import axis_angle_to_matrix, matrix_to_6d


def rotations(length: int) -> torch.Tensor:
    return axis_angle_to_matrix(torch.randn(length, 24, 3, generator=torch.Generator().manual_seed(0)) * 0.3)


def test_mask_is_the_middle_frame_and_24_others():
    mask = random_mask(50, torch.Generator().manual_seed(0))
    assert (mask.sum(1) == 25).all()
    assert mask[:, 24].all()
    assert len(torch.unique(mask, dim=0)) > 40
    assert torch.equal(mask, random_mask(50, torch.Generator().manual_seed(0)))


def test_masked_loss_by_hand():
    windows = torch.zeros(1, 49, 144)
    windows[0, 24], windows[0, 3], windows[0, 5] = 2.0, 4.0, 8.0
    mask = torch.zeros(1, 49, dtype=torch.bool)
    mask[0, [24, 3]] = True
    seen = []

    def model(x):
        seen.append(x)
        return x + 1

    # Masked inputs are zero, so the model says 1: |1 - 2| + |1 - 4| over 49 frames; frame 5 is not counted.
    assert masked_loss(model, windows, mask).item() == pytest.approx(4 / 49)
    assert not seen[0][0, [24, 3]].any()
    assert (seen[0][0, 5] == 8).all()


def test_overlapping_windows_are_averaged():
    windows = torch.zeros(3, 49, 1)
    windows[0], windows[1], windows[2] = 1.0, 2.0, 6.0
    merged = merge_windows(windows)[:, 0]
    assert len(merged) == 51
    # Frame 0 is in window 0, frame 1 in 0 and 1, frames 2-48 in all, frame 49 in 1 and 2, frame 50 in 2.
    assert merged[[0, 1, 2, 48, 49, 50]].tolist() == pytest.approx([1, 1.5, 3, 3, 4, 6])


@pytest.mark.parametrize("length", [1, 10, 48, 49, 50])
def test_any_length_works_and_a_perfect_model_changes_nothing(length):
    given, betas = rotations(length), torch.randn(length, 10)
    made, shape = denoise(lambda x: x, given, betas, mask="none", micro_batch=1)
    assert torch.allclose(made, given, atol=1e-5)
    assert shape.shape == (length, 10)
    if length in (1, 49):
        windows = to_windows(betas)
        assert torch.allclose(shape, windows.mean(1).expand(length, 10), atol=1e-6)


def test_short_sequences_are_reflected():
    sequence = torch.arange(4.0)[:, None]
    assert to_windows(sequence).shape == (1, 49, 1)
    assert to_windows(sequence)[0, :9, 0].tolist() == [0, 1, 2, 3, 2, 1, 0, 1, 2]
    assert to_windows(torch.arange(30.0)[:, None])[0, 28:32, 0].tolist() == [28, 29, 28, 27]
    assert not to_windows(torch.zeros(1, 3)).any()
    assert torch.equal(to_windows(torch.arange(51.0)[:, None])[2, :, 0], torch.arange(2.0, 51.0))


def test_betas_are_averaged_over_windows_by_hand():
    betas = torch.zeros(50, 10)
    betas[0] = 49.0  # window 0 has mean 1, window 1 has mean 0
    _, shape = denoise(lambda x: x, rotations(50), betas, mask="none")
    assert shape[:, 0].tolist() == pytest.approx([1.0] + [0.5] * 48 + [0.0])


def test_random_masking_is_reproducible():
    model = MDNet()
    once, again = (
        denoise(model, rotations(60), torch.zeros(60, 10), generator=torch.Generator().manual_seed(1))[0] for _ in "ab"
    )
    assert torch.equal(once, again)
    assert torch.allclose(once @ once.mT, torch.eye(3).expand_as(once), atol=1e-5)


def test_the_denoising_stage_fits_the_sequence_and_leaves_the_model_alone():
    torch.manual_seed(0)
    model, sequence = MDNet(), rotations(70)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    state = DenoiserState.start(model, (0.5, 0.999))
    windows = to_windows(matrix_to_6d(sequence, "columns_interleaved").flatten(1))
    mask = random_mask(len(windows), torch.Generator().manual_seed(0))

    def loss() -> float:
        return masked_loss(lambda x: functional_call(model, state.weights, (x,)), windows, mask).item()

    first = loss()
    for _ in range(20):
        denoise_stage(model, state, sequence, torch.zeros(70, 10), 3e-3, 8)
    assert loss() < 0.8 * first
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def test_save_and_load(tmp_path):
    model = MDNet()
    again = MDNet.from_checkpoint(model.save(tmp_path / "m.safetensors"))
    x = torch.randn(2, 49, 144)
    assert torch.equal(model(x), again(x))


def test_original_checkpoint_layout(tmp_path):
    """CycleAdapt's names: key ``model``, prefix ``module.``, norm parameters of shape [1, 144, 1]."""
    model = MDNet()
    for block in model.blocks:
        torch.nn.init.normal_(block.norm.weight)
    state = {}
    for key, value in model.state_dict().items():
        theirs = key.replace("inner", "motion_fc_in").replace("outer", "motion_fc_out").replace("blocks", "motion_mlp.mlps")
        theirs = theirs.replace("time", "fc0.fc").replace("norm.weight", "norm0.alpha").replace("norm.bias", "norm0.beta")
        state["module." + theirs] = value[None, :, None] if ".norm." in key else value
    torch.save({"model": state}, tmp_path / "md.pth.tar")
    again = MDNet.from_checkpoint(tmp_path / "md.pth.tar")
    x = torch.randn(2, 49, 144)
    assert torch.equal(model(x), again(x))


def test_bad_files(tmp_path):
    with pytest.raises(SemttaError, match="No weights file"):
        MDNet.from_checkpoint(tmp_path / "absent.safetensors")
    for name in ("a.safetensors", "b.pth.tar"):
        (tmp_path / name).write_bytes(b"nonsense")
        with pytest.raises(SemttaError, match="is not a"):
            MDNet.from_checkpoint(tmp_path / name)
    torch.save({"model": {"module.fc.weight": torch.zeros(3)}}, tmp_path / "other.pth")
    with pytest.raises(SemttaError, match="does not fit MDNet"):
        MDNet.from_checkpoint(tmp_path / "other.pth")


def test_registry():
    assert denoisers.create("none") is None
    if not Path(assets.__file__).with_name("denoiser_mdnet.safetensors").is_file():
        pytest.skip("the included weights are not here")
    assert isinstance(denoisers.create("mdnet"), MDNet)
