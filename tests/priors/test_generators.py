import torch

from semtta.generators import DecoderGenerator, ExemplarGenerator, generators
from semtta.geometry import axis_angle_to_matrix
from semtta.priors import MotionCLIP, MotionCLIPConfig, MotionDictionary


def test_generators_make_motion_of_the_length_asked_for():
    exemplars = axis_angle_to_matrix(torch.randn(2, 60, 24, 3))
    dictionary = MotionDictionary(("walking", "bowing"), torch.eye(4)[:2], exemplars)
    prior = MotionCLIP(MotionCLIPConfig(width=16, layers=1, heads=2, feedforward=16, text_dim=4), dictionary)
    for generator in (ExemplarGenerator(dictionary), DecoderGenerator(prior)):
        made = generator.generate("bowing", 70)
        assert made.shape == (70, 24, 3, 3)
        assert not made.requires_grad
    assert {"exemplar", "decoder"} <= set(generators.names())
