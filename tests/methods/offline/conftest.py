"""The parts of the offline loop's tests."""

from __future__ import annotations

import pytest
import torch
from short_clips import tiny_hmr
from small_clip import TinyPrior

from semtta.body import load
from semtta.denoisers import MDNet
from semtta.methods import Roles


@pytest.fixture(scope="session")
def roles() -> Roles:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Roles(tiny_hmr(), load("open"), MDNet(), TinyPrior())
