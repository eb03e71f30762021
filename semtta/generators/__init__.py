"""Generators: label -> motion."""

from .base import Generator, generators, register
from .included import DecoderGenerator, ExemplarGenerator
from .motiongpt import MotionGPTGenerator

__all__ = ["DecoderGenerator", "ExemplarGenerator", "Generator", "MotionGPTGenerator", "generators", "register"]
