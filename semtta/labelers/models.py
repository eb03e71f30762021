"""What a vision-language model is to a labeler: a request goes in, a reply or a fault comes out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from .answers import Description


@dataclass(frozen=True)
class Request:
    """One question about a segment."""

    system: str
    user: str
    images: tuple[bytes, ...]  # JPEG files
    schema: type[Description]


@dataclass(frozen=True)
class Reply:
    """What came back."""

    text: str
    input_tokens: int = 0
    output_tokens: int = 0
    refused: bool = False


class Fault(Exception):
    """A request that got no answer; the message is for the user and holds no key."""


class Passing(Fault):
    """It may pass: ask again, after ``wait_s`` if the server said so."""

    def __init__(self, message: str, wait_s: float | None = None) -> None:
        super().__init__(message)
        self.wait_s = wait_s


class Refusal(Fault):
    """The model, or the filter before it, will not look at this segment."""


class TooLong(Fault):
    """The request does not fit the model."""


class VisionModel(Protocol):
    """A vision-language model. ``ask`` may be called from ``concurrency`` threads at a time."""

    name: str  # as the user gave it
    host: str  # machine that the pictures go to; "" if they stay on this one
    identity: str  # what answers depend on beside the request
    concurrency: int

    def ask(self, request: Request) -> Reply:
        """Raises a Fault, or SemttaError for what makes every other request pointless (no key, no such model)."""
        ...

    def tokens(self, request: Request) -> tuple[int, int]:
        """Estimated input tokens, and the most output tokens."""
        ...

    def prices(self) -> tuple[float, float] | None:
        """US dollars for an input and an output token; None: not known."""
        ...
