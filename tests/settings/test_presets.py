"""What a preset gives when everything is resolved and built, number by number."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest
import torch

from semtta.build import build_roles, resolve
from semtta.estimators import HMR, HMRConfig
from semtta.io.weights import save_weights
from semtta.methods.offline.schedule import learning_rate
from semtta.settings import SINGLE_ROLES, AdaptConfig

#: Sec. 5.2 and Eq. 6-10, and the choices where the paper is silent, of which docs/methods.md gives the reasons.
PAPER: dict[str, Any] = {
    "loop": {
        "epochs": 6, "learning_rate": 5e-5, "min_learning_rate": 1e-6, "warmup_epochs": 0, "adam_betas": (0.5, 0.9),
        "trainable": "all", "dropout": True, "micro_batch": None, "segment_frames": 60, "segment_stride": 30,
        "mixed_segments": "drop", "segment_step": 1,
        "batch_segments": 4, "min_steps": 1, "sampling": "similarity", "batch_frames": 32, "predictions": "eval",
        "window_frames": None, "window_overlap": 120, "window_average": 0.5, "window_reset": 0.5,
        "shared_shape": False,
    },
    "losses": {
        "2d": {"weight": 0.1, "reduction": "mean", "unlabelled": True},
        "align": {"weight": 0.2, "warmup": 0.0, "use_trust": False},
        "pose": {"weight": 1.0}, "shape": {"weight": 0.001}, "landmarks": {"weight": 0.0, "scale": "bones"},
        "acceleration": {"weight": 0.0}, "depth": {"weight": 0.0, "warmup": 0.4},
    },
    "updaters": {"ema": {"alpha": 0.9}, "fill_in": {"joints": "supervised", "outside_crop": True}},
    "evidence": {
        "threshold": 0.3, "joints": "limbs", "source": "detector", "box_scale": None, "landmarks": "never", "repair_swaps": False,
        "dataset_camera": False,
    },
    "labels": {"frames": 60},
    "denoiser": {"weights": None, "learning_rate": 5e-5, "batch": 32, "fps": None},
}  # fmt: skip
#: CycleAdapt's published numbers; the rest is as in the paper, whose method it is built on.
CYCLEADAPT: dict[str, Any] = {
    **PAPER,
    "loop": {**PAPER["loop"], "epochs": 13, "warmup_epochs": 3, "sampling": "frames", "batch_frames": 32, "predictions": "train"},
    "losses": {**PAPER["losses"], "align": {**PAPER["losses"]["align"], "weight": 0.0}},
    "updaters": {},
}
#: What the included estimator asks for, measured on synthwild's val part.
OPEN_LOOP = {
    **PAPER["loop"], "mixed_segments": "keep", "learning_rate": 3e-4, "warmup_epochs": 2, "epochs": 20, "batch_segments": 4,
    "segment_stride": 15, "min_steps": 3, "window_frames": 1800,
}  # fmt: skip
#: ... and the image network, which the tables were made with.
IMAGE_LOOP = {
    **OPEN_LOOP,
    "epochs": 15,
    "batch_segments": 1,
    "segment_stride": 6,
    "segment_step": 3,
    "min_steps": 10,
    "predictions": "train",
    "window_frames": None,
}


def settings_of(config: AdaptConfig) -> dict[str, Any]:
    """Every setting that decides the optimisation."""
    listed = {role: {part.name: part.settings.model_dump() for part in getattr(config, role)} for role in ("losses", "updaters")}
    groups = {name: getattr(config, name).model_dump() for name in ("loop", "evidence", "labels")}
    return {**listed, **groups, "denoiser": config.denoiser.settings.model_dump()}


def names_of(config: AdaptConfig) -> dict[str, str]:
    return {role: getattr(config, role).name for role in SINGLE_ROLES}


@pytest.fixture(scope="module")
def hmr_weights(tmp_path_factory) -> str:
    """A tiny HMR with random weights."""
    config = HMRConfig(block="basic", depths=(1, 1), widths=(8, 16), stem=8, crop_px=32, hidden=32, dropout=0.5)
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "hmr.safetensors"
    save_weights(path, "hmr", HMR(config).state_dict(), config=asdict(config))
    return str(path)


@pytest.mark.parametrize("prior", [None, "open", "infill", "open-cosine", "none"])
@pytest.mark.parametrize("estimator", ["open", "hmr"])
def test_paper_is_section_5_2_whatever_the_parts(estimator, prior, hmr_weights):
    chosen = {"estimator": estimator, **({"prior": prior} if prior else {})}
    chosen |= {"estimator.weights": hmr_weights} if estimator == "hmr" else {}
    config = resolve("paper", chosen).config
    assert settings_of(config) == PAPER
    assert list(settings_of(config)["losses"]) == ["2d", "align", "pose", "shape", "acceleration", "depth", "landmarks"]
    assert list(settings_of(config)["updaters"]) == ["ema", "fill_in"]  # the order of Eq. 8
    assert (config.method.name, config.denoiser.name) == ("semantic", "mdnet")
    assert config.prior.name == (prior or "open")
    roles = build_roles(config)
    assert roles.estimator.crop_px == (32 if estimator == "hmr" else None)
    sigma = {None: 0.3, "open": 0.3, "infill": 0.5, "open-cosine": 0.75}  # is the prior's
    if prior != "none":
        assert roles.prior.threshold == sigma[prior]


def test_the_schedule_of_the_paper_ends_at_1e_6():
    loop = resolve("paper").config.loop
    rates = [learning_rate(loop, epoch, loop.learning_rate) for epoch in range(loop.epochs)]
    assert rates[0] == pytest.approx(5e-5)
    assert rates[-1] == pytest.approx(1e-6, abs=1e-5)
    assert rates == sorted(rates, reverse=True)


@pytest.mark.parametrize("estimator", ["open", "hmr"])
def test_cycleadapt_as_published(estimator):
    config = resolve("cycleadapt", {"estimator": estimator}).config
    assert settings_of(config) == CYCLEADAPT
    assert {k: v for k, v in names_of(config).items() if k in ("method", "prior", "labeler")} == {
        "method": "cycleadapt", "prior": "none", "labeler": "none",
    }  # fmt: skip
    assert build_roles(resolve("cycleadapt").config).prior.labels == ()


def test_the_papers_other_methods_run_as_published():
    for method, epochs, rate, betas in (
        ("cycleadapt", 13, 5e-5, (0.5, 0.9)), ("boa", 1, 3e-6, (0.5, 0.999)), ("dynaboa", 1, 3e-6, (0.5, 0.9)),
        ("dapa", 1, 5e-5, (0.9, 0.999)),
    ):  # fmt: skip
        loop = resolve("paper", {"method": method, "prior": "none"}).config.loop
        assert (loop.epochs, loop.learning_rate, loop.adam_betas) == (epochs, rate, betas)
    loop = resolve("paper", {"method": "cycleadapt"}).config.loop
    assert (loop.warmup_epochs, loop.sampling, loop.batch_frames, loop.predictions) == (3, "frames", 32, "train")


def test_best_is_what_suits_the_parts():
    config = resolve().config
    assert resolve("best").config == config
    assert names_of(config) == {
        "method": "semantic", "estimator": "open", "body": "open", "denoiser": "mdnet", "prior": "infill",
        "generator": "exemplar", "labeler": "auto", "detector": "blazepose",
    }  # fmt: skip
    align = {"weight": 8.0, "warmup": 0.4, "use_trust": False}
    own = {"acceleration": {"weight": 1.0}, "depth": {"weight": 16.0, "warmup": 0.4}}
    terms = {name: settings for name, settings in PAPER["losses"].items() if name not in ("landmarks", "acceleration", "depth")}
    evidence = {**PAPER["evidence"], "landmarks": "auto", "repair_swaps": True, "dataset_camera": True}
    assert settings_of(config) == {
        **PAPER, "loop": OPEN_LOOP, "losses": {**terms, "align": align, **own}, "evidence": evidence,
        "updaters": {**PAPER["updaters"], "ema": {"alpha": 0.99}},
        "denoiser": {**PAPER["denoiser"], "learning_rate": None, "fps": 30.0},
    }  # fmt: skip
    plain = resolve("best", {"estimator": "hmr", "prior": "motionclip"}).config  # nothing suits them better than the paper
    loop = {**PAPER["loop"], "mixed_segments": "keep", "window_frames": 1800}
    denoiser = {**PAPER["denoiser"], "learning_rate": None}
    assert settings_of(plain) == {**PAPER, "loop": loop, "losses": terms, "evidence": evidence, "denoiser": denoiser}


def test_fast_is_short():
    config = resolve("fast").config
    assert (config.loop.epochs, config.loop.segment_stride, config.loop.warmup_epochs) == (3, 60, 0)
    rest = {key: value for key, value in OPEN_LOOP.items() if key not in ("epochs", "segment_stride", "warmup_epochs")}
    assert config.loop.model_dump().items() >= rest.items()
    assert names_of(config) == names_of(resolve().config)


#: docs/results.md's tables of 27 November 2026, by method: what differs from the semantic row's loop.
TABLES = {
    "semantic": {},
    "cycleadapt": {"epochs": 30, "warmup_epochs": 3, "batch_frames": 20, "min_steps": 4, "sampling": "frames"},
    "boa": {"epochs": 1, "adam_betas": (0.5, 0.999), "learning_rate": 1e-4},
    "dynaboa": {"epochs": 1, "adam_betas": (0.5, 0.9), "learning_rate": 1e-4},
    "dapa": {"epochs": 1, "adam_betas": (0.9, 0.999), "learning_rate": 5e-5},
}


@pytest.mark.parametrize("method", TABLES)
def test_tables_are_made_with_these(method):
    prior = {} if method == "semantic" else {"prior": "none", "labeler": "none"}
    config = resolve("tables", {"method": method, **prior}).config
    assert config.loop.model_dump() == {**IMAGE_LOOP, **TABLES[method]}
    inner = getattr(config.method.settings, "inner_learning_rate", None)
    assert inner == (2.67e-4 if method in ("boa", "dynaboa") else None)
    if method == "dapa":
        assert config.method.settings.pair_weight == 0.1
    found = settings_of(config)
    align = found["losses"].pop("align")
    assert found["losses"] == {key: value for key, value in PAPER["losses"].items() if key != "align"}
    assert found["updaters"] == {**PAPER["updaters"], "ema": {"alpha": 0.99}}
    assert (found["evidence"], found["labels"]) == (PAPER["evidence"], PAPER["labels"])
    assert found["denoiser"] == {"weights": None, "learning_rate": None, "batch": 32, "fps": None}
    if method == "semantic":
        assert align == {"weight": 8.0, "warmup": 0.4, "use_trust": False}


@pytest.mark.parametrize(
    ("prior", "weight", "warmup"),
    [("open", 0.2, 0.4), ("infill", 8.0, 0.4), ("discriminator", 0.5, 0.0), ("unpaired", 1.0, 0.0), ("open-cosine", 0.2, 0.0)],
)
def test_priors_of_the_tables_keep_their_own_alignment(prior, weight, warmup):
    (align,) = (part.settings for part in resolve("tables", {"prior": prior}).config.losses if part.name == "align")
    assert (align.weight, align.warmup) == (weight, warmup)
