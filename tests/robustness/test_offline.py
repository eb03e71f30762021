"""``--offline``: what would be downloaded is refused, before or after the command's name."""

from __future__ import annotations

import pytest
from command_line import call


@pytest.mark.parametrize("place", ["before", "after"])
def test_the_detectors_files_are_not_fetched(clip, tmp_path, monkeypatch, capsys, place):
    pytest.importorskip("ai_edge_litert")
    for name in ("SEMTTA_OFFLINE", "HF_HUB_OFFLINE"):
        monkeypatch.setenv(name, "")  # put back after the test
    monkeypatch.setenv("SEMTTA_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("semtta.assets.store.subprocess.run", lambda *_, **__: pytest.fail("something was downloaded"))
    before, after = (["--offline"], []) if place == "before" else ([], ["--offline"])
    code, _, err = call(monkeypatch, capsys, *before, "adapt", clip / "walk.mp4", *after, "--out", tmp_path / "out")
    message = err.splitlines()[-1]  # after the bar of the reading
    assert code == 2
    assert "offline" in message
    assert "semtta assets fetch blazepose" in message
    assert not list((tmp_path / "out").rglob("*.npz"))
