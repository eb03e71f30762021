"""The files of a run."""

from .files import FILES, MOTION, SCHEMA_VERSION, AdaptResult, motion_arrays, save
from .finding import find, find_all
from .people import load_all, save_people
from .reading import load
