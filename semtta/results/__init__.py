"""The files of a run."""

from .files import FILES, MOTION, SCHEMA_VERSION, AdaptResult, motion_arrays, save
from .reading import find, load
