"""The definition of a study: its rows, its dataset and clips, and the tables and figures that are views of the runs."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field

from ..build import REGISTRIES, resolve
from ..datasets import Dataset, datasets, open_dataset
from ..errors import SemttaError, unknown_name
from ..io.forms import checked
from ..io.yaml_files import parse_yaml, read_yaml
from ..io.yaml_files import to_yaml as as_yaml
from ..settings import SINGLE_ROLES, Settings, flatten

#: The smoke version: enough to run every line of code, far too little for a result.
QUICK_CLIPS, QUICK_FRAMES, QUICK_SETTINGS = 2, 20, {"loop.epochs": 2, "loop.min_steps": 1}


#: Fields that merged studies must have in common.
SHARED = ("preset", "preset_for", "settings", "settings_for")


class Row(Settings):
    """One row of a table: a preset and settings that override it."""

    name: str = Field(min_length=1)
    preset: str | None = None  # None: the study's
    settings: dict[str, Any] = Field({})
    landmarks: bool = False  # nothing is adapted: the detector's 3D landmarks alone
    only_on: tuple[str, ...] = ()  # datasets that have this row; empty: all
    not_on: tuple[str, ...] = ()  # datasets that do not have it

    def is_on(self, dataset: str) -> bool:
        return dataset not in self.not_on and (not self.only_on or dataset in self.only_on)


class View(Settings):
    """A table or figure of the runs."""

    table: Literal["errors", "runtime", "gain", "fill_in"]
    title: str
    caption: str = ""
    rows: tuple[str, ...] = ()  # names of rows; empty: all
    baseline: str | None = None  # the row that the others are compared with, clip by clip
    published: str | None = None  # table of semtta.experiments.published
    unadapted: bool = True  # whether the unadapted network is the first row
    metrics: tuple[str, ...] = ()  # error columns, named as in semtta.metrics.evaluate; empty: all available
    clips: dict[str, dict[str, str]] = Field({})  # dataset -> name -> pattern (*) of clips with columns of their own
    each_clip_on: tuple[str, ...] = ()  # datasets on which every clip has a table of its own too
    hardest: int = Field(0, ge=0, le=100_000)  # on other datasets: the number of clips on which the baseline is worst
    only_on: tuple[str, ...] = ()  # datasets that have this view; empty: all


class Study(Settings):
    """A study, as its YAML file describes it."""

    name: str = Field(min_length=1, pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]*$")
    title: str = ""
    dataset: str | None = None
    root: str | None = None
    split: str = "test"
    protocol: str | None = None  # of evaluation; None: the dataset's default
    tracks: tuple[str, ...] = ()  # empty: all of the split
    max_tracks: int | None = Field(None, ge=1, le=100_000)  # at most this many, spread evenly over the list
    frames: int | None = Field(None, ge=4, le=10_000_000)  # the first frames of each clip; None: all
    seeds: int = Field(1, ge=1, le=1000)  # 0, 1, ...
    quick: bool = False
    preset: str = "best"  # of rows without a preset
    preset_for: dict[str, str] = Field({})  # dataset -> preset of those rows on it
    settings: dict[str, Any] = Field({})  # for all rows; a row's own settings override them
    settings_for: dict[str, dict[str, Any]] = Field({})  # dataset -> settings for all rows on it
    rows: tuple[Row, ...] = Field(min_length=1, max_length=1000)
    views: dict[str, View] = Field(min_length=1)

    def open(self) -> Dataset:
        """The dataset; SemttaError if it is missing."""
        assert self.dataset is not None
        return open_dataset(self.dataset, self.root, self.split, self.protocol)

    def preset_of(self, row: Row) -> str:
        """The preset of a row, which its settings override."""
        return row.preset or self.preset_for.get(self.dataset or "", self.preset)

    def chosen(self, row: Row) -> dict[str, Any]:
        """The settings over the row's preset.

        A part that the row names takes of the study's settings of its role only those that it declares, and none that the
        study gives to another part.
        """
        shared = {**flatten(self.settings), **flatten(self.settings_for.get(self.dataset or "", {}))}
        own = flatten(row.settings)
        for role in SINGLE_ROLES:
            name = own.get(f"{role}.name")
            if name is not None:
                declared = REGISTRIES[role].entry(name).settings.model_fields
                fits = shared.get(f"{role}.name", name) == name
                of_role = [key for key in shared if key.startswith(f"{role}.")]
                shared = {
                    k: v for k, v in shared.items() if k not in of_role or (fits and k.partition(".")[2] in declared)
                }  # fmt: skip
        return {**shared, **own}

    def view_rows(self, view: View) -> list[Row]:
        """The rows of a view on the study's dataset, in the view's order; empty if the dataset does not have the view."""
        if view.only_on and self.dataset not in view.only_on:
            return []
        named = {row.name: row for row in self.rows if row.is_on(self.dataset or "")}
        return [named[name] for name in view.rows or named if name in named]


def included() -> list[str]:
    """The names of the included studies: the paper's tables."""
    names = (item.name for item in (files(__package__) / "studies").iterdir())
    return sorted(name.removesuffix(".yaml") for name in names if name.endswith(".yaml"))


def read_study(source: str | Path) -> Study:
    """Read a study from a YAML file, or an included one by name; SemttaError with the first problem in one line."""
    names = included()
    if str(source) in names:
        text = (files(__package__) / "studies" / f"{source}.yaml").read_text(encoding="utf-8")
        loaded = parse_yaml(text, f"the study {source}")
    elif os.path.isdir(source) or not os.path.exists(source):  # unlike Path's, they take names of any length
        raise SemttaError(f"There is no study file {source}. Included: {', '.join(names)}.")
    else:
        loaded = read_yaml(source, "study")
    if not isinstance(loaded, dict):
        raise SemttaError(f"{source} is not a study: a mapping with 'rows' and 'views' is expected.")
    return make_study({"name": Path(source).stem, **loaded}, str(source))


def make_study(values: Mapping[str, Any], source: str = "study") -> Study:
    """Build a study from a mapping; SemttaError that names ``source`` and the location of the first error."""
    _check_keys(values, Study, source)
    for kind, items in (("row", values.get("rows")), ("view", values.get("views"))):
        nested = items.values() if isinstance(items, Mapping) else items if isinstance(items, list) else []
        for item in nested:
            if isinstance(item, Mapping):
                _check_keys(item, Row if kind == "row" else View, f"{source}, a {kind}")
    return _consistent(checked(Study, dict(values), source), source)


def _check_keys(values: Mapping[str, Any], model: type[BaseModel], source: str) -> None:
    for key in values:
        if key not in model.model_fields:
            raise SemttaError(f"{source}: {unknown_name('key', str(key), model.model_fields)}")


def _consistent(study: Study, source: str) -> Study:
    names = [row.name for row in study.rows]
    duplicate, count = Counter(names).most_common(1)[0]
    if count > 1:
        raise SemttaError(f"{source}: two rows are called '{duplicate}'.")
    for key, view in study.views.items():
        for name in (*view.rows, *([view.baseline] if view.baseline else [])):
            if name not in names:
                raise SemttaError(f"{source}: view '{key}': {unknown_name('row', name, names)}")
    return study


def check_names(study: Study) -> None:
    """Raise SemttaError for an unknown preset, setting, value, part or dataset in the study."""
    if study.dataset is None:
        raise SemttaError(f"The study '{study.name}' names no dataset: give one with --dataset ({', '.join(datasets.names())}).")
    datasets.entry(study.dataset)
    for row in study.rows:
        if not row.is_on(study.dataset):
            continue
        try:
            chosen = study.chosen(row)
            if "preset" in chosen:
                raise SemttaError("a preset is not read among the settings: write it beside them.")
            resolve(study.preset_of(row), chosen)
        except SemttaError as error:
            raise SemttaError(f"Row '{row.name}': {error}") from error


def merged(studies: Sequence[Study], name: str, title: str = "") -> Study:
    """One study with the rows and views of several; their settings, and rows with the same name, must be equal."""
    rows: dict[str, Row] = {}
    views: dict[str, View] = {}
    for study in studies:
        if any(getattr(study, name) != getattr(studies[0], name) for name in SHARED):
            raise SemttaError(f"The settings of the study '{study.name}' differ from those of '{studies[0].name}'.")
        own = [row.name for row in study.rows]
        for row in study.rows:
            if rows.setdefault(row.name, row) != row:
                raise SemttaError(f"The row '{row.name}' of the study '{study.name}' differs from that of another study.")
        for key, view in study.views.items():
            views[key] = view if view.rows else view.model_copy(update={"rows": tuple(own)})
    return studies[0].model_copy(update={"name": name, "title": title, "rows": tuple(rows.values()), "views": views})


def with_rows(study: Study, names: Sequence[str]) -> Study:
    """The study with only these rows; the name of a method, prior or labeler gives the row ``semantic`` with that part."""
    known = {row.name: row for row in study.rows}
    base = known.get("semantic", study.rows[-1])
    rows = []
    for name in dict.fromkeys(names):
        role = next((role for role in ("method", "prior", "labeler") if name in REGISTRIES[role]), None)
        if name not in known and role is None:
            raise unknown_name("method", name, {*known, *REGISTRIES["method"].names()})
        rows.append(known.get(name) or Row(name=name, preset=base.preset, settings={**base.settings, str(role): name}))
    if not rows:
        raise SemttaError(f"No method is chosen: give names of rows ({', '.join(known)}).")
    chosen = {row.name for row in rows}
    views = {
        key: view.model_copy(update={"rows": (), "baseline": view.baseline if view.baseline in chosen else None})
        for key, view in study.views.items()
    }
    return study.model_copy(update={"rows": tuple(rows), "views": views})


def made_quick(study: Study) -> Study:
    """The smoke version of a study: two clips of ``val``, a few frames, two epochs."""
    settings = {**flatten(study.settings), **QUICK_SETTINGS}
    return study.model_copy(
        update={
            "quick": True, "split": "val", "seeds": 1, "frames": QUICK_FRAMES, "max_tracks": QUICK_CLIPS, "settings": settings,
        }
    )  # fmt: skip


def to_yaml(study: Study) -> str:
    """The study as YAML for ``read_study``."""
    return as_yaml(study.model_dump(mode="json", exclude_defaults=True))
