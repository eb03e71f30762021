"""Generators: label -> motion."""

from .base import Generator, generators, register
from .included import DecoderGenerator, ExemplarGenerator

__all__ = ["DecoderGenerator", "ExemplarGenerator", "Generator", "generators", "register"]
