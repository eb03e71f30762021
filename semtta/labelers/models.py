"""The interface of vision-language models: a request in, a reply or a fault out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from .answers import Description


@dataclass(frozen=True)
class Request:
    """One request about a segment."""

    system: str
    user: str
    images: tuple[bytes, ...]  # JPEG files
    schema: type[Description]


@dataclass(frozen=True)
class Reply:
    """The answer to a request."""

    text: str
    input_tokens: int = 0
    output_tokens: int = 0
    refused: bool = False
    cut_off: bool = False  # at the largest number of tokens


class Fault(Exception):
    """A request without an answer; the message is shown to the user and must hold no key."""


class TransientFault(Fault):
    """A fault that may not recur: try again, after ``wait_s`` seconds if the server asks for it."""

    def __init__(self, message: str, wait_s: float | None = None) -> None:
        super().__init__(message)
        self.wait_s = wait_s


class NoServer(TransientFault):
    """Nothing answers at the server's address; if that lasts, it affects every request."""


class Refusal(Fault):
    """The model, or the provider's filter, refuses this segment."""


class TooLong(Fault):
    """The request exceeds the model's context window."""


class VisionModel(Protocol):
    """A vision-language model. ``ask`` may be called from ``concurrency`` threads at a time."""

    name: str  # as given by the user
    host: str  # host that the images are sent to; "" if they stay on this machine
    identity: str  # everything besides the request that answers depend on
    concurrency: int

    def ask(self, request: Request) -> Reply:
        """Answer a request. Raises a Fault, or SemttaError for a problem that affects every request (no key, no such model)."""
        ...

    def tokens(self, request: Request) -> tuple[int, int]:
        """Estimated number of input tokens, and the largest number of output tokens."""
        ...

    def prices(self) -> tuple[float, float] | None:
        """US dollars per input and per output token; None: not known."""
        ...
