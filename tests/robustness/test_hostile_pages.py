"""Pages of hostile clips: names and labels that would be scripts, and a browser that must not run them."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from semtta.labelers import Usage, VLMSettings
from semtta.labelers.evaluation import LabelRun
from semtta.types import SegmentLabel
from semtta.visualization import write_report, write_viewer
from semtta.visualization.page import line_chart, page, picture
from semtta.visualization.review import review_page

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
EVIL = [
    "{{data}}", "{{ 7 * 7 }}", "{% include 'base.html' %}", "{{ config }}", "{# comment", "<img src=x onerror=alert(1)>",
    "</script><script>alert(1)</script>", "<!--<script>", "]]>", '" onmouseover="alert(1)', "' onfocus='alert(1)' autofocus='",
    "</title><script>alert(1)</script>", "</textarea></pre></style><svg onload=alert(1)>", "javascript:alert(1)", "&lt;b&gt;",
    "\u2028alert(1)", "`${alert(1)}`", "\x00<b>",
]  # fmt: skip


class Page(HTMLParser):
    """Every start tag of a page, its attributes, the text of its scripts, and all text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.scripts: list[str] = []
        self.text, self.inside = "", False
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self.inside = tag == "script"
        if self.inside:
            self.scripts.append("")

    def handle_endtag(self, tag):
        self.inside = False

    def handle_data(self, data):
        if self.inside:
            self.scripts[-1] += data
        self.text += data

    def shape(self) -> list[tuple[str, tuple[str, ...]]]:
        """The tags with the names of their attributes."""
        return [(tag, tuple(attributes)) for tag, attributes in self.tags]


@pytest.fixture(scope="module")
def made(make_result, make_video, open_body, tmp_path_factory):
    """``made(kind, text)``: a page in which ``text`` stands wherever a user's text can."""
    folder = tmp_path_factory.mktemp("pages")
    result = make_result(frames=2)

    def make(kind: str, text: str) -> str:
        label = SegmentLabel(0, 2, text, text, text, 0.2, text)
        named = replace(
            result, name=text, labels=(label,), messages=(text,), source=text, config={"preset": text, text: text},
            history=({"epoch": 1, text: 2.0},), keypoints_before=replace(result.keypoints_before, source=text),
        )  # fmt: skip
        path = folder / f"{kind}.html"
        if kind == "viewer":
            write_viewer(named, path, open_body)
        elif kind == "report":
            write_report(named, make_video(result), open_body, path)
        else:
            video = make_video(result, name=text)
            return review_page(LabelRun(text, {text: (label,)}, (), Usage(), (text,)), [video], VLMSettings())
        return path.read_text(encoding="utf-8")

    return make


@pytest.mark.parametrize("kind", ["viewer", "report", "review"])
def test_hostile_text_changes_no_tag_and_is_shown_as_it_is(made, kind):
    plain = Page(made(kind, "walking")).shape()
    for text in EVIL if kind == "review" else EVIL[::6]:
        hostile = Page(made(kind, text))
        assert hostile.shape() == plain, text
        assert text in hostile.text


@pytest.mark.parametrize("kind", ["viewer", "report", "review"])
def test_every_page_allows_its_own_script_only(made, kind):
    parsed = Page(made(kind, "walking"))
    (policy,) = [a["content"] for tag, a in parsed.tags if tag == "meta" and a.get("http-equiv") == "Content-Security-Policy"]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert (rules["default-src"], rules["base-uri"], rules["form-action"]) == ("'none'",) * 3
    scripts = [text for text, (_, a) in zip(parsed.scripts, [t for t in parsed.tags if t[0] == "script"], strict=True) if not a]
    hashes = [f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" for text in scripts]
    assert rules["script-src"] == (" ".join(hashes) or "'none'")
    assert len(scripts) == (kind != "report")
    assert not [name for _, attributes in parsed.tags for name in attributes if name.startswith("on")]


def test_data_in_a_script_cannot_end_it(made):
    text = made("viewer", "</script><!--&'\"")
    block = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)[1]
    assert "<" not in block
    assert json.loads(block)["people"][0]["labels"][0][2] == "</script><!--&'\""


def test_a_value_that_is_missing_in_a_template_is_an_error():
    from jinja2 import UndefinedError

    with pytest.raises(UndefinedError):
        page("viewer.html", data={}, people=[])


def test_pieces_escape():
    assert "<img onerror" not in line_chart([1.0, 2.0], "<img onerror=x>", "<img onerror=x>")
    assert 'alt="&#34; onload=&#34;x"' in picture(np.zeros((2, 2, 3), np.uint8), '" onload="x')


def test_review_csv_is_defused_in_both_ways(tmp_path):
    from semtta.io.labels import read_labels, to_csv

    labels = (SegmentLabel(0, 2, '=HYPERLINK("http://x")', "+1 <b>", "@x", -0.25, "-1-1"),)
    text = to_csv({"-clip": labels})
    assert '"\'=HYPERLINK(""http://x"")"' in text
    assert "-0.2500" in text
    assert "'-0.2500" not in text  # a number
    (tmp_path / "review.csv").write_text(text)
    assert read_labels(tmp_path / "review.csv") == {"-clip": list(labels)}


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")
def test_a_browser_runs_the_page_and_nothing_else(made, tmp_path):
    """Also where a template failed to escape: the policy stops what is put into the page afterwards."""
    text = made("viewer", "</script><img src=x onerror=\"document.title='owned'\">")
    injected = "<script>document.title = 'owned'</script><img src=x onerror=\"document.title = 'owned'\">"
    path = tmp_path / "viewer.html"
    path.write_text(text.replace("</header>", f"</header>{injected}"), encoding="utf-8")
    options = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"]
    command = [CHROMIUM, *options, "--virtual-time-budget=500", "--dump-dom", path.as_uri()]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=120).stdout
    assert injected[:20] in shown
    assert re.search(r'<span id="time">\d\.\d\d s, frame \d', shown)  # the page's own script ran
    assert "<title>owned" not in shown
