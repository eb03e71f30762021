"""Joint sets by name, and constant tables as tensors."""

from .joint_sets import *  # noqa: F403
from .tensors import table
