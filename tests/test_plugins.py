"""Registries and plug-ins: unknown names, names that are taken, plug-ins that cannot be loaded, and what check_prior says.

A prior in a package of its own, found by name and used by the command: tests/docs, which runs docs/plugins.md.
"""

from __future__ import annotations

import pytest
import torch

from semtta.diagnostics.plugins import registries
from semtta.errors import SemttaError
from semtta.priors import MotionTextPrior
from semtta.registry import Registry
from semtta.testing import check_prior


def test_check_prior_says_what_is_wrong():
    class Wrong(MotionTextPrior):
        name = "wrong"

        def encode_motion(self, motion):
            return motion.rotations.detach().flatten(2).mean(1)

        def encode_text(self, labels):
            return torch.ones(len(labels), 24 * 9)

    with pytest.raises(AssertionError, match="no gradient"):
        check_prior(Wrong())


def test_a_plug_in_that_cannot_be_loaded_is_named(tmp_path, monkeypatch):
    (tmp_path / "broken_prior.py").write_text("import nothing_of_that_name")
    info = tmp_path / "broken_prior-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken-prior\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[semtta.priors]\nbroken = broken_prior:Prior\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert "broken" in Registry("prior").names()
    with pytest.raises(SemttaError, match=r"broken.*nothing_of_that_name"):
        Registry("prior").entry("broken")


@pytest.mark.parametrize("role", sorted(registries()))
def test_unknown_names_list_the_known_ones(role):
    registry = registries()[role]
    assert registry.names()
    name = registry.names()[0]
    with pytest.raises(SemttaError, match="Unknown") as error:
        registry.entry(name + "x")
    assert name in str(error.value)


def test_two_factories_cannot_share_a_name():
    registry = Registry("thing")
    registry.register("a")(lambda: 1)
    with pytest.raises(SemttaError, match="taken"):

        @registry.register("a")
        def other():
            return 2
