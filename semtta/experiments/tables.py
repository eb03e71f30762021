"""The paper's tables as views of the runs, which are all that is stored."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from .published import comparability, published
from .records import Runs
from .runner import Record
from .statistics import mean_and_deviation, paired_difference, weighted_mean
from .study import Study, View

#: Error columns: title, and the weight of a clip's mean. Columns without any run are left out.
METRICS = {
    "mpjpe": ("MPJPE", "frames"), "pa_mpjpe": ("PA-MPJPE", "frames"), "mpvpe": ("MPVPE", "frames"),
    "mpjpe_occluded": ("MPJPE, hidden", "occluded"), "pa_mpjpe_occluded": ("PA-MPJPE, hidden", "occluded"),
    "pa_mpjpe_no_offsets": ("PA-MPJPE without offsets", "frames"), "limb_deg": ("Limb directions", "frames"),
    "joint_jitter": ("Jitter", "frames"),
}  # fmt: skip
#: Columns used without ground truth.
QUALITIES = {"reprojection_px": ("Reprojection", "frames"), "bone_variation_mm": ("Bone variation", "frames")}
UNITS = {"reprojection_px": "px", "limb_deg": "degrees", "joint_jitter": "mm/frame²"}
UNADAPTED = "unadapted"


@dataclass(frozen=True)
class Column:
    """A column. ``better``: whether the "low" or "high" value is set in bold; "": none."""

    title: str
    unit: str = ""
    digits: int = 1
    better: str = ""


@dataclass(frozen=True)
class Cell:
    """A number with its spread, if known; ``mark`` refers to a note."""

    value: float | None = None
    deviation: float | None = None  # over seeds
    low: float | None = None
    high: float | None = None
    mark: str = ""


@dataclass(frozen=True)
class Table:
    """A table; semtta.experiments.render formats it."""

    key: str  # base name of its files
    title: str
    head: str  # title of the rows
    columns: tuple[Column, ...]
    rows: tuple[tuple[str, tuple[Cell, ...]], ...]
    notes: tuple[str, ...] = ()

    def best(self, index: int) -> float | None:
        """The best value of a column, which is set in bold; None if there are fewer than two values."""
        values = [cells[index].value for _, cells in self.rows]
        known = [v for v in values if v is not None]
        better = self.columns[index].better
        return None if len(known) < 2 or not better else min(known) if better == "low" else max(known)


def make_tables(runs: Runs) -> dict[str, list[Table]]:
    """The tables of every view, the main one first."""
    makers: dict[str, Callable[[Runs, str, View], list[Table]]] = {
        "errors": errors, "runtime": runtime, "gain": gain, "fill_in": fill_in,
    }  # fmt: skip
    views = {key: view for key, view in runs.plan.study.views.items() if _rows(runs, view, adapted=view.table != "errors")}
    return {key: makers[view.table](runs, key, view) for key, view in views.items()}


def _rows(runs: Runs, view: View, adapted: bool = False) -> list[str]:
    """The names of the rows of a view; ``adapted``: without those of which nothing is adapted."""
    return [row.name for row in runs.plan.study.view_rows(view) if not (adapted and row.landmarks)]


def _notes(runs: Runs, view: View, rows: Iterable[str]) -> tuple[str, ...]:
    caption = (view.caption,) if view.caption else ()
    return (*standing(runs.plan.study), *caption, runs.plan.protocol.line, *runs.notes(rows))


def standing(study: Study) -> tuple[str, ...]:
    """Notes on the validity of a study's numbers: smoke version or not, comparable with the paper's or not."""
    smoke = ("Smoke version (--quick): a few frames and epochs. These numbers mean nothing.",) if study.quick else ()
    return (*smoke, comparability(study.dataset))


# -- errors: Tables 1, 2, 3, 4, 6, 7, 8 ---------------------------------------------------------------------------------


def errors(runs: Runs, key: str, view: View) -> list[Table]:
    """Rows x error metrics: frame-weighted means with the deviation over seeds; then paired differences from the baseline."""
    rows = _rows(runs, view)
    metrics = _metrics(runs, rows)
    if view.metrics:
        metrics = {name: metrics[name] for name in view.metrics if name in metrics}
    main = _error_table(runs, key, view, metrics, {**_clips(runs, view), "": runs.plan.tracks})
    each = runs.plan.tracks if runs.plan.study.dataset in view.each_clip_on and len(runs.plan.tracks) > 1 else ()
    own = []
    for track in each:
        table = _error_table(runs, f"{key}-{track}", view, metrics, {"": (track,)})
        own.append(replace(table, title=f"{view.title}: {track}", notes=_true_jitter(runs, rows, (track,))))
    return [main, *differences(runs, key, view, rows, metrics), *own]


def _error_table(
    runs: Runs, key: str, view: View, metrics: Mapping[str, tuple[str, str]], groups: Mapping[str, Sequence[str]]
) -> Table:
    """Rows x error metrics over groups of clips ("": without a name)."""
    rows = _rows(runs, view)
    paper = published(view.published, runs.plan.study.dataset)
    names = [UNADAPTED, *rows] if view.unadapted and _one_estimator(runs, rows) else rows
    columns: dict[Column, list[Cell]] = {}
    for group, tracks in groups.items():
        for metric, (words, _) in metrics.items():
            title, path = (f"{group}: {words}", f"{group}/{metric}") if group else (words, metric)
            column = Column(title, UNITS.get(metric, "mm"), better="low")
            columns[column] = [error_cell(runs, name, metric, tracks) for name in names]
            if any(path in numbers for numbers in paper.values()):
                column = Column(f"{title}, paper", UNITS.get(metric, "mm"))
                columns[column] = [Cell(paper.get(name, {}).get(path)) for name in names]
    body = tuple(zip(names, zip(*columns.values(), strict=True), strict=True)) if columns else tuple((n, ()) for n in names)
    tracks = [track for group in groups.values() for track in group]
    return Table(key, view.title, "", tuple(columns), body, (*_notes(runs, view, rows), *_true_jitter(runs, rows, tracks)))


def _true_jitter(runs: Runs, rows: Iterable[str], tracks: Sequence[str]) -> tuple[str, ...]:
    """A note on the jitter of the truth, if it was measured: less is not better below it."""
    found = {t: r for row in rows for (t, _), r in runs.done(row, tracks=tracks).items() if "true_jitter" in r["metrics"]}
    if not found:
        return ()
    mean = weighted_mean([r["metrics"]["true_jitter"] for r in found.values()], [r["weights"]["frames"] for r in found.values()])
    return (f"Jitter of the truth: {mean:.1f} mm/frame².",)


def _clips(runs: Runs, view: View) -> dict[str, tuple[str, ...]]:
    """The clips with columns of their own: those named by the view, or those on which the baseline is worst."""
    named = view.clips.get(runs.plan.study.dataset or "", {})
    groups = {name: tuple(fnmatch.filter(runs.plan.tracks, pattern)) for name, pattern in named.items()}
    if not named and view.hardest and view.baseline:
        worst = {t: error_cell(runs, view.baseline, "mpjpe", (t,)).value for t in runs.plan.tracks}
        ranked = sorted((t for t in worst if worst[t] is not None), key=lambda t: -(worst[t] or 0))
        groups = {t: (t,) for t in ranked[: view.hardest]}
    return {name: tracks for name, tracks in groups.items() if tracks}


def _metrics(runs: Runs, rows: Iterable[str]) -> dict[str, tuple[str, str]]:
    seen = {name for row in rows for record in runs.done(row).values() for name in record["metrics"]}
    return {k: v for k, v in METRICS.items() if k in seen} or {k: v for k, v in QUALITIES.items() if k in seen}


def _one_estimator(runs: Runs, rows: Sequence[str]) -> bool:
    used = {(str(c.estimator), c.evidence.box_scale, str(c.detector)) for c in (runs.plan.settings[row].config for row in rows)}
    return len(used) == 1


def error_cell(runs: Runs, row: str, metric: str, tracks: Sequence[str]) -> Cell:
    """Mean over the frames of ``tracks`` per seed, with mean and deviation over seeds; ``unadapted`` is the same in any row."""
    if row == UNADAPTED:
        starts: dict[str, Record] = {}
        for name in runs.records:
            for (track, _), record in runs.done(name, tracks=tracks).items():
                if record["unadapted"]:
                    starts.setdefault(track, record)
        return Cell(_mean(starts.values(), "unadapted", metric))
    means = [_mean(runs.done(row, seed, tracks).values(), "metrics", metric) for seed in range(runs.plan.study.seeds)]
    known = [mean for mean in means if mean is not None]
    if not known:
        return Cell(mark=runs.mark(row))
    return Cell(*mean_and_deviation(known), mark=runs.mark(row))


def _mean(records: Iterable[Record], kind: str, metric: str) -> float | None:
    """Mean of a metric over the frames of several clips; None if no clip has it."""
    weight = {**METRICS, **QUALITIES}[metric][1]
    pairs = [(r[kind][metric], r["weights"][weight]) for r in records if r[kind].get(metric) is not None]
    return weighted_mean(*zip(*pairs, strict=True)) if sum(w for _, w in pairs) else None


def differences(runs: Runs, key: str, view: View, rows: Sequence[str], metrics: Mapping[str, tuple[str, str]]) -> list[Table]:
    """Row minus baseline, clip by clip (mean over seeds), with its bootstrap interval over clips."""
    if view.baseline is None:
        return []
    columns = tuple(Column(title, UNITS.get(m, "mm")) for m, (title, _) in metrics.items())
    others = [row for row in rows if row != view.baseline]
    body = tuple((row, tuple(_difference(runs, row, str(view.baseline), m) for m in metrics)) for row in others)
    notes = (
        "Mean over frames of the difference on the same clip and seed, and its 95 % bootstrap interval over clips "
        f"({len(runs.plan.tracks)}; none for a single clip). Below 0 is better.",
        *runs.notes(rows),
    )
    return [Table(f"{key}-differences", f"{view.title}: difference from {view.baseline}", "", columns, body, notes)]


def _difference(runs: Runs, row: str, baseline: str, metric: str) -> Cell:
    ours, theirs = runs.done(row), runs.done(baseline)
    pairs: dict[str, list[tuple[float, float]]] = {}
    weights: dict[str, float] = {}
    for (track, seed), record in ours.items():
        other = theirs.get((track, seed))
        weight = record["weights"].get(METRICS.get(metric, ("", "frames"))[1], 0)
        value, base = record["metrics"].get(metric), (other or {"metrics": {}})["metrics"].get(metric)
        if weight and value is not None and base is not None:
            pairs.setdefault(track, []).append((value, base))
            weights[track] = weight
    if not pairs:
        return Cell(mark=runs.mark(row))
    means = [[weighted_mean([pair[i] for pair in found], [1] * len(found)) for found in pairs.values()] for i in (0, 1)]
    found = paired_difference(means[0], means[1], list(weights.values()))
    return Cell(found.mean, None, found.low, found.high, runs.mark(row))


# -- runtime: Table 5 ---------------------------------------------------------------------------------------------------


def runtime(runs: Runs, key: str, view: View) -> list[Table]:
    """Milliseconds per frame by stage; the ratio covers adaptation only, without labelling and reading."""
    rows = _rows(runs, view, adapted=True)
    paper = published(view.published, runs.plan.study.dataset)
    spent = {row: _stages(runs.done(row).values()) for row in rows}
    base = spent.get(view.baseline or "", {}).get("adapting")
    columns = [Column("adaptation", "ms/frame", better="low"), Column("labelling", "ms/frame"), Column("both", "ms/frame")]
    columns += [Column("both, paper", "ms/frame")] if paper else []
    columns += [Column("reading", "ms/frame")]
    columns += [Column(f"adaptation / {view.baseline}", "", 2)] if view.baseline else []
    body = []
    for row in rows:
        s, mark = spent[row], runs.mark(row)
        both = s["adapting"] + s["labelling"] if s else None
        cells = [Cell(s.get("adapting"), mark=mark), Cell(s.get("labelling"), mark=mark), Cell(both, mark=mark)]
        cells += [Cell(paper.get(row, {}).get("total_ms"))] if paper else []
        cells += [Cell(s.get("reading"), mark=mark)]
        cells += [Cell(s["adapting"] / base if s and base else None, mark=mark)] if view.baseline else []
        body.append((row, tuple(cells)))
    made = [record for row in rows for record in runs.done(row).values()]
    machines = ", ".join(sorted({record["hardware"] for record in made})) or "nothing yet"
    parallel = max((record["parallel"] for record in made), default=1)
    shared = f" Up to {parallel} runs shared the machine." if parallel > 1 else ""
    notes = (f"Measured on: {machines}.{shared} Reading: decoding and cropping, apart from both.", *_notes(runs, view, rows))
    return [Table(key, view.title, "", tuple(columns), tuple(body), notes)]


def _stages(records: Iterable[Record]) -> dict[str, float]:
    """Milliseconds per frame by stage, mean over all frames of all runs."""
    records = list(records)
    frames = sum(record["video_frames"] for record in records)
    stages = ("adapting", "labelling", "reading")
    return {s: 1000 * sum(r["seconds"].get(s, 0.0) for r in records) / frames for s in stages} if frames else {}


# -- gain by label: Fig. 3 ----------------------------------------------------------------------------------------------


def gain(runs: Runs, key: str, view: View) -> list[Table]:
    """MPJPE per label of the baseline (None: unadapted) and of the view's last row, and the gain; most frames first."""
    row = _rows(runs, view)[-1]
    ours, theirs = runs.done(row), runs.done(view.baseline) if view.baseline else {}
    sums: dict[str, list[float]] = {}
    for place, record in ours.items():
        mine = {x["label"]: x for x in record.get("labels", ())}
        start = mine if view.baseline is None else {x["label"]: x for x in theirs.get(place, {}).get("labels", ())}
        for label in mine.keys() & start.keys():
            frames, old = mine[label]["frames"], start[label]["before" if view.baseline is None else "after"]
            total = sums.setdefault(label, [0.0, 0.0, 0.0])
            for i, value in enumerate((1.0, old, mine[label]["after"])):
                total[i] += frames * value
    title = view.baseline or UNADAPTED
    columns = (Column("frames", "", 0), Column(title, "mm"), Column(row, "mm"), Column("gain", "mm", better="high"))
    body = []
    for label, (frames, old, new) in sorted(sums.items(), key=lambda item: (-item[1][0], item[0])):
        old, new = old / frames, new / frames
        body.append((label, tuple(Cell(v) for v in (frames / runs.plan.study.seeds, old, new, old - new))))
    return [Table(key, view.title, "label", columns, tuple(body), _notes(runs, view, [row]))]


# -- filled-in keypoints: Fig. 4 ----------------------------------------------------------------------------------------


def fill_in(runs: Runs, key: str, view: View) -> list[Table]:
    """The number of filled-in points per detected one, and the fraction of them that is correct (PCK)."""
    paper = published(view.published, runs.plan.study.dataset)
    columns = [Column("filled / detected", "", 2), Column("PCK, filled", "", 2), Column("PCK, detected", "", 2)]
    columns += [Column("filled / detected, paper", "", 2), Column("PCK, filled, paper", "", 2)] if paper else []
    body = []
    for row in _rows(runs, view):
        total: dict[str, int] = {}
        for record in runs.done(row).values():
            for name, count in (record.get("fill_in") or {}).items():
                total[name] = total.get(name, 0) + count
        pairs = (("filled", "detected"), ("filled_correct", "filled_judged"), ("detected_correct", "detected_judged"))
        cells = [Cell(total[a] / total[b] if total.get(b) else None, mark=runs.mark(row)) for a, b in pairs]
        cells += [Cell(paper.get(row, {}).get(name)) for name in ("share", "pck")] if paper else []
        body.append((row, tuple(cells)))
    return [Table(key, view.title, "", tuple(columns), tuple(body), _notes(runs, view, _rows(runs, view)))]
