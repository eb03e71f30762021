from __future__ import annotations

import pytest

from semtta.errors import SemttaError
from semtta.registry import Registry

things: Registry[tuple[str, ...]] = Registry("thing")


@things.register("plain", argument="TEXT")
def plain(weights: str = "") -> tuple[str, ...]:
    return "plain", weights


@things.register("bare")
def bare() -> tuple[str, ...]:
    return ("bare",)


def test_what_follows_the_first_colon_is_the_argument():
    assert things.create("plain") == ("plain", "")
    assert things.create("plain:a/b:7") == ("plain", "a/b:7")
    assert things.entry("plain:x").build is plain
    assert "plain:x" in things
    assert "plane:x" not in things


def test_names_that_take_none_say_so():
    with pytest.raises(SemttaError, match="takes nothing after a colon"):
        things.create("bare:x")
    with pytest.raises(SemttaError, match="Did you mean 'plain'"):
        things.create("plane:x")
