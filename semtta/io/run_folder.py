"""The folder of a run."""

from __future__ import annotations

import os
import re
from pathlib import Path


def clip_folder(folder: str | os.PathLike[str], name: str) -> Path:
    """``folder/<clip>``, where a clip's files go: its name, with ``_`` for what no file name can hold."""
    return Path(folder) / (re.sub(r'[/\\:*?"<>|\x00-\x1f]+', "_", name).strip(". ") or "clip")


#: The file that a finished run has.
FINISHED = "motion.npz"
