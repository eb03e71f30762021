"""A dataset, estimator, prior, labeler and method from outside, installed for this process and for the ones it starts."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from semtta.experiments.study import Study, make_study

collect_ignore = ["outside_semtta.py"]


@pytest.fixture
def outside(tmp_path, monkeypatch) -> Path:
    """The folder of the dataset ``pieces``; the package that has it is found by its entry points."""
    installed, root = tmp_path / "site", tmp_path / "pieces"
    info = installed / "outside_semtta-1.0.dist-info"
    info.mkdir(parents=True)
    root.mkdir()
    source = Path(__file__).with_name("outside_semtta.py")
    shutil.copy(source, installed)
    sys.modules.pop("outside_semtta", None)
    sys.path_importer_cache.clear()
    monkeypatch.syspath_prepend(str(installed))
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: outside-semtta\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(source.read_text().split('ENTRY_POINTS = """')[1].split('"""')[0])
    paths = [str(installed), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))
    return root


@pytest.fixture
def make_small(outside) -> Callable[..., Study]:
    """``make_small(**changes)``: CycleAdapt and the method, one epoch on three short clips, and every kind of view."""

    def make(**changes: Any) -> Study:
        values = {
            "name": "small", "title": "A small study", "dataset": "pieces", "root": str(outside),
            "settings": {"estimator": "outside-tiny", "denoiser": "none", "device": "cpu"},
            "rows": [
                {"name": "cycleadapt", "preset": "cycleadapt"},
                {"name": "semantic", "settings": {"prior": "outside-prior", "prior.sigma": -1.0}},
            ],
            "views": {
                "methods": {"table": "errors", "title": "Methods", "baseline": "cycleadapt"},
                "runtime": {"table": "runtime", "title": "Runtime", "baseline": "cycleadapt"},
                "gain": {"table": "gain", "title": "Gain", "baseline": "cycleadapt", "rows": ["semantic"]},
                "fill-in": {"table": "fill_in", "title": "Filled in", "rows": ["semantic"]},
            },
        }  # fmt: skip
        return make_study({**values, **changes})

    return make


@pytest.fixture
def study(make_small) -> Study:
    """The small study as it is."""
    return make_small()
