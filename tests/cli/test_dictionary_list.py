"""``semtta dictionary list``, and the list of labels on the page about priors."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from command_line import call

from semtta import assets
from semtta.errors import SemttaError
from semtta.priors import InfillConfig, InfillPrior, MotionDictionary, near, priors

PAGE = Path(__file__).parents[2] / "docs" / "prior.md"
INCLUDED = ("infill", "open", "open-cosine")
LABELS = ("walking", "bowing", "sitting down")

included = pytest.mark.skipif(
    not Path(assets.__file__).with_name("prior_infill.safetensors").exists(), reason="the included weights are not here"
)


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> Path:
    """A small prior whose file knows how many motions each label has."""
    dictionary = MotionDictionary(LABELS, torch.eye(4)[:3], motions=(250, 12, 3))
    config = InfillConfig(width=16, layers=1, heads=2, feedforward=16, text_dim=4)
    return InfillPrior(config, dictionary).save(tmp_path_factory.mktemp("prior") / "prior.safetensors")


def rows(printed: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.split("│")[1:-1]] for line in printed.splitlines() if line.startswith("│")]


def test_all_labels_with_their_motions(monkeypatch, capsys, weights):
    code, out, err = call(monkeypatch, capsys, "dictionary", "list", "--set", f"prior.weights={weights}")
    assert code == 0, err
    assert rows(out) == [["walking", "250"], ["bowing", "12"], ["sitting down", "3"]]
    assert "3 labels of prior 'infill'." in out


def test_the_nearest_by_meaning(monkeypatch, capsys, weights):
    monkeypatch.setattr(near, "encode_labels", lambda labels: torch.tensor([[0.0, 0.6, 0.8, 0.0]]))
    arguments = ["dictionary", "list", "taking", "a", "seat", "--count", 2, "--set", f"prior.weights={weights}"]
    code, out, err = call(monkeypatch, capsys, *arguments)
    assert code == 0, err
    assert rows(out) == [["sitting down", "0.80", "3"], ["bowing", "0.60", "12"]]
    assert "'taking a seat' is not among the 3 labels of prior 'infill'; nearest: sitting down 0.80, bowing 0.60" in out
    assert "taken as 'sitting down' (similarity 0.80)" in out


def test_the_nearest_without_a_text_encoder(monkeypatch, capsys, weights):
    def absent(labels):
        raise SemttaError("Comparing needs the package: pip install 'semtta[text]'")

    monkeypatch.setattr(near, "encode_labels", absent)
    code, out, err = call(monkeypatch, capsys, "dictionary", "list", "sitting up", "--set", f"prior.weights={weights}")
    assert code == 0, err
    assert rows(out)[0] == ["sitting down", "-", "3"]
    assert "semantics are off for these frames. Comparing needs the package: pip install 'semtta[text]'." in out


def test_a_label_itself_and_priors_without_labels(monkeypatch, capsys, weights):
    monkeypatch.setattr(near, "encode_labels", lambda labels: torch.eye(4)[:1])
    code, out, _ = call(monkeypatch, capsys, "dictionary", "list", "A person is Bowing.", "--set", f"prior.weights={weights}")
    assert (code, out.splitlines()[-1]) == (0, "'A person is Bowing.' is the label 'bowing'.")
    code, out, _ = call(monkeypatch, capsys, "dictionary", "list", "--prior", "none")
    assert (code, out) == (0, "Prior 'none' has no dictionary: it takes no labels.\n")


@included
@pytest.mark.parametrize("name", INCLUDED)
def test_the_page_lists_the_labels(name):
    lists = re.findall(r":\n\n> (.+?)\n\n", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    recorded, procedural = (listed.replace("\n> ", " ").split(", ") for listed in lists)
    listed = recorded if name == "open-cosine" else recorded + procedural
    assert tuple(sorted(listed)) == priors.create(name).labels
