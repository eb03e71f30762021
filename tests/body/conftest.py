from __future__ import annotations

import numpy as np
import pytest
import torch
from body_models import random_model

from semtta.body import Body, OpenBody


@pytest.fixture(scope="session")
def smpl_arrays() -> dict[str, np.ndarray]:
    return random_model(6890)


@pytest.fixture(scope="session")
def open_body() -> OpenBody:
    return OpenBody(dtype=torch.float64)


@pytest.fixture(scope="session")
def posed_blend_body() -> Body:
    """A small body with pose blend shapes."""
    arrays = random_model(200)
    return Body(
        "small",
        arrays["v_template"],
        arrays["shapedirs"],
        arrays["f"].astype(np.int64),
        arrays["weights"],
        arrays["J_regressor"],
        posedirs=arrays["posedirs"],
        regressors={"coco17": np.random.default_rng(3).dirichlet(np.ones(200), 17)},
        dtype=torch.float64,
    )
