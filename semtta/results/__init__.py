"""The files of a run."""

from .files import SCHEMA_VERSION, AdaptResult, find, load, motion_arrays, save
