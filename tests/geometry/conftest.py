"""Numbers for the tests of geometry: every type and batch shape, on the CPU and on a pretended accelerator.

A pretended accelerator changes torch for its whole process. So test_pretended_device.py starts the tests of this folder
that take ``device`` or ``waits`` once more in a process of its own, where ON_PRETENDED is set.
"""

from __future__ import annotations

import math
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

ON_PRETENDED = bool(os.environ.get("SEMTTA_TEST_ON_PRETENDED"))

if ON_PRETENDED:
    sys.path.insert(0, str(Path(__file__).parents[1] / "devices"))
    import pretended

    _mode = pretended.install()
else:
    _mode = nullcontext()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = [item for item in items if Path(__file__).parent in item.path.parents]
    unwanted = {item for item in here if ON_PRETENDED and not {"device", "waits"} & set(item.fixturenames)}
    unwanted |= {item for item in here if not ON_PRETENDED and "waits" in item.fixturenames}
    items[:] = [item for item in items if item not in unwanted]


@pytest.fixture
def device() -> Iterator[torch.device]:
    with _mode:
        yield torch.device("pretended" if ON_PRETENDED else "cpu")


@pytest.fixture
def waits() -> Counter[str]:
    """How often the host waited for the device, by the line of semtta that asked."""
    return pretended.waits


@pytest.fixture(params=[torch.float32, torch.float64], ids=["float32", "float64"])
def dtype(request: pytest.FixtureRequest) -> torch.dtype:
    return request.param


@pytest.fixture(params=[(), (3,), (2, 5)], ids=["single", "3", "2x5"])
def batch(request: pytest.FixtureRequest) -> tuple[int, ...]:
    return request.param


@pytest.fixture
def random(device: torch.device, dtype: torch.dtype, batch: tuple[int, ...]) -> Callable[..., torch.Tensor]:
    """``random(*shape)``: normal numbers [*batch, *shape] of the test's type, on its device."""
    generator = np.random.default_rng(0)

    def make(*shape: int) -> torch.Tensor:
        return torch.from_numpy(generator.standard_normal((*batch, *shape))).to(device, dtype)

    return make


@pytest.fixture
def rotations(device: torch.device, dtype: torch.dtype, batch: tuple[int, ...]) -> Callable[..., torch.Tensor]:
    """``rotations(*shape)``: scipy's random matrices [*batch, *shape, 3, 3] of the test's type, on its device."""
    generator = np.random.default_rng(1)

    def make(*shape: int) -> torch.Tensor:
        matrices = Rotation.random(math.prod((*batch, *shape)), generator).as_matrix()
        return torch.from_numpy(matrices.reshape(*batch, *shape, 3, 3)).to(device, dtype)

    return make


@pytest.fixture
def close(dtype: torch.dtype) -> Callable[..., None]:
    """``close(a, b, scale=1)``: equal to the type's precision times the size of the numbers; type and device too."""
    precision = {torch.float32: 5e-6, torch.float64: 1e-12}[dtype]

    def check(a: torch.Tensor, b: torch.Tensor, scale: float = 1.0) -> None:
        assert a.dtype == b.dtype
        assert a.device.type == b.device.type
        torch.testing.assert_close(a.detach().cpu(), b.detach().cpu(), atol=precision * scale, rtol=0)

    return check
