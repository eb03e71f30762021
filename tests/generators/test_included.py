import pytest
import torch

from semtta.errors import SemttaError
from semtta.generators import DecoderGenerator, ExemplarGenerator, generators
from semtta.geometry import axis_angle_to_matrix
from semtta.priors import MotionCLIP, MotionCLIPConfig, MotionDictionary

SMALL = MotionCLIPConfig(width=16, layers=1, heads=2, feedforward=16, text_dim=4)


def dictionary() -> MotionDictionary:
    return MotionDictionary(("walking", "bowing"), torch.eye(4)[:2], axis_angle_to_matrix(torch.randn(2, 60, 24, 3)))


def test_generators_make_motion_of_the_length_asked_for():
    prior = MotionCLIP(SMALL, dictionary())
    for generator in (ExemplarGenerator(prior.dictionary), DecoderGenerator(prior)):
        made = generator.generate("bowing", 70)
        assert made.shape == (70, 24, 3, 3)
        assert not made.requires_grad
        assert generator.labels == ("walking", "bowing")
    assert {"exemplar", "decoder", "motiongpt"} <= set(generators.names())


def test_what_a_prior_lacks_is_said():
    from dataclasses import replace

    bare = MotionCLIP(replace(SMALL, decoder=False), replace(dictionary(), exemplars=None), name="bare")
    with pytest.raises(SemttaError, match="'bare' has no dictionary"):
        generators.create("exemplar", prior=bare)
    with pytest.raises(SemttaError, match="'bare' has no decoder"):
        generators.create("decoder", prior=bare)
