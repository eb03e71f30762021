"""Numbers for the tests of geometry: every type and batch shape, on the CPU and on a pretended accelerator.

A pretended accelerator changes torch for its whole process. So test_pretended_device.py starts the tests of this folder
that take ``device`` or ``waits`` once more in a process of its own, where ON_PRETENDED is set.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch

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
    """``random(*shape, scale=1)``: normal numbers [*batch, *shape] of the test's type, on its device."""
    generator = torch.Generator().manual_seed(0)

    def make(*shape: int, scale: float = 1.0) -> torch.Tensor:
        with torch.device("cpu"):
            numbers = scale * torch.randn(*batch, *shape, generator=generator, dtype=torch.float64)
        made = numbers.to(device, dtype)
        assert made.device.type == device.type
        return made

    return make


@pytest.fixture
def rotations(random: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
    """``rotations(*shape)``: matrices [*batch, *shape, 3, 3] of all angles, made without semtta."""

    def make(*shape: int) -> torch.Tensor:
        q = torch.nn.functional.normalize(random(*shape, 4), dim=-1)
        cross = torch.stack([torch.stack([q[..., 0] * 0, -q[..., 2], q[..., 1]], -1),
                             torch.stack([q[..., 2], q[..., 0] * 0, -q[..., 0]], -1),
                             torch.stack([-q[..., 1], q[..., 0], q[..., 0] * 0], -1)], -2)  # fmt: skip
        eye = torch.eye(3, dtype=q.dtype, device=q.device)
        return eye + 2 * q[..., 3, None, None] * cross + 2 * cross @ cross

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
