"""Study files: the included ones are whole, and what is wrong in a user's is said in one line."""

from __future__ import annotations

import pytest
import yaml

from semtta.build import resolve
from semtta.errors import SemttaError
from semtta.experiments.published import PUBLISHED, comparability, published
from semtta.experiments.study import Row, check_names, included, made_quick, make_study, merged, read_study, to_yaml, with_rows
from semtta.methods import methods

SMALL = {
    "name": "s", "dataset": "synthwild", "rows": [{"name": "cycleadapt", "preset": "cycleadapt"}, {"name": "semantic"}],
    "views": {"methods": {"table": "errors", "title": "Methods", "baseline": "cycleadapt"}},
}  # fmt: skip


PAPERS = ("alpha", "compare", "compare-hmr2", "components", "labels", "strategies", "threshold")


def test_every_table_and_figure_of_the_paper_is_included():
    assert included() == ["alpha", "compare", "compare-best", "compare-hmr2", "components", "labels", "strategies", "threshold"]
    titles = " ".join(view.title for name in included() for view in read_study(name).views.values())
    for number in range(1, 9):
        assert f"Table {number})" in titles
    assert "Fig. 3" in titles
    assert "Fig. 4" in titles


@pytest.mark.parametrize(
    ("name", "dataset"),
    [
        *((name, dataset) for name in PAPERS for dataset in ("synthwild", "3dpw")),
        ("compare-best", "synthwild"),
        ("compare-best", "multiview"),
    ],
)
def test_included_studies_are_settings_that_exist(name, dataset):
    study = read_study(name).model_copy(update={"dataset": dataset})
    rows = [row for row in study.rows if row.is_on(dataset)]
    assert len(rows) >= 2
    for row in rows:
        config = resolve(study.preset_of(row), study.chosen(row)).config
        assert config.estimator.name.startswith("open") == (dataset != "3dpw")
        assert (config.evidence.landmarks == "never") == (dataset != "multiview")
    for view in study.views.values():
        assert bool(study.view_rows(view)) == (not view.only_on or dataset in view.only_on)
        published_rows = set(published(view.published, dataset)) - {"unadapted"}
        if dataset == "3dpw" and published_rows:
            assert published_rows <= {row.name for row in study.view_rows(view)}  # every row of the paper stands beside ours


def test_the_papers_numbers():
    assert PUBLISHED["methods"]["3dpw"]["semantic"] == {"mpjpe": 76.4, "pa_mpjpe": 47.2, "mpvpe": 94.0}
    assert PUBLISHED["methods"]["3dhp"]["cycleadapt"] == {"mpjpe": 110.3, "pa_mpjpe": 74.4}
    assert PUBLISHED["strategies"]["3dpw"]["discriminator"] == {
        "downtown_rampAndStairs/mpjpe": 85.7, "downtown_rampAndStairs/pa_mpjpe": 52.9, "downtown_bar/mpjpe": 117.9,
        "downtown_bar/pa_mpjpe": 72.2, "mpjpe": 115.0, "pa_mpjpe": 69.1,
    }  # fmt: skip
    assert published("methods", "synthwild") == {}
    assert "not comparable" in comparability("synthwild")
    assert "not comparable" not in comparability("3dpw")


def test_a_study_comes_back_from_its_file(tmp_path):
    study = made_quick(make_study(SMALL))
    path = tmp_path / "again.yaml"
    path.write_text(to_yaml(study))
    assert read_study(path) == study
    assert (study.split, study.seeds, study.quick) == ("val", 1, True)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"rowz": []}, "Unknown key 'rowz'. Did you mean 'rows'"),
        ({"rows": []}, "rows: "),
        ({"rows": [{"name": "a", "setting": {}}]}, "Unknown key 'setting'. Did you mean 'settings'"),
        ({"rows": [{"name": "a"}, {"name": "a"}], "views": {"v": {"table": "errors", "title": "t"}}}, "two rows are called 'a'"),
        ({"seeds": 0}, "seeds: "),
        ({"seeds": "many"}, "seeds: "),
        ({"name": "../elsewhere"}, "name: "),
        ({"views": {"v": {"table": "errorz", "title": "t"}}}, "views.v.table: "),
        ({"views": {"v": {"table": "errors", "title": "t", "base": "x"}}}, "Unknown key 'base'. Did you mean 'baseline'"),
        ({"views": {"v": {"table": "errors", "title": "t", "baseline": "cycleadept"}}}, "Did you mean 'cycleadapt'"),
    ],
)
def test_bad_keys_and_values_are_named(change, words):
    with pytest.raises(SemttaError) as error:
        make_study({**SMALL, **change}, "mine.yaml")
    assert str(error.value).startswith("mine.yaml")
    assert words in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"settings": {"method": "semantics"}}, "Unknown method 'semantics'. Did you mean 'semantic'"),
        ({"settings": {"prior": "opne"}}, "Unknown prior 'opne'. Did you mean 'open'"),
        ({"settings": {"labeler": "orakel"}}, "Unknown labeler 'orakel'"),
        ({"settings": {"updaters": ["emma"]}}, "Unknown updater 'emma'"),
        ({"settings": {"epoch": 3}}, "Unknown setting 'epoch'. Did you mean 'loop.epochs'"),
        ({"settings": {"epochs": "few"}}, "epochs='few'"),
        ({"preset": "bset"}, "Unknown preset 'bset'. Did you mean 'best'"),
    ],
)
def test_unknown_names_and_settings_of_a_row_are_named(outside, row, words):
    with pytest.raises(SemttaError) as error:
        check_names(make_study({**SMALL, "dataset": "pieces", "rows": [{"name": "mine", **row}], "views": _plain_view()}))
    assert str(error.value).startswith("Row 'mine': ")
    assert words in str(error.value)


def _plain_view():
    return {"methods": {"table": "errors", "title": "Methods"}}


def test_unknown_or_no_dataset():
    with pytest.raises(SemttaError, match="Unknown dataset 'sinthwild'"):
        check_names(make_study({**SMALL, "dataset": "sinthwild"}))
    with pytest.raises(SemttaError, match="--dataset"):
        check_names(make_study({**SMALL, "dataset": None}))


@pytest.mark.parametrize("text", ["rows: [", "- a list", "just words"])
def test_a_file_that_is_no_study(tmp_path, text):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(SemttaError, match=r"mine\.yaml"):
        read_study(path)
    with pytest.raises(SemttaError, match="Included: alpha"):
        read_study(tmp_path / "none.yaml")


def test_merging_shares_rows_and_refuses_different_ones_of_a_name():
    both = merged([read_study("components"), read_study("strategies")], "ablate")
    names = [row.name for row in both.rows]
    assert names.count("cycleadapt") == names.count("semantic") == 1
    assert [row.name for row in both.model_copy(update={"dataset": "synthwild"}).view_rows(both.views["strategies"])] == [
        "cycleadapt", "discriminator", "unpaired", "semantic",
    ]  # fmt: skip
    other = make_study({**SMALL, "rows": [{"name": "semantic", "preset": "fast"}], "views": _plain_view()})
    with pytest.raises(SemttaError, match="'semantic'"):
        merged([make_study(SMALL), other], "both")


def test_a_row_with_its_own_part_leaves_the_settings_of_the_studys_part():
    study = make_study({**SMALL, "dataset": "3dpw", "settings": {"epochs": 3, "prior.weights": "x", "labeler.name": "gpt4o"},
        "settings_for": {"3dpw": {"prior": "motionclip"}}, "rows": [{"name": "cycleadapt"}, {"name": "semantic"}]})  # fmt: skip
    kept = {"loop.epochs": 3, "labeler.name": "gpt4o"}
    assert study.chosen(Row(name="r")) == {**kept, "prior.weights": "x", "prior.name": "motionclip"}
    assert study.chosen(Row(name="r", settings={"prior": "none"})) == {**kept, "prior.name": "none"}
    assert study.chosen(Row(name="r", settings={"prior": "infill"})) == {**kept, "prior.name": "infill"}  # other weights
    budget = study.model_copy(update={"settings": {"labeler.budget": 5.0}, "settings_for": {}})
    assert budget.chosen(Row(name="r", settings={"labeler": "gpt4o"}))["labeler.budget"] == 5.0
    assert budget.chosen(Row(name="r", settings={"labeler": "oracle"})) == {"labeler.name": "oracle"}


def test_rows_by_name_and_parts_from_outside(outside):
    study = with_rows(make_study(SMALL), ["semantic", "outside-prior", "outside-labeler", "outside-method"])
    assert study.rows[0] == Row(name="semantic")
    assert [row.settings for row in study.rows[1:]] == [
        {"prior": "outside-prior"}, {"labeler": "outside-labeler"}, {"method": "outside-method"},
    ]  # fmt: skip
    assert study.views["methods"].baseline is None  # cycleadapt is not among them
    with pytest.raises(SemttaError, match="Did you mean 'semantic'"):
        with_rows(make_study(SMALL), ["semantik"])
    assert yaml.safe_load(to_yaml(study))["rows"][1]["name"] == "outside-prior"
    assert "outside-method" in methods.names()
