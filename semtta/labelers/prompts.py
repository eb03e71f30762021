"""The prompts: versioned templates in ``prompts/vN``, after the paper's Appendix B."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from importlib.resources import files
from string import Template

from ..errors import SemttaError
from .answers import Answer, Description
from .frames import SpanFrames
from .models import Request
from .settings import VLMSettings


@lru_cache(maxsize=32)
def template(name: str, version: int) -> Template:
    """A prompt template; raises SemttaError for an unknown version."""
    folder = files(__package__) / "prompts"
    file = folder / f"v{version}" / f"{name}.txt"
    if not file.is_file():
        known = ", ".join(sorted(entry.name[1:] for entry in folder.iterdir() if entry.name.startswith("v")))
        raise SemttaError(f"Unknown prompt version {version}. Known versions: {known}.")
    return Template(file.read_text(encoding="utf-8").strip())


class Prompts:
    """Builds requests about a segment from the settings."""

    def __init__(self, settings: VLMSettings, marked: bool) -> None:
        self.settings, self.marked = settings, marked

    def label(self, frames: SpanFrames, images: tuple[bytes, ...], dictionary: Sequence[str], *notes: str) -> Request:
        """Ask for a description and a label of the dictionary (empty: any short wording)."""
        return Request(self._system("label", frames, _listed(dictionary)), self._user(notes), images, Answer)

    def describe(self, frames: SpanFrames, images: tuple[bytes, ...], *notes: str) -> Request:
        """Ask for a description only: the first of two steps, for long dictionaries."""
        return Request(self._system("describe", frames), self._user(notes), images, Description)

    def described(self, description: str) -> str:
        """The note of the second step: the description from the first."""
        return template("described", self.settings.prompt).substitute(description=description)

    def malformed(self, problem: str) -> str:
        """The note that tells why the last answer could not be used."""
        return template("malformed", self.settings.prompt).substitute(problem=problem)

    def again(self, label: str, description: str, score: float) -> str:
        """The note that tells why the last label is in doubt."""
        return template("again", self.settings.prompt).substitute(
            label=label, description=description, score=f"{score:.2f}", threshold=f"{self.settings.clip_threshold:.2f}"
        )

    def _system(self, name: str, frames: SpanFrames, dictionary: str = "") -> str:
        count = len(frames.images)
        sheet = f"a contact sheet of {count} numbered frames" if self.settings.layout == "sheet" else f"{count} frames"
        return template(name, self.settings.prompt).substitute(
            shown=sheet,
            seconds=f"{frames.seconds:.1f}",
            marked=" Only the person in the red box counts." if self.marked else "",
            dictionary=dictionary,
        )

    def _user(self, notes: Sequence[str]) -> str:
        return "\n\n".join((template("user", self.settings.prompt).template, *notes))


def _listed(dictionary: Sequence[str]) -> str:
    if not dictionary:
        return 'There is no dictionary: the label is a verb phrase of a few words, such as "walking up stairs".'
    return "The dictionary, one label a line:\n" + "\n".join(dictionary)
