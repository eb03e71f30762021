from __future__ import annotations

import pytest

from semtta.io.labels import no_label
from semtta.labelers.answers import Answer, Description, Malformed, Refused, parse

GOOD = '{"description": "A man walks.", "label": "walking"}'


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        f"```json\n{GOOD}\n```",
        f"Here you are: {GOOD}. Anything else?",
        '{"thoughts": {"a": 1}} ' + GOOD,
        '{"Description": "A man walks.", "Text label": "walking", "confidence": 0.9}',
        '{"video segment description": "A man walks.", "label": "walking"}',
        "- Video segment description: A man walks.\n- Text label: walking.",
        "**Description:** A man walks.\n**Label:** walking",
        "{broken " + GOOD,
        "{broken} {0} {'a': 1} " + GOOD,
        "{[1, 2]} {'description': 'A man walks.', 'label': 'walking',} {1, 2}",
        '{"segment description": "A man walks.", "label": "walking"}',
    ],
)
def test_forms_that_are_understood(text):
    found = parse(text, Answer)
    assert found.label == "walking"
    assert found.description.rstrip(".") == "A man walks"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("A man walks.", "no JSON object"),
        (GOOD[:30], "no JSON object"),
        ('{"description": "A man walks."}', "label: field required"),
        ('{"description": ["a"], "label": "walking"}', "description: input should be a valid string"),
        ("[1, 2]", "no JSON object"),
        ("", "no JSON object"),
    ],
)
def test_what_is_not_an_answer_says_why(text, why):
    with pytest.raises(Malformed, match=why):
        parse(text, Answer)


def test_a_refusal_is_no_malformed_answer():
    with pytest.raises(Refused):
        parse("I'm sorry, but I can't help with identifying people.", Answer)
    assert parse('{"description": "He cannot help but laugh; I can\'t tell why.", "label": "None"}', Answer)


def test_null_is_none_and_descriptions_end_after_twenty_words():
    found = parse('{"description": "' + "word " * 30 + '", "label": null}', Answer)
    assert len(found.description.split()) == 20
    assert no_label(found.label)
    assert parse('{"description": "A man walks."}', Description).description == "A man walks."


@pytest.mark.parametrize("label", ["None", "none.", " NULL ", "", "N/A", '"None"'])
def test_words_for_no_label(label):
    assert no_label(label)


def test_nonetheless_is_a_label():
    assert not no_label("nonetheless walking")
