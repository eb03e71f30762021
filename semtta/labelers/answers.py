"""The schema of a model's answers, and parsing of its text."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

#: Largest number of words in a description (Appendix B).
WORDS = 20
_REFUSAL = re.compile(
    r"\b(i'?m sorry|i am sorry|i can(?:no|')t|i(?:'m| am) unable|i won'?t|can(?:no|')t (?:assist|help|comply))\b", re.IGNORECASE
)
_LINES = {
    "description": re.compile(r"^[\s*\-•#]*(?:video segment )?description[\s*]*[:：][\s*]*(.+)$", re.IGNORECASE | re.MULTILINE),
    "label": re.compile(r"^[\s*\-•#]*(?:text )?label[\s*]*[:：][\s*]*(.+)$", re.IGNORECASE | re.MULTILINE),
}


class Description(BaseModel):
    """The answer of the first step: a description."""

    model_config = ConfigDict(extra="forbid")

    description: str = Field(description="what the person does, in at most 20 words")


class Answer(Description):
    """A description and a label."""

    label: str = Field(description='a label of the dictionary, or "None"')


A = TypeVar("A", bound=Description)


class Malformed(ValueError):
    """An answer that cannot be parsed; the message says why."""


class Refused(ValueError):
    """The model declines to answer."""


def parse(text: str, schema: type[A]) -> A:
    """Parse a model's text: a JSON object, perhaps fenced or surrounded by text, or lines "Description:" and "Label:".

    Descriptions are cut to 20 words. Raises Malformed, or Refused for a text that declines.
    """
    problem = "it holds no JSON object"
    for values in (*_objects(text), *_from_lines(text)):
        try:
            answer = schema.model_validate(_select(values, schema))
        except ValidationError as error:
            first = error.errors()[0]
            problem = f"{'.'.join(map(str, first['loc'])) or 'it'}: {first['msg'].lower()}"
            continue
        return answer.model_copy(update={"description": " ".join(answer.description.split()[:WORDS])})
    if _REFUSAL.search(text):
        raise Refused(" ".join(text.split())[:120])
    raise Malformed(problem)


def _select(raw: dict[str, Any], schema: type[BaseModel]) -> dict[str, Any]:
    """The schema's fields, whatever their case, without any others; a null label becomes "None"."""
    lowered = {str(key).strip().lower().replace(" ", "_").removeprefix("text_"): value for key, value in raw.items()}
    for alias in ("video_segment_description", "segment_description"):
        if alias in lowered:
            lowered.setdefault("description", lowered[alias])
    values = {name: lowered[name] for name in schema.model_fields if name in lowered}
    return {name: "None" if value is None and name == "label" else value for name, value in values.items()}


def _objects(text: str) -> Iterator[dict[str, Any]]:
    decoder = json.JSONDecoder()
    at = text.find("{")
    while at >= 0:
        try:
            value, end = decoder.raw_decode(text, at)
        except json.JSONDecodeError:
            end = at + 1
        else:
            if isinstance(value, dict):
                yield value
        at = text.find("{", end)


def _from_lines(text: str) -> list[dict[str, Any]]:
    matches = {name: pattern.search(text) for name, pattern in _LINES.items()}
    values = {name: match[1].strip(" *\"'.,`") for name, match in matches.items() if match}
    return [values] if values else []
