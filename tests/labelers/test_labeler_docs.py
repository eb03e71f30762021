"""The labeler of docs/labelers.md, as it stands there."""

from __future__ import annotations

from pathlib import Path

import pytest
from vlm_clips import clip

from semtta.labelers import labelers
from semtta.testing import check_labeler

PAGE = Path(__file__).parents[2] / "docs" / "labelers.md"


@pytest.mark.skipif(not PAGE.exists(), reason="the documentation is not here")
def test_the_labeler_of_the_documentation_works():
    source = PAGE.read_text().split("```python\n")[1].split("```")[0]
    assert len([line for line in source.splitlines() if line.strip()]) <= 15
    exec(compile(source, "my_labeler.py", "exec"), {"__name__": "my_labeler"})
    try:
        video = clip(["walking", "jumping"])
        labeler = labelers.create("brightness")
        check_labeler(labeler, video)
        assert {item.label for item in labeler.label(video, [(0, 4), (4, 8)], None)} <= {"walking", "sleeping"}
    finally:
        labelers._entries.pop("brightness")
