"""Everything that a study writes, from real runs; and the commands that write it."""

from __future__ import annotations

import csv
import json
import re
import xml.etree.ElementTree

import pytest
import yaml
from command_line import call
from PIL import Image

from semtta.experiments import run_study
from semtta.experiments.study import to_yaml

TINY = ("--set", "estimator=outside-tiny", "--set", "denoiser=none", "--device", "cpu")


def test_tables_figures_and_page(study, tmp_path):
    out = tmp_path / "out"
    written = run_study(study.model_copy(update={"max_tracks": 2}), out)
    assert [table.key for table in written.tables] == ["methods", "methods-differences", "runtime", "gain", "fill-in"]
    files = {f"{table.key}.{suffix}" for table in written.tables for suffix in ("md", "tex", "csv")}
    assert {path.name for path in (out / "tables").iterdir()} == files
    for name in ("gain", "fill-in"):
        with Image.open(out / "figures" / f"{name}.png") as picture:
            assert picture.width > 500
        assert xml.etree.ElementTree.parse(out / "figures" / f"{name}.svg").getroot().tag.endswith("svg")
    rows = {row[0]: row for row in csv.reader((out / "tables" / "methods.csv").open())}
    assert set(rows) == {"row", "unadapted", "cycleadapt", "semantic"}
    assert len({rows[name][1] for name in ("unadapted", "cycleadapt", "semantic")}) == 3
    assert float(rows["semantic"][1]) == written.tables[0].rows[2][1][0].value

    page = written.page.read_text()
    assert "{{" not in page
    assert page.count("<svg") == 2
    assert not re.search(r"""(src|href)=["'](?!data:|#)""", page.replace('xlink:href="#', '="#'))  # nothing from elsewhere
    assert "not comparable with the published ones" in page
    assert "walk_c" in page
    assert "not comparable" in (out / "report.md").read_text()


@pytest.mark.parametrize("dataset", ["pieces", "synthwild"])
def test_compare_in_quick_runs_every_line(monkeypatch, capsys, outside, tmp_path, dataset):
    """``semtta compare --quick`` with fewer rows, one epoch, and a network that is small and knows nothing."""
    out = tmp_path / "out"
    arguments = ["--dataset", dataset, "--methods", "cycleadapt,outside-labeler,outside-prior", "--quick", "--set", "epochs=1"]
    code, shown, err = call(monkeypatch, capsys, "compare", *arguments, "--set", "prior=outside-prior", *TINY, "--out", out)
    assert code == 0, shown[-400:] + err
    for words in ("Table 1", "Table 5", "outside-prior", "not comparable", "mean nothing", "Protocol", str(out)):
        assert words in shown
    assert (out / "tables" / "methods.tex").read_text().count(r"\\") == 1 + 4  # heads, unadapted and three rows
    assert len(list((out / "runs").glob("*/*.json"))) == 3 * 2
    saved = yaml.safe_load((out / "study.yaml").read_text())
    assert (saved["split"], saved["quick"], saved["settings"]["loop.epochs"]) == ("val", True, 1)


def test_ablate_writes_the_tables_asked_for(monkeypatch, capsys, outside, tmp_path):
    out = tmp_path / "out"
    options = ["--quick", "--set", "epochs=1", "--set", "prior=outside-prior", *TINY, "--out", out]
    code, _, err = call(monkeypatch, capsys, "ablate", "--dataset", "pieces", "--table", "labels", *options)
    assert code == 0, err
    assert {path.stem for path in (out / "tables").iterdir()} == {"labels", "labels-differences"}


def test_a_user_compares_with_a_file_of_their_own(monkeypatch, capsys, study, outside, tmp_path):
    path = tmp_path / "mine.yaml"
    rows = {**study.settings, "method": "none", "labeler": "outside-labeler"}
    path.write_text(to_yaml(study.model_copy(update={"name": "mine", "settings": rows, "tracks": ("walk_b", "walk_c")})))
    (outside / "fail-walk_c").touch()
    code, shown, err = call(monkeypatch, capsys, "compare", "--study", path, "--out", tmp_path / "out")
    assert code == 1, err  # a clip failed, the other is there
    assert "walk_c is damaged" in shown
    assert "†" in shown
    assert len(list((tmp_path / "out" / "runs" / "walk_b").glob("*.json"))) == 2


def test_what_the_user_sets_stands_above_the_studys_settings_for_a_dataset(monkeypatch, capsys, study, outside, tmp_path):
    path = tmp_path / "mine.yaml"
    changes = {"settings_for": {"pieces": {"epochs": 2}}, "rows": (study.rows[1],), "max_tracks": 1}
    views = {"runtime": study.views["runtime"].model_copy(update={"baseline": None})}
    path.write_text(to_yaml(study.model_copy(update={**changes, "views": views})))
    options = ["--study", path, "--set", "epochs=1", "--out", tmp_path / "out"]
    code, _, err = call(monkeypatch, capsys, "compare", *options)
    assert code == 0, err
    (record,) = (json.loads(file.read_text()) for file in (tmp_path / "out" / "runs").glob("*/*.json"))
    assert record["settings"]["loop"]["epochs"] == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["compare", "--dataset", "nowhere"], "Unknown dataset 'nowhere'"),
        (["compare"], "--dataset"),
        (["compare", "--dataset", "pieces", "--methods", "semantik"], "Did you mean 'semantic'"),
        (["compare", "--dataset", "pieces", "--study", "missing.yaml"], "There is no study file missing.yaml"),
        (["compare", "--dataset", "pieces", "--set", "epoch=3", "--methods", "semantic"], "Did you mean 'loop.epochs'"),
        (["ablate", "--dataset", "pieces", "--table", "lables"], "Did you mean 'labels'"),
        (["compare", "--dataset", "pieces", "--workers", "2", "--ray", "auto", "--methods", "semantic"], "give one of them"),
        (["compare", "--dataset", "pieces", "--ray", "127.0.0.1:1", "--methods", "none", "--set", "prior=none", *TINY], "Ray"),
    ],
)
def test_bad_input_is_one_line(monkeypatch, capsys, outside, tmp_path, arguments, words):
    code, _, err = call(monkeypatch, capsys, *arguments, "--out", tmp_path / "out")
    assert code == 2
    line = [text for text in err.splitlines() if text.startswith("Error")]
    assert len(line) == 1
    assert words in line[0]
    assert not list((tmp_path / "out").glob("runs/*"))
