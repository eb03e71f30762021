"""The conformance tests let a right part pass and say in one sentence what is wrong with a wrong one."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from semtta import testing
from semtta.body import Body, OpenBody
from semtta.denoisers import MDNet
from semtta.estimators import HMR
from semtta.export import exporters
from semtta.labelers import Labeler
from semtta.methods import methods
from semtta.priors import MotionTextPrior
from semtta.refine.floor import FloorSettings, floor
from semtta.testing import adaptation
from semtta.types import Evidence, Keypoints2D, SegmentLabel, Video


def refuses(check, part, message: str, *arguments) -> None:
    with pytest.raises(AssertionError, match=message):
        check(part, *arguments)


# -- priors, estimators, bodies, denoisers ------------------------------------------------------------------------------


class Plain(MotionTextPrior):
    """Passes."""

    name = "plain"

    def encode_motion(self, motion):
        return motion.rotations[:, :, 1:].flatten(2).mean(1)

    def encode_text(self, labels):
        return torch.ones(len(labels), 23 * 9)


@pytest.mark.parametrize(
    ("message", "change"),
    [
        ("no gradient", {"encode_motion": lambda self, motion: Plain.encode_motion(self, motion).detach()}),
        (r"not \[2\]", {"similarity": lambda self, motion, labels: torch.zeros(1)}),
        ("must be at most 1", {"similarity": lambda self, motion, labels: torch.full((2,), 7.0)}),
        ("not finite", {"loss": lambda self, motion, labels: torch.full((2,), float("nan"))}),
        ("hidden joints no gradient",
         {"loss": lambda self, motion, labels: (motion.rotations * motion.visible[..., None, None]).square().mean((1, 2, 3, 4))}),
        ("takes none of", {"resolve": lambda self, label: SimpleNamespace(label=None)}),
    ],
)  # fmt: skip
def test_check_prior(message, change):
    testing.check_prior(Plain())
    refuses(testing.check_prior, type("Wrong", (Plain,), change)(), message)


class Network(HMR):
    """A tiny network whose prediction ``change`` spoils."""

    def __init__(self, change=lambda prediction, batch: prediction) -> None:
        torch.manual_seed(0)
        super().__init__(adaptation._tiny_roles().estimator.config)
        nn.init.normal_(self.decpose.weight, std=0.05)
        self.change = change

    def forward(self, batch):
        return self.change(super().forward(batch), batch)


@pytest.mark.parametrize(
    ("message", "change"),
    [
        ("orthonormal", lambda p, b: replace(p, rotations=1.1 * p.rotations)),
        ("mirror", lambda p, b: replace(p, rotations=-p.rotations)),
        ("betas is", lambda p, b: replace(p, betas=p.betas[:, :5])),
        ("two passes", lambda p, b: replace(p, camera=p.camera + torch.rand(1))),
        ("depends on the others", lambda p, b: replace(p, rotations=p.rotations.mean(0, keepdim=True).expand_as(p.rotations))),
        ("other weights give", lambda p, b: replace(p, rotations=torch.eye(3).expand_as(p.rotations))),
    ],
)
def test_check_estimator(message, change):
    testing.check_estimator(Network())
    refuses(testing.check_estimator, Network(change), message)


class Odd(OpenBody):
    """A body of which one method is wrong."""


@pytest.mark.parametrize(
    ("message", "method", "wrong"),
    [
        (r"joints are \[2, 23, 3\]", "joints", lambda self, r, b, t=None: Body.joints(self, r, b, t)[:, :23]),
        ("about joint 0", "joints", lambda self, r, b, t=None: Body.joints(self, r * torch.eye(24)[0][:, None, None], b, t) ** 2),
        ("translation must move", "joints", lambda self, r, b, t=None: Body.joints(self, r, b)),
        ("num_vertices", "vertices", lambda self, r, b, t=None: Body.vertices(self, r, b)[:, 1:]),
    ],
)
def test_check_body(message, method, wrong, monkeypatch):
    testing.check_body(Odd())
    monkeypatch.setattr(Odd, method, wrong)
    refuses(testing.check_body, Odd(), message)


@pytest.mark.parametrize(
    ("message", "forward"),
    [
        ("the same shape", lambda self, x: MDNet.forward(self, x)[:, :48]),
        ("not finite", lambda self, x: MDNet.forward(self, x) / 0),
        ("differentiable in its weights", lambda self, x: x),
        ("others of its batch", lambda self, x: MDNet.forward(self, x) + x.mean()),
    ],
)
def test_check_denoiser(message, forward):
    testing.check_denoiser(MDNet())
    refuses(testing.check_denoiser, type("Wrong", (MDNet,), {"forward": forward})(), message)


# -- updaters, generators, losses ---------------------------------------------------------------------------------------


def in_place(context):
    context.before.points[:] = 0
    return context.current


@pytest.mark.parametrize(
    ("message", "updater"),
    [
        ("not change its input", in_place),
        ("points are", lambda c: Evidence(c.predicted[:, :24], c.current.present)),
        ("boolean", lambda c: Evidence(c.predicted, c.current.present.float())),
        ("not finite", lambda c: Evidence(c.predicted / 0, c.current.present)),
    ],
)
def test_check_updater(message, updater):
    testing.check_updater(lambda context: Evidence(context.predicted, ~context.current.present))
    refuses(testing.check_updater, updater, message)


def generator(make, labels=("rest",)):
    return SimpleNamespace(labels=labels, generate=lambda label, frames: make(frames))


def test_check_generator():
    testing.check_generator(generator(lambda n: torch.eye(3).expand(n, 24, 3, 3)))
    testing.check_generator(generator(lambda n: torch.eye(3).expand(n, 24, 3, 3), ()), "any wording")
    refuses(testing.check_generator, generator(lambda n: torch.eye(3).expand(9, 24, 3, 3)), "1 frames are")
    refuses(testing.check_generator, generator(lambda n: torch.ones(n, 24, 3, 3)), "orthonormal")
    refuses(testing.check_generator, generator(lambda n: -torch.eye(3).expand(n, 24, 3, 3)), "mirror")
    refuses(testing.check_generator, generator(lambda n: torch.eye(3).expand(n, 24, 3, 3), ()), "give check_generator a label")


@pytest.mark.parametrize(
    ("message", "term"),
    [
        ("not one per frame", lambda c: c.prediction.betas.sum()),
        ("no gradient", lambda c: c.prediction.betas.detach().sum(1)),
        ("evidence that is not present may be NaN",
         lambda c: ((c.projected - c.evidence.points) * c.evidence.present[..., None]).abs().mean((1, 2))),
        ("gradient is not finite", lambda c: c.prediction.betas.norm(dim=1).sqrt()),
        ("neither at a usual step", lambda c: None),
    ],
)  # fmt: skip
def test_check_loss(message, term):
    testing.check_loss(lambda context: context.prediction.betas.square().sum(1))
    testing.check_loss(lambda context: None if context.motion is None else context.prior.loss(context.motion, context.labels))
    refuses(testing.check_loss, term, message)


# -- labelers, detectors, exporters -------------------------------------------------------------------------------------


class Says(Labeler):
    """Labels as a function of the spans."""

    def __init__(self, say) -> None:
        self.say = say

    def label(self, video, spans, context):
        return self.say(spans)


def test_check_labeler():
    video = Video("v", [np.zeros((4, 4, 3), np.uint8)] * 9, 9, 30.0, (4, 4))
    testing.check_labeler(Says(lambda spans: [SegmentLabel(a, b, "walking") for a, b in spans]), video)
    refuses(testing.check_labeler, Says(lambda spans: []), "one SegmentLabel for each span", video)
    refuses(testing.check_labeler, Says(lambda spans: [SegmentLabel(a, b, " ") for a, b in spans]), "must be None", video)


class Sees:
    """A detector of one person whose keypoints ``change`` spoils."""

    def __init__(self, change=lambda xy, confidence: (xy, confidence), joint_set="coco17", reads=1) -> None:
        self.change, self.joint_set, self.reads = change, joint_set, reads

    def detect(self, frames, size):
        count = max(sum(1 for _ in frames) for _ in range(self.reads))
        xy, confidence = self.change(torch.ones(count, 17, 2), torch.full((count, 17), 0.5))
        return [Keypoints2D(xy, confidence, self.joint_set)]


@pytest.mark.parametrize(
    ("message", "detector"),
    [
        ("reads the frames 2 times", Sees(reads=2)),
        ("joint set 'coco' is none of", Sees(joint_set="coco")),
        ("xy is", Sees(lambda xy, c: (xy[:2], c[:2]))),
        ("confidence is not in", Sees(lambda xy, c: (xy, 3 * c))),
        ("not finite", Sees(lambda xy, c: (xy * torch.nan, c))),
        ("without a keypoint", Sees(lambda xy, c: (xy, 0 * c))),
    ],
)
def test_check_detector(message, detector):
    testing.check_detector(Sees())
    refuses(testing.check_detector, detector, message)


def test_check_detector_wants_people_where_there_are_some():
    nobody = SimpleNamespace(detect=lambda frames, size: [])
    testing.check_detector(nobody)  # in noise
    refuses(testing.check_detector, nobody, "finds nobody", [np.zeros((4, 4, 3), np.uint8)])


def test_check_exporter(make_result, tmp_path):
    result = make_result(frames=3)
    right = exporters.entry("csv").build

    def changes(result, path, up):
        result.params.rotations[0] = 0
        path.write_text("something")

    testing.check_exporter(right, result, tmp_path / "x.csv")
    refuses(testing.check_exporter, lambda result, path, up: None, "is empty", result, tmp_path / "x.csv")
    refuses(testing.check_exporter, lambda result, path, up: path.unlink(), "nothing is at", result, tmp_path / "x.csv")
    refuses(testing.check_exporter, changes, "must not change the result", result, tmp_path / "x.csv")


# -- methods ------------------------------------------------------------------------------------------------------------


def semantic(problem, roles, config, before, on_epoch=None, resume=None, change=lambda outcome: outcome, keep_seed=True):
    if not keep_seed:
        config = config.changed({"seed": int(torch.randint(100, ())) if resume is None else 999})
    return change(methods.entry("semantic").build(problem, roles, config, before, on_epoch, resume))


def in_the_callers(problem, roles, config, before, on_epoch=None, resume=None):
    with torch.no_grad():
        roles.estimator.decpose.bias += 1
    return semantic(problem, roles, config, before, on_epoch, resume)


@pytest.mark.parametrize(
    ("message", "method"),
    [
        ("adapt a copy", in_the_callers),
        ("every parameter", partial(semantic, change=lambda o: replace(o, weights={}))),
        ("similarity is", partial(semantic, change=lambda o: replace(o, similarity=o.similarity[:2]))),
        ("has not 5 frames", partial(semantic, change=lambda o: replace(o, after=o.after[:4]))),
        ("before must be", partial(semantic, change=lambda o: replace(o, before=o.after))),
        ("history disagree", partial(semantic, change=lambda o: replace(o, history=o.history[:1]))),
        ("resumed run gives another", partial(semantic, keep_seed=False)),
        ("mirror", partial(semantic, change=lambda o: replace(o, after=replace(o.after, rotations=-o.after.rotations)))),
    ],
)  # fmt: skip
def test_check_method(message, method):
    testing.check_method(semantic)
    refuses(testing.check_method, method, message)


def test_check_dataset():
    video = Video("a", [np.zeros((4, 4, 3), np.uint8)] * 3, 3, 30.0, (4, 4))

    def dataset(tracks=("a", "b"), **changes):
        return SimpleNamespace(name="d", tracks=lambda: list(tracks), check=list, load=lambda name: replace(video, **changes))

    testing.check_dataset(dataset())
    refuses(testing.check_dataset, dataset(()), "has no tracks")
    refuses(testing.check_dataset, dataset(("b", "a")), "sorted")
    refuses(testing.check_dataset, dataset(name="other"), "a video called 'other'")
    refuses(testing.check_dataset, dataset(num_frames=4), "says 4 frames and has 3")
    refuses(testing.check_dataset, dataset(boxes=torch.ones(2, 3)), "boxes are 2 for 3 frames")


# -- refiners -----------------------------------------------------------------------------------------------------------


def _with_params(result, **changes):
    return replace(result, params=replace(result.params, **changes))


@pytest.mark.parametrize(
    ("message", "refiner"),
    [
        ("empty list", lambda results, body: None),
        ("in order", lambda results, body: list(results)[::-1]),
        ("frames must stay", lambda results, body: [replace(r, frame_index=r.frame_index + 1) for r in results]),
        ("go with params", lambda results, body: [_with_params(r, translation=r.params.translation + 1) for r in results]),
        ("must be a translation", lambda results, body: [_with_params(r, translation=None) for r in results]),
        ("orthonormal", lambda results, body: [_with_params(r, rotations=2 * r.params.rotations) for r in results]),
        ("seen by world.camera", lambda results, body: [_lifted(r) for r in floor(results, body, FloorSettings())]),
        ("contacts are", lambda results, body: [_lifted(r, 0, 3) for r in floor(results, body, FloorSettings())]),
        ("contacts must be", lambda results, body: [_lifted(r, 0, 4) for r in floor(results, body, FloorSettings())]),
    ],
)
def test_check_refiner(message, refiner):
    refuses(testing.check_refiner, refiner, message)


def _lifted(result, height=0.1, contacts=None):
    """A world in which the joints float, or with other contacts."""
    world = result.world
    if contacts is not None:
        return replace(result, world=replace(world, contacts=torch.full((len(world.joints), contacts), 2.0)))
    return replace(result, world=replace(world, joints=world.joints + height))


def test_check_refiner_sees_a_changed_input():
    def changes(results, body):
        for result in results:
            result.joints[0] = 0
        return list(results)

    refuses(testing.check_refiner, changes, "must not change")
