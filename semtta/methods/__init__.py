"""Methods: how a clip is adapted to."""

from .base import Method, OnEpoch, RunState, methods, register
from .problem import Outcome, Problem, Roles
