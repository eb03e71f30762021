"""What every refusal of the command must be: exit code 2, one short line, nothing half-written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from command_line import call
from short_clips import write_clip

LONGEST = 300


@pytest.fixture(scope="session")
def clip(tmp_path_factory) -> Path:
    """A folder with ``walk.mp4`` (6 frames) and ``keypoints.npz``; not to be changed."""
    folder = tmp_path_factory.mktemp("clip")
    write_clip(folder, 6)
    return folder


@pytest.fixture
def refused(monkeypatch, capsys, tmp_path) -> Callable[..., str]:
    """``refused(*arguments, names="keypoints.json")``: the one line that ``semtta ARGUMENTS`` answers with.

    The command must end with exit code 2 and one line of at most 300 characters on stderr, which holds every text of
    ``names``; nothing on stdout; no temporary file and no finished run may be left in the test's folder.
    """

    def run(*arguments: object, names: str | tuple[str, ...] = ()) -> str:
        code, out, err = call(monkeypatch, capsys, *arguments)
        lines = [line for line in err.splitlines() if line.strip() and "━" not in line]  # bars of progress
        assert code == 2, f"exit code {code}: {out}{err}"
        assert len(lines) == 1, err
        assert "Traceback" not in err
        assert out == ""
        message = lines[0].removeprefix("Error: ")
        assert 10 < len(message) <= LONGEST, message
        for name in (names,) if isinstance(names, str) else names:
            assert name in message, message
        left = [path for path in tmp_path.rglob("*") if path.name == "motion.npz" or path.name.startswith((".", "checkpoint"))]
        assert not left, f"left behind: {left}"
        return message

    return run
