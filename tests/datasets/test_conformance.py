"""Opening a dataset by name, and the line that goes with its tables."""

from __future__ import annotations

import pytest

from semtta.datasets import PROTOCOLS, datasets, open_dataset
from semtta.errors import SemttaError
from semtta.registry import Entry


def test_a_protocol_is_handed_on_only_where_there_are_several(monkeypatch):
    monkeypatch.setitem(datasets._entries, "plug-in", Entry("plug-in", lambda root, split: (root, split)))
    assert open_dataset("plug-in", "here", "val") == ("here", "val")
    with pytest.raises(SemttaError, match="'plug-in' has one protocol: leave out --protocol spin"):
        open_dataset("plug-in", "here", "val", "spin")
    several = Entry("plug-in", lambda root, split, protocol=None: protocol, needs=("protocol",))
    monkeypatch.setitem(datasets._entries, "plug-in", several)
    assert open_dataset("plug-in", "here", "val", "spin") == "spin"


@pytest.mark.parametrize("name", sorted(PROTOCOLS))
def test_the_line_of_a_protocol_says_all_of_it(name):
    protocol = PROTOCOLS[name]
    for part in (protocol.name, protocol.joint_set, protocol.root, protocol.gender, protocol.frames, protocol.source):
        assert part in protocol.line
    assert len(protocol.line.splitlines()) == 1
    assert ("beyond 3" in protocol.line) == (name == "3dpw/cycleadapt")
