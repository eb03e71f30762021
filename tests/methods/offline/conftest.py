"""The parts of the offline loop's tests."""

from __future__ import annotations

import pytest
import torch
from small_clip import TINY, TinyPrior
from torch import nn

from semtta.body import load
from semtta.denoisers import MDNet
from semtta.estimators import HMR
from semtta.methods import Roles


@pytest.fixture(scope="session")
def roles() -> Roles:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        estimator = HMR(TINY)
        nn.init.normal_(estimator.decpose.weight, std=0.01)
        return Roles(estimator, load("open"), MDNet(), TinyPrior())
