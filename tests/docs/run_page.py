"""Run the Python of pages as a reader would: ``python run_page.py PAGE...`` in a folder that holds the clip they speak of.

Blocks of a page run one after the other in one namespace. One that begins with ``# name.py`` is a file of that name, which
the others may import. Every preset is made tiny: one epoch of one step.
"""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from pathlib import Path

TINY = {"loop.epochs": 1, "loop.min_steps": 1, "loop.segment_stride": 60, "device": "cpu"}


def blocks(page: Path) -> list[tuple[int, str]]:
    """(line of the page, source) of its Python blocks."""
    text = page.read_text(encoding="utf-8")
    found = re.finditer(r"^```python\n(.*?)^```", text, re.M | re.S)
    return [(text.count("\n", 0, match.start(1)), match[1]) for match in found]


def make_presets_tiny() -> None:
    """Settings of the presets stand above what suits the parts, and below what a page sets."""
    from semtta.settings import PRESETS

    for name, preset in PRESETS.items():
        PRESETS[name] = replace(preset, values={**preset.values, **TINY}, methods={})


def run(page: Path) -> None:
    """Run a page's blocks; a traceback has the page's own lines."""
    names: dict[str, object] = {"__name__": "page"}
    for line, source in blocks(page):
        file = re.match(r"# (\w+\.py)\n", source)
        if file:
            Path(file[1]).write_text(source, encoding="utf-8")
        else:
            exec(compile("\n" * line + source, str(page), "exec"), names)


if __name__ == "__main__":
    sys.path.insert(0, "")
    make_presets_tiny()
    for argument in sys.argv[1:]:
        run(Path(argument))
