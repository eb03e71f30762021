"""Joint sets by name, and constant tables as tensors."""

from .joint_sets import *  # noqa: F403
from .pairing import paired_by_name
from .tensors import table
