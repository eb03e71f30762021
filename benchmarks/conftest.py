"""What the benchmarks share: the included clip, ready for the loop. Run with: pytest benchmarks --benchmark-only"""

from __future__ import annotations

import pytest

from semtta.diagnostics.stages import Case, Epoch


@pytest.fixture(scope="session")
def epoch() -> Epoch:
    """One epoch of preset ``best`` with the included network, and its network's own passes."""
    return Epoch(Case.make("open", device="cpu", preset="best"))
