"""The schema of a model's answers, and parsing of its text."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from itertools import chain
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..io.text import excerpt

#: Largest number of words in a description (Appendix B).
WORDS = 20
#: Of a text, the last letters that are read; and what is kept of a description and a label.
_LONGEST, _LONGEST_DESCRIPTION, _LONGEST_LABEL = 20_000, 240, 80
_REASONED = re.compile(r"</(?:think|thinking|thought|reasoning)\s*>", re.IGNORECASE)
_REASONING = re.compile(r"<(?:think|thinking|thought|reasoning)\s*>", re.IGNORECASE)
#: What looks like an object, and how many of these are tried.
_FLAT, _NEARLY = re.compile(r"\{[^{}]{1,1000}\}"), 5
#: Numbers are not needed, and those of thousands of digits are errors.
_DECODER = json.JSONDecoder(parse_int=lambda digits: int(digits[:18]))
_REFUSAL = re.compile(
    r"\b(i'?m sorry|i am sorry|i can(?:no|')t|i(?:'m| am) unable|i won'?t|can(?:no|')t (?:assist|help|comply))\b", re.IGNORECASE
)
_LINES = {
    "description": re.compile(
        r"^[ \t*•#-]{0,20}(?:video segment )?description[ \t*]{0,20}[:：](.+)$", re.IGNORECASE | re.MULTILINE
    ),
    "label": re.compile(r"^[ \t*•#-]{0,20}(?:text )?label[ \t*]{0,20}[:：](.+)$", re.IGNORECASE | re.MULTILINE),
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

    Only what follows the last end of its reasoning (``</think>``) counts, and of several objects the last that fits. Descriptions
    are cut to 20 words, all text to what may be shown. Raises Malformed, or Refused for a text that declines.
    """
    text = _conclusion(text)
    problem = "it holds no JSON object"
    for values in chain(reversed([*_objects(text)]), _nearly_json(text), _from_lines(text)):
        try:
            answer = schema.model_validate(_select(values, schema))
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            problem = f"{'.'.join(map(str, first['loc'])) or 'it'}: {first['msg'].lower()}"
            continue
        return answer.model_copy(update=_presentable(answer))
    if _REFUSAL.search(text):
        raise Refused(excerpt(text, 120))
    raise Malformed(problem)


def _conclusion(text: str) -> str:
    """The end of a text, without the reasoning before it; nothing of reasoning that does not end."""
    *_, text = _REASONED.split(text)
    return _REASONING.split(text, maxsplit=1)[0][-_LONGEST:]


def _presentable(answer: Description) -> dict[str, str]:
    described = " ".join(answer.description.split()[:WORDS])
    values = {"description": excerpt(described, _LONGEST_DESCRIPTION)}
    if isinstance(answer, Answer):
        values["label"] = excerpt(answer.label, _LONGEST_LABEL)
    return values


def _select(raw: dict[str, Any], schema: type[BaseModel]) -> dict[str, Any]:
    """The schema's fields, whatever their case, without any others; a null label becomes "None", a list of one text the text."""
    lowered = {str(key).strip().lower().replace(" ", "_").removeprefix("text_"): value for key, value in raw.items()}
    for alias in ("video_segment_description", "segment_description"):
        if alias in lowered:
            lowered.setdefault("description", lowered[alias])
    values = {name: lowered[name] for name in schema.model_fields if name in lowered}
    if isinstance(label := values.get("label"), list) and len(label) == 1:
        values["label"] = label[0]
    return {name: "None" if value is None and name == "label" else value for name, value in values.items()}


def _objects(text: str) -> Iterator[dict[str, Any]]:
    """The JSON objects of a text in order, each after those inside it that could be an answer by themselves."""
    at = text.find("{")
    while at >= 0:
        try:
            value, end = _DECODER.raw_decode(text, at)
        except (ValueError, RecursionError):
            end = at + 1
        else:
            yield from (inner for inner in value.values() if isinstance(inner, dict))
            yield value
        at = text.find("{", end)


def _nearly_json(text: str) -> Iterator[dict[str, Any]]:
    """Flat objects as Python or JavaScript would write them (single quotes, a comma after the last value), the last first."""
    for found in [*_FLAT.finditer(text)][: -_NEARLY - 1 : -1]:
        with suppress(yaml.YAMLError, ValueError, TypeError, RecursionError):
            value = yaml.safe_load(found[0])
            if isinstance(value, dict):
                yield value


def _from_lines(text: str) -> list[dict[str, Any]]:
    matches = {name: [*pattern.finditer(text)] for name, pattern in _LINES.items()}
    values = {name: match[-1][1].strip(" *\"'.,`") for name, match in matches.items() if match}
    return [values] if values else []
