import json

import pytest
from pydantic import BaseModel, ConfigDict

from semtta.errors import SemttaError
from semtta.io.forms import checked, shown


class Row(BaseModel):
    model_config = ConfigDict(strict=True)

    name: str
    values: list[float]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ([{"name": "a", "values": [1.0, "2"]}], "k.json: 0.values.1: should be a valid number (it is '2'). Correct it"),
        ([{"name": "a"}], "k.json: 0.values: Field required."),
        ([None], "k.json: 0: should be a valid dictionary (it is None)."),
        ({}, "k.json: should be a valid list (it is {})."),
        ([{"name": 10**5000, "values": []}], "k.json: 0.name: should be a valid string (it is a huge number)."),
        ([{"name": [["a" * 999] * 99] * 99, "values": []}], "k.json: 0.name: should be a valid string (it is "),
    ],
)
def test_the_first_field_that_is_wrong(content, said):
    with pytest.raises(SemttaError) as caught:
        checked(list[Row], content, "k.json")
    assert str(caught.value).startswith(said)
    assert len(str(caught.value)) < 160


def test_what_fits_is_returned():
    row = checked(Row, json.loads('{"name": "a", "values": [1, 2.5], "more": 3}'), "k.json")
    assert row == Row(name="a", values=[1.0, 2.5])


def test_text_from_elsewhere_is_one_line():
    assert shown("a\nb\x1b[31mc\ud800") == "a?b?[31mc?"
    assert shown("x" * 10, 10) == "x" * 10
    assert shown("begin" + "x" * 100 + "end", 13) == "begin...xxend"
