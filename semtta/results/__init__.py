"""The files of a run."""

from .files import SCHEMA_VERSION, find, load, motion_arrays, save
