"""The prompts: versioned templates in ``prompts/vN`` after the paper's Appendix B, filled in."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from importlib.resources import files
from string import Template

from ..errors import SemttaError
from .answers import Answer, Description
from .frames import Shots
from .models import Request
from .settings import VLMSettings


@lru_cache(maxsize=32)
def template(name: str, version: int) -> Template:
    """A template; SemttaError for a version that does not exist."""
    folder = files(__package__) / "prompts"
    file = folder / f"v{version}" / f"{name}.txt"
    if not file.is_file():
        known = ", ".join(sorted(entry.name[1:] for entry in folder.iterdir() if entry.name.startswith("v")))
        raise SemttaError(f"There is no prompt version {version}. Known: {known}.")
    return Template(file.read_text(encoding="utf-8").strip())


class Prompts:
    """Requests about a segment, by the settings."""

    def __init__(self, settings: VLMSettings, marked: bool) -> None:
        self.settings, self.marked = settings, marked

    def label(self, shots: Shots, images: tuple[bytes, ...], dictionary: Sequence[str], *more: str) -> Request:
        """Describe and choose a label of the dictionary (empty: any short wording)."""
        return Request(self._system("label", shots, _listed(dictionary)), self._user(more), images, Answer)

    def describe(self, shots: Shots, images: tuple[bytes, ...], *more: str) -> Request:
        """Describe only: the first of two steps, for dictionaries that are too long."""
        return Request(self._system("describe", shots), self._user(more), images, Description)

    def described(self, description: str) -> str:
        """For the second step: what the first said."""
        return template("described", self.settings.prompt).substitute(description=description)

    def malformed(self, problem: str) -> str:
        """Why the last answer could not be used."""
        return template("malformed", self.settings.prompt).substitute(problem=problem)

    def again(self, label: str, description: str, score: float) -> str:
        """Why the last label is doubted."""
        return template("again", self.settings.prompt).substitute(
            label=label, description=description, score=f"{score:.2f}", threshold=f"{self.settings.clip_threshold:.2f}"
        )

    def _system(self, name: str, shots: Shots, dictionary: str = "") -> str:
        count = len(shots.images)
        sheet = f"a contact sheet of {count} numbered frames" if self.settings.layout == "sheet" else f"{count} frames"
        return template(name, self.settings.prompt).substitute(
            shown=sheet,
            seconds=f"{shots.seconds:.1f}",
            marked=" Only the person in the red box counts." if self.marked else "",
            dictionary=dictionary,
        )

    def _user(self, more: Sequence[str]) -> str:
        return "\n\n".join((template("user", self.settings.prompt).template, *more))


def _listed(dictionary: Sequence[str]) -> str:
    if not dictionary:
        return 'There is no dictionary: the label is a verb phrase of a few words, such as "walking up stairs".'
    return "The dictionary, one label a line:\n" + "\n".join(dictionary)
