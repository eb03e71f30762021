"""DynaBOA's stopping rule and its retrieval."""

import numpy as np
import pytest
import torch
from online_settings import settings

from semtta.errors import SemttaError
from semtta.methods.online.boa import BOA
from semtta.methods.online.dynaboa import DynaBOA, changed
from semtta.methods.online.source import SourceRetrieval, load_source, spherical_kmeans


def test_change_is_the_cosine_distance():
    assert changed(torch.tensor([[3.0, 4.0]]), torch.tensor([[4.0, 3.0]])) == pytest.approx(1 - 24 / 25)
    assert changed(torch.tensor([[3.0, 4.0]]), torch.tensor([[30.0, 40.0]])) == pytest.approx(0, abs=1e-12)


class Scripted(DynaBOA):
    """Features turn by the given angles (radians) from one look to the next."""

    angles: tuple[float, ...] = ()

    def feature(self, weights, batch, name):
        angle = torch.tensor(sum(self.angles[: self.looks]))
        self.looks += 1
        return torch.stack((angle.cos(), angle.sin()))[None]


@pytest.mark.parametrize(
    ("angles", "updates"),
    [
        ((0.02,), 1),  # 1 - cos 0.02 = 2.0e-4, below 3.1e-4: the first update was enough
        ((0.03, 0.02), 2),  # 4.5e-4, then 2.0e-4
        ((0.03, 0.03, 0.03, 0.0), 4),
        ((0.1,) * 20, 8),  # never settles: 1 + 7
    ],
)
def test_updates_go_on_until_the_feature_settles(angles, updates, make_problem, roles, before):
    problem = make_problem(1)
    method = Scripted(problem, roles, settings("dynaboa"))
    method.angles, method.looks = angles, 0
    state = method.start(before(problem))
    method.adapt(state, 0)
    assert state.steps == updates


def test_gradient_is_of_first_order(make_problem, roles, before):
    """The first step is Adam's with the upper level's gradient at the probed weights."""
    problem = make_problem(1)
    method = DynaBOA(problem, roles, settings("dynaboa", max_updates=0))
    state, other = method.start(before(problem)), method.start(before(problem))
    probed = method.probe(state.weights, 0, None)
    leaves = {name: value.clone().requires_grad_() for name, value in probed.items()}
    method.upper(leaves, state, 0, None)[0].backward()
    method.adapt(state, 0)
    method.step(other, {name: value.grad for name, value in leaves.items()})
    for name, value in state.weights.items():
        torch.testing.assert_close(value, other.weights[name], atol=1e-6, rtol=1e-4)


def shard(folder, count=6, size=32):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (count, 3, size, size), dtype=np.uint8)
    np.save(folder / "00000.images.npy", images)
    label = {
        "rotations": 0.1 * rng.normal(size=(count, 24, 3)), "betas": np.zeros((count, 10)),
        "joints3d": rng.normal(size=(count, 29, 3)), "joints2d": 224 * rng.random((count, 29, 2)),
    }  # fmt: skip
    np.savez(folder / "00000.npz", **{key: value.astype(np.float32) for key, value in label.items()})
    return images


def test_source_images_are_read(tmp_path):
    images = shard(tmp_path)
    source = load_source(tmp_path, 32, limit=4)
    assert len(source) == 4
    assert torch.equal(source.crops, torch.from_numpy(images[:4]))
    assert source.rotations.shape == (4, 24, 3, 3)
    assert source.points.abs().max() <= 1
    with pytest.raises(SemttaError, match="--size 48"):
        load_source(tmp_path, 48)
    with pytest.raises(SemttaError, match="No labelled images"):
        load_source(tmp_path / "none", 32)
    (tmp_path / "00000.npz").write_text("damaged")
    with pytest.raises(SemttaError, match="damaged"):
        load_source(tmp_path, 32)


@pytest.mark.parametrize("kind", [BOA, DynaBOA])
def test_labelled_images_are_trained_on(kind, tmp_path, make_problem, roles, before):
    shard(tmp_path)
    problem = make_problem(1)
    name = "boa" if kind is BOA else "dynaboa"
    method = kind(problem, roles, settings(name, source_images=str(tmp_path), source_clusters=3))
    state = method.start(before(problem))
    assert method.adapt(state, 0)["source"] > 0
    bare = kind(problem, roles, settings(name))
    assert "source" not in bare.adapt(bare.start(before(problem)), 0)


def test_retrieval_takes_an_image_of_the_nearest_cluster(tmp_path):
    features = torch.tensor([[1.0, 0.0], [2.0, 0.1], [0.0, 1.0], [0.1, 3.0], [-1.0, 0.0], [-2.0, -0.1]])
    centres, member = spherical_kmeans(features, 3, seed=0)
    torch.testing.assert_close(centres.norm(dim=1), torch.ones(len(centres)))
    shard(tmp_path)
    look_up = SourceRetrieval(load_source(tmp_path, 32), lambda batch: features, 6, seed=0)
    assert len(look_up.centres) >= 3
    assert {look_up(torch.tensor([5.0, 0.2])) for _ in range(20)} <= {0, 1}
    assert {look_up(torch.tensor([-1.0, 0.0])) for _ in range(20)} <= {4, 5}
    assert member.max() < len(centres)


def test_an_estimator_without_features_is_refused(make_problem, roles, before):
    from semtta.types import Prediction

    class Bare(type(roles.estimator)):
        def forward(self, batch):
            return Prediction(*super().forward(batch).tensors())

    from dataclasses import replace

    bare = Bare(roles.estimator.config)
    bare.name = "bare"
    problem = make_problem(1)
    method = DynaBOA(problem, replace(roles, estimator=bare), settings("dynaboa"))
    with pytest.raises(SemttaError, match="needs the feature 'fc1', which estimator 'bare' does not give"):
        method.adapt(method.start(before(problem)), 0)
