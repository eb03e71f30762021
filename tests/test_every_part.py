"""Every registered part runs through the conformance test of its role, by name and with its settings, as a user gets it.

Networks whose weights are licensed are made small and random, and read from a file as the user's would be.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from semtta import testing
from semtta.body import bodies
from semtta.body import load as load_body
from semtta.build import build_generator, build_prior, make_config
from semtta.constants import SMPL_PARENTS
from semtta.data import ArrayFrames
from semtta.datasets import datasets, open_dataset
from semtta.denoisers import MDNet, denoisers
from semtta.detectors import blazepose, detectors, rtmpose, vitpose
from semtta.detectors.blazepose import BlazePose, Pose
from semtta.detectors.blazepose_models import Roi
from semtta.detectors.rtmpose import RTMPose
from semtta.detectors.vitpose import ViTPose
from semtta.diagnostics.plugins import registries
from semtta.errors import SemttaError
from semtta.estimators import HMR, HMR2, HMR2Config, HMRConfig, estimators
from semtta.export import exporters
from semtta.generators import generators
from semtta.geometry import axis_angle_to_matrix
from semtta.geometry.kinematics import pelvis_frame_positions
from semtta.labelers import LabelContext, labelers
from semtta.losses import terms
from semtta.methods import methods
from semtta.priors import TMR, MotionCLIP, MotionCLIPConfig, MotionDictionary, TMRConfig, priors
from semtta.priors.tmr import TextTokens
from semtta.refine import refiners
from semtta.types import SegmentLabel, Video
from semtta.updaters import updaters

LABELS = ("walking", "running")
Make = Callable[[Path], Any]


def moving(*shape: int) -> Tensor:
    return axis_angle_to_matrix(0.3 * torch.randn(*shape, 24, 3, generator=torch.Generator().manual_seed(0)))


# -- files of parts that are not included -------------------------------------------------------------------------------


def motionclip(folder: Path) -> str:
    sizes = MotionCLIPConfig(width=16, layers=1, heads=2, feedforward=32, dropout=0.0, patch=1, decoder=False, text_dim=4)
    dictionary = MotionDictionary(LABELS, torch.eye(4)[:2], moving(2, 60))
    return str(MotionCLIP(sizes, dictionary).save(folder / "motionclip.safetensors"))


def tmr(folder: Path) -> str:
    return str(TMR(TMRConfig(width=32, layers=1, feedforward=48, text_width=24)).save(folder / "tmr.safetensors"))


def hmr(folder: Path) -> str:
    return str(
        HMR(HMRConfig(depths=(1, 1, 1, 1), widths=(8, 8, 16, 16), stem=8, crop_px=64, hidden=32)).save(folder / "w.safetensors")
    )


def hmr2(folder: Path) -> str:
    sizes = HMR2Config(width=80, depth=1, backbone_heads=1, crop_px=64, head_width=16, head_depth=1, heads=2, head_channels=8,
                       feedforward=32)  # fmt: skip
    return str(HMR2(sizes).save(folder / "w.safetensors"))


WEIGHTS: dict[str, Make] = {"motionclip": motionclip, "tmr": tmr, "hmr": hmr, "hmr2": hmr2}


@pytest.fixture(autouse=True)
def same_random_weights():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


# -- the roles of a run -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", priors.names())
def test_priors(name, tmp_path, monkeypatch):
    tokens = torch.randn(2, 5, 24), torch.ones(2, 5, dtype=torch.bool)
    monkeypatch.setattr(TextTokens, "__call__", lambda self, labels: [x[: len(labels)] for x in tokens])  # of DistilBERT
    weights = {"weights": WEIGHTS[name](tmp_path)} if name in WEIGHTS else {}
    prior = build_prior(make_config({"prior": {"name": name, **weights}}))
    assert prior.name == name
    testing.check_prior(prior, LABELS)


# "motion" is made of a file for each clip: tests/estimators/test_motion.py checks it.
@pytest.mark.parametrize("name", sorted({*estimators.names()} - {"motion"}))
def test_estimators(name, tmp_path):
    entry = estimators.entry(name)
    settings = entry.settings(weights=WEIGHTS[name](tmp_path)) if name in WEIGHTS else None
    testing.check_estimator(estimators.create(name, settings))


def smpl_file(folder: Path, gender: str) -> None:
    """A made-up model under SMPL's names."""
    rng, count = np.random.default_rng(0), 6890
    weights, regressor = np.zeros((count, 24)), np.zeros((24, count))
    weights[np.arange(count), rng.integers(0, 24, count)] = 1
    regressor[np.arange(24), rng.integers(0, count, 24)] = 1
    np.savez(
        folder / f"SMPL_{gender.upper()}.npz", v_template=rng.normal(size=(count, 3)) * 0.4, weights=weights,
        shapedirs=rng.normal(size=(count, 3, 10)) * 0.02, posedirs=np.zeros((count, 3, 207)), J_regressor=regressor,
        f=rng.integers(0, count, (100, 3)).astype(np.uint32), kintree_table=np.array([SMPL_PARENTS, range(24)]).astype(np.uint32),
    )  # fmt: skip


@pytest.mark.parametrize("name", bodies.names())
def test_bodies(name, tmp_path):
    if not name.startswith("smpl"):
        testing.check_body(bodies.create(name))
        return
    smpl_file(tmp_path, name.partition("-")[2] or "neutral")
    testing.check_body(load_body(name, folder=tmp_path))


@pytest.mark.parametrize("name", denoisers.names())
def test_denoisers(name):
    made = denoisers.create(name)
    assert (made is None) == (name == "none")
    testing.check_denoiser(made)


@pytest.mark.parametrize("name", updaters.names())
def test_updaters(name):
    testing.check_updater(updaters.bind(name))


@pytest.mark.parametrize("name", terms.names())
def test_losses(name):
    testing.check_loss(terms.bind(name))


@pytest.mark.parametrize("name", refiners.names())
def test_refiners(name):
    testing.check_refiner(refiners.bind(name))


@pytest.mark.parametrize("name", generators.names())
def test_generators(name, tmp_path):
    np.save(tmp_path / "walking.npy", pelvis_frame_positions(moving(1, 20)[0])[:, :22].numpy())
    settings = {"source": str(tmp_path)} if name == "motiongpt" else {}
    testing.check_generator(build_generator(make_config({"generator": {"name": name, **settings}})))


@pytest.mark.parametrize("name", methods.names())
def test_methods(name):
    settings = {"loop.segment_frames": 3, "loop.segment_stride": 3, "loop.learning_rate": 1e-3}
    config = make_config({"method": name, **methods.entry(name).suits, **settings})
    testing.check_method(methods.entry(name).build, config)


#: Those that ask a model are run through the same test against a server of their own in tests/labelers.
ASKING = {"gpt4o", "vlm", "local"}


@pytest.mark.parametrize("name", sorted(set(labelers.names()) - ASKING))
def test_labelers(name, tmp_path):
    (tmp_path / "labels.csv").write_text("video,start,stop,label\nclip,0,20,walking\n")
    video = Video("clip", [], 20, 30.0, (4, 4), labels=(SegmentLabel(0, 20, "walking"),))
    context = LabelContext(LABELS, lambda start, stop: [("running", 0.8)], lambda label: ["running"])
    made = labelers.create(f"file:{tmp_path / 'labels.csv'}" if name == "file" else name)
    testing.check_labeler(made, video, context)


# -- detectors, with their networks replaced ----------------------------------------------------------------------------


def blazepose_fake(patch: pytest.MonkeyPatch) -> Any:
    points = np.random.default_rng(0).uniform(10, 80, (33, 3)) / (1, 1, 100)
    roi = Roi(np.array([40.0, 50.0]), np.array([40.0, 20.0]))
    patch.setattr(BlazePose, "_models", lambda self: (lambda *_: [roi], lambda *_: Pose(points, points, roi)))
    return detectors.create("blazepose")


def rtmpose_fake(patch: pytest.MonkeyPatch) -> Any:
    xy, scores = np.arange(34.0).reshape(1, 17, 2), np.full((1, 17), 1.2)
    model = SimpleNamespace(det_model=lambda picture: np.ones((1, 4)), pose_model=lambda picture, bboxes: (xy, scores))
    patch.setattr(RTMPose, "_load", lambda self: model)
    return detectors.create("rtmpose")


class _Batch(dict):
    def to(self, device):
        return self


def vitpose_fake(patch: pytest.MonkeyPatch) -> Any:
    def finder(frame, **_):
        return _Batch()

    def prepare(frame, boxes, return_tensors):
        return _Batch()

    boxes = {"boxes": torch.tensor([[5.0, 5, 60, 80]]), "labels": torch.tensor([vitpose.PERSON])}
    pose = {"keypoints": torch.arange(34.0).view(17, 2), "scores": torch.full((17,), 1.3)}
    find = SimpleNamespace(post_process_object_detection=lambda *a, **k: [boxes])
    place = SimpleNamespace(post_process_pose_estimation=lambda *a, **k: [[pose]])

    def load(self, source, kind):
        return (_Called(finder, find), lambda **_: None) if "Object" in kind else (_Called(prepare, place), lambda **_: None)

    patch.setattr(ViTPose, "_load", load)
    return detectors.create("vitpose")


class _Called:
    """An image processor: called on a picture, and asked for what it found."""

    def __init__(self, call, found) -> None:
        self.call, self.found = call, found

    def __call__(self, *arguments, **options):
        return self.call(*arguments, **options)

    def __getattr__(self, name):
        return getattr(self.found, name)


FAKES = {blazepose: blazepose_fake, rtmpose: rtmpose_fake, vitpose: vitpose_fake}


@pytest.mark.parametrize("name", detectors.names())
def test_detectors(name, monkeypatch):
    make = next(fake for module, fake in FAKES.items() if module.__name__.endswith(name))
    testing.check_detector(make(monkeypatch), list(ArrayFrames(np.zeros((3, 90, 120, 3), np.uint8))))


# -- datasets and exporters ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("split", ["val", "test"])
def test_the_included_dataset(split):
    testing.check_dataset(open_dataset("synthwild", split=split))


@pytest.mark.parametrize("name", sorted(set(datasets.names()) - {"synthwild", "folder"}))
def test_other_datasets_say_where_to_get_them(name, tmp_path):
    """Their conformance is tested on miniatures of their files in tests/datasets."""
    with pytest.raises(SemttaError) as error:
        open_dataset(name, tmp_path)
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize("name", exporters.names())
def test_exporters(name, make_result, tmp_path):
    for module in {"fbx": ["bpy"], "usd": ["pxr"]}.get(name, []):
        pytest.importorskip(module)
    testing.check_exporter(exporters.entry(name).build, make_result(frames=4), tmp_path / f"motion.{name}")


# -- what all of them have ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("role", "name"), [(role, name) for role, registry in registries().items() for name in registry.names()])
def test_every_part_says_what_it_is_and_describes_its_settings(role, name):
    entry = registries()[role].entry(name)
    assert entry.summary
    for field, info in entry.settings.model_fields.items():
        assert info.description, f"{role} {name}: {field} has no description."
    entry.settings()  # every setting has a default


def test_the_denoiser_of_the_loop_is_the_one_that_is_checked():
    assert isinstance(denoisers.create("mdnet"), MDNet)
