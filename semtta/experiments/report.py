"""The outputs of a study: tables, figures, and one self-contained page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from ..visualization.page import page
from . import figures
from .records import Runs
from .render import to_csv, to_html, to_latex, to_markdown
from .runner import StudyFolder, writing
from .study import to_yaml
from .tables import METRICS, Table, make_tables, standing

TABLES, FIGURES, PAGE, MARKDOWN = "tables", "figures", "report.html", "report.md"


@dataclass(frozen=True)
class Written:
    """The outputs that were written."""

    tables: tuple[Table, ...]
    failures: tuple[str, ...]
    page: Path


def write_report(runs: Runs, folder: StudyFolder) -> Written:
    """Write every table (Markdown, LaTeX, CSV), figure (PNG, SVG), ``report.md`` and ``report.html`` into the folder."""
    made = make_tables(runs)
    drawn: dict[str, str] = {}
    for key, tables in made.items():
        for table in tables:
            for suffix, form in (("md", to_markdown), ("tex", to_latex), ("csv", to_csv)):
                folder.write_file(f"{TABLES}/{table.key}.{suffix}", form(table))
        drawing = figures.figure(runs.plan.study.views[key], tables[0])
        if drawing is not None:
            with writing(folder.path):
                drawn[key] = figures.save(drawing, folder.path / FIGURES, key)
    failures = runs.failures()
    folder.write_file(MARKDOWN, _markdown(runs, made, drawn, failures))
    folder.write_file(PAGE, _page(runs, made, drawn, failures))
    return Written(tuple(table for tables in made.values() for table in tables), tuple(failures), folder.path / PAGE)


def facts(runs: Runs) -> dict[str, str]:
    """Facts that a reader needs to interpret the numbers."""
    study = runs.plan.study
    made = [record for row in runs.records for record in runs.done(row).values()]
    frames = {record["track"]: record["weights"]["frames"] for record in made}
    dates = sorted(record["made"][:10] for record in made)
    return {
        "Dataset": f"{study.dataset}, split {study.split}",
        "Clips": f"{len(runs.plan.tracks)}, {sum(frames.values())} frames evaluated"
        + (f", the first {study.frames} frames of each" if study.frames else ""),
        "Protocol": runs.plan.protocol.name,
        "Seeds": ", ".join(map(str, range(study.seeds))),
        "Runs": f"{len(made)} done of {sum(runs.total for _ in runs.records)}",
        "Hardware": _all(record["hardware"] for record in made),
        "Versions": _all(", ".join(f"{k} {v}" for k, v in record["versions"].items()) for record in made),
        "Commit": _all(record["commit"] or "unknown" for record in made),
        "Made": f"{dates[0]} to {dates[-1]}" if dates and dates[0] != dates[-1] else dates[0] if dates else "–",
    }


def _all(values: Iterable[str]) -> str:
    return "; ".join(sorted(set(values))) or "–"


def _markdown(runs: Runs, made: Mapping[str, list[Table]], drawn: Mapping[str, str], failures: list[str]) -> str:
    study = runs.plan.study
    parts = [f"## {study.title or study.name}\n", " ".join(standing(study)) + "\n"]
    parts.append("".join(f"- {k}: {v}\n" for k, v in facts(runs).items()))
    for key, tables in made.items():
        parts += [to_markdown(table) for table in tables]
        parts += [f"![{tables[0].title}]({FIGURES}/{key}.svg)\n"] if key in drawn else []
    if failures:
        parts.append("### Failed runs\n\n" + "".join(f"- {line}\n" for line in failures))
    return "\n".join(parts)


def _page(runs: Runs, made: Mapping[str, list[Table]], drawn: Mapping[str, str], failures: list[str]) -> str:
    study = runs.plan.study
    sections = []
    for key, tables in made.items():
        drawing = drawn.get(key, "")
        # matplotlib's own SVG, in which it has escaped what it was given
        picture = Markup("<figure>{}</figure>").format(Markup(drawing[drawing.index("<svg") :])) if drawing else Markup()
        main, *others = tables
        sections.append([to_html(main, picture), *map(to_html, others)])
    notes = sorted({note for row in runs.records for record in runs.done(row).values() for note in record["messages"]})
    return page(
        "study.html",
        title=study.title or study.name,
        lead=" ".join(standing(study)),
        facts=facts(runs),
        failures=failures,
        sections=sections,
        clips=_clips(runs),
        messages=notes,
        study=to_yaml(study),
    )


def _clips(runs: Runs) -> dict[str, Any] | None:
    """The numbers of all clips: rows x clips, with the best row of each clip marked; None without any."""
    metric = next((m for m in METRICS if any(m in r["metrics"] for row in runs.records for r in runs.done(row).values())), "")
    if not metric:
        return None
    tracks = runs.plan.tracks
    values = {row: [_over_seeds(runs, row, t, metric) for t in tracks] for row in runs.records}
    best = [min((x for x in column if x is not None), default=None) for column in zip(*values.values(), strict=True)]
    rows = [(row, [(x, x == b) for x, b in zip(own, best, strict=True)]) for row, own in values.items()]
    return {"title": METRICS[metric][0], "tracks": tracks, "rows": rows}


def _over_seeds(runs: Runs, row: str, track: str, metric: str) -> float | None:
    found: list[Any] = [r["metrics"].get(metric) for r in runs.done(row, tracks=(track,)).values()]
    known = [value for value in found if value is not None]
    return sum(known) / len(known) if known else None
