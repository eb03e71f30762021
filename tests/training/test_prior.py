import json
from functools import partial

import pytest
import torch

from semtta.errors import SemttaError
from semtta.motions.windows import WindowSampler, all_labels
from semtta.priors import InfillConfig, InfillPrior, MotionCLIP, MotionCLIPConfig
from semtta.training import prior as training
from semtta.training.dictionary import build_dictionary
from semtta.training.loop import fit
from semtta.training.prior_thresholds import CurvePoint

resource = pytest.importorskip("resource")  # limits on file sizes; not on Windows


@pytest.fixture(autouse=True)
def small(monkeypatch):
    sizes = {"width": 16, "layers": 1, "heads": 2, "feedforward": 16, "patch": 3, "text_dim": 8}
    monkeypatch.setattr(training, "OPEN_CONFIG", MotionCLIPConfig(**sizes, dropout=0.0, decoder=False))
    monkeypatch.setattr(training, "OPEN_COSINE_CONFIG", MotionCLIPConfig(**sizes, dropout=0.1))
    monkeypatch.setattr(training, "InfillConfig", partial(InfillConfig, width=16, layers=1, heads=2, feedforward=16, text_dim=8))
    monkeypatch.setattr(training, "cases", lambda folder, labels, count: [])
    monkeypatch.setattr(training, "fill_in_curve", lambda prior, attempts: [CurvePoint(0.35, 0.5, 0.9, 0.5, 0.1)])
    features = torch.nn.functional.normalize(torch.randn(64, 8, generator=torch.Generator().manual_seed(0)), dim=-1)
    monkeypatch.setattr(training, "dictionary_of", lambda folder, data: build_dictionary(data, lambda n: features[: len(n)]))


@pytest.fixture
def completion(mocap_folder, tmp_path):
    """An untrained completion network, which the variant ``open`` needs."""
    return build("infill", mocap_folder).save(tmp_path / "completion.safetensors")


def build(variant, folder, completion=None):
    clips = training.mocap.load(folder, "train")
    data = WindowSampler(clips, all_labels(clips))
    return training.build(variant, data, training.dictionary_of(folder, data), completion)


def curve(out) -> list[dict]:
    return [json.loads(line) for line in out.with_suffix(".curve.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("variant", training.VARIANTS)
def test_a_few_steps_lower_the_loss(variant, mocap_folder, completion, tmp_path):
    out = tmp_path / "prior.safetensors"
    how = training.PriorTraining(variant, steps=60, batch=8, rate=3e-3, completion=completion)
    prior = training.train_prior(mocap_folder, out, how)
    losses = [row["loss"] for row in curve(out)]
    assert len(losses) == 3
    assert losses[-1] < losses[0]
    again = type(prior).from_checkpoint(out)
    assert again.labels == ("raising the left hand", "raising the right hand", "walking")
    assert again.threshold == 0.35  # chosen on the curve, kept in the file


@pytest.mark.parametrize("variant", training.VARIANTS)
def test_an_interrupted_run_ends_as_one_that_was_not(variant, mocap_folder, completion, tmp_path, monkeypatch):
    how = training.PriorTraining(variant, steps=6, batch=5, completion=completion)
    whole = training.train_prior(mocap_folder, tmp_path / "whole.safetensors", how)
    out = tmp_path / "part.safetensors"
    monkeypatch.setattr(training, "fit", lambda *args, **options: fit(*args, **options, stop_at=3))
    training.train_prior(mocap_folder, out, how)
    monkeypatch.setattr(training, "fit", fit)
    resumed = training.train_prior(mocap_folder, out, how)
    for key, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[key]), key


def test_a_run_can_start_from_a_weights_file(mocap_folder, completion, tmp_path):
    how = training.PriorTraining("infill", steps=0, start=completion)
    same = training.train_prior(mocap_folder, tmp_path / "out.safetensors", how)
    known = InfillPrior.from_checkpoint(completion).state_dict()
    assert all(torch.equal(value, known[key]) for key, value in same.state_dict().items())


def test_completion_of_open_and_text_of_open_cosine_are_not_trained(mocap_folder, completion, tmp_path):
    for variant, frozen in training.FROZEN.items():
        how = training.PriorTraining(variant, steps=3, batch=5, completion=completion)
        before = build(variant, mocap_folder, completion).get_submodule(frozen).state_dict()
        trained = training.train_prior(mocap_folder, tmp_path / f"{variant}.safetensors", how)
        assert all(torch.equal(value, before[key]) for key, value in trained.get_submodule(frozen).state_dict().items())
        still = [name for name, p in trained.named_parameters() if not p.requires_grad]
        assert still
        assert all(name.startswith(frozen) for name in still)


def test_what_a_run_cannot_do_is_said(mocap_folder, completion, tmp_path):
    out = tmp_path / "out.safetensors"
    with pytest.raises(SemttaError, match="needs a completion network: train variant 'infill'"):
        training.train_prior(mocap_folder, out, training.PriorTraining("open", steps=1))
    with pytest.raises(SemttaError, match="prior variant 'opne'"):
        training.train_prior(mocap_folder, out, training.PriorTraining("opne", steps=1))
    with pytest.raises(SemttaError, match=r"completion\.safetensors holds weights of 'infill', expected 'motionclip'"):
        training.train_prior(mocap_folder, out, training.PriorTraining("open-cosine", steps=1, start=completion))
    with pytest.raises(SemttaError, match="No packed motions"):
        training.train_prior(tmp_path / "nowhere", out, training.PriorTraining("infill", steps=1))
    assert not out.exists()


def test_a_checkpoint_of_another_architecture_or_damaged(mocap_folder, tmp_path, monkeypatch):
    out = tmp_path / "out.safetensors"
    training.train_prior(mocap_folder, out, training.PriorTraining("infill", steps=1, batch=5))
    before = out.read_bytes()
    with pytest.raises(SemttaError, match=r"out\.checkpoint\.pt is of another architecture"):
        training.train_prior(mocap_folder, out, training.PriorTraining("open-cosine", steps=2, batch=5))
    state = out.with_suffix(".checkpoint.pt")
    state.write_bytes(state.read_bytes()[:300])
    with pytest.raises(SemttaError, match=r"out\.checkpoint\.pt"):
        training.train_prior(mocap_folder, out, training.PriorTraining("infill", steps=2, batch=5))
    assert out.read_bytes() == before


def test_a_disk_that_fills_leaves_the_last_whole_checkpoint(tmp_path):
    """A limit on the size of files stands for the full disk: a larger model's checkpoint cannot be written."""
    out = tmp_path / "weights.safetensors"

    def run(size: int) -> None:
        model = torch.nn.Linear(size, 1)
        fit(model, lambda _: {"loss": model.weight.square().sum()}, out, steps=2, rate=1e-3, resume=False)

    run(10)
    before, whole = sorted(p.name for p in tmp_path.iterdir()), out.with_suffix(".checkpoint.pt").read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, limits[1]))
    try:
        with pytest.raises(SemttaError, match=r"Cannot write .* make room and run it again"):
            run(100_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert out.with_suffix(".checkpoint.pt").read_bytes() == whole
    assert sorted(p.name for p in tmp_path.iterdir()) == before


def test_held_out_styles_are_not_trained_on(mocap_folder):
    clips = training.mocap.load(mocap_folder, "train")
    assert len(clips) == 9
    assert sum(not training.held_out(c) for c in clips) == 6


def test_the_faithful_variant_keeps_the_cosines_of_centred_text(mocap_folder):
    prior = build("open-cosine", mocap_folder)
    assert isinstance(prior, MotionCLIP)
    text, features = prior.encode_text(prior.labels), prior.dictionary.text_features
    centred = features - features.mean(0)
    normal = torch.nn.functional.normalize
    assert torch.allclose(
        normal(text, dim=-1) @ normal(text, dim=-1).mT, normal(centred, dim=-1) @ normal(centred, dim=-1).mT, atol=1e-4
    )
    assert text.norm(dim=-1).mean().item() == pytest.approx(4.0, abs=1e-4)  # sqrt(16): what a layer norm puts out
