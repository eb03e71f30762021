"""Figures 3 and 4, drawn from the numbers of the tables, as PNG and SVG."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..io.files import write_atomically
from .study import View
from .tables import Table

TOP_LABELS = 7
BLUE, GREEN, RED, INK, SOFT = "#3f6fb5", "#3d9a63", "#b8503f", "#1d2126", "#646c76"


def figure(view: View, table: Table) -> Any:
    """The figure of a view; None if it has none or there is nothing to draw."""
    from matplotlib import rc_context

    draw: Callable[[Table], Any] | None = {"gain": gain, "fill_in": fill_in}.get(view.table)
    with rc_context({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False, "axes.edgecolor": SOFT}):
        return draw(table) if draw else None


def _axes(columns: int, width: float, height: float) -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    drawing = Figure(figsize=(width, height), layout="constrained")
    return drawing, drawing.subplots(1, columns)


def gain(table: Table) -> Any:
    """Fig. 3: the reduction of the error for the labels with the most frames."""
    rows = [(name, cells[0].value, cells[3].value) for name, cells in table.rows[:TOP_LABELS] if cells[3].value is not None]
    if not rows:
        return None
    rows.reverse()  # first row at the top
    drawing, axes = _axes(1, 6.0, 0.7 + 0.3 * len(rows))
    values = [value for _, _, value in rows]
    bars = axes.barh([name for name, _, _ in rows], values, color=[GREEN if v >= 0 else RED for v in values], height=0.62)
    axes.bar_label(bars, [f"{v:+.1f}" for v in values], padding=3, color=INK)
    axes.axvline(0, color=SOFT, linewidth=0.8)
    axes.margins(x=0.18)
    axes.set_xlabel(f"MPJPE of {table.columns[1].title} minus that of {table.columns[2].title} (mm)")
    axes.tick_params(left=False)
    return drawing


def fill_in(table: Table) -> Any:
    """Fig. 4: fraction of filled-in points and their PCK against the threshold."""
    rows = [(name, [cell.value for cell in cells[:3]]) for name, cells in table.rows if cells[0].value is not None]
    if not rows:
        return None
    names = [name.removeprefix("sigma ") for name, _ in rows]
    drawing, (left, right) = _axes(2, 7.0, 2.7)
    share, correct = [v[0] for _, v in rows], [v[1] for _, v in rows]
    bars = left.bar(names, share, color=BLUE, width=0.62)
    left.bar_label(bars, [f"{v:.2f}" for v in share], padding=2, color=INK)
    left.set_title("Filled-in points per detected point", fontsize=9, loc="left")
    bars = right.bar(names, [v or 0 for v in correct], color=GREEN, width=0.62)
    right.bar_label(bars, ["none" if v is None else f"{v:.2f}" for v in correct], padding=2, color=INK)
    right.set_title("Fraction of them that is correct (PCK)", fontsize=9, loc="left")
    right.set_ylim(0, 1.1)
    detected = [v[2] for _, v in rows if v[2] is not None]
    if detected:
        right.axhline(detected[0], color=SOFT, linewidth=1, linestyle="--")
        right.text(0.01, detected[0] + 0.015, "detected points", transform=right.get_yaxis_transform(), color=SOFT)
    for axes in (left, right):
        axes.margins(y=0.12)
        axes.set_xlabel("fill-in threshold σ")
    return drawing


def save(drawing: Any, folder: Path, name: str) -> str:
    """Write ``name.png`` and ``name.svg``; returns the SVG's text."""
    from matplotlib import rc_context

    with rc_context({"svg.hashsalt": name, "svg.fonttype": "path"}):
        buffer = io.StringIO()
        drawing.savefig(buffer, format="svg", metadata={"Date": None})
    write_atomically(folder / f"{name}.png", lambda path: drawing.savefig(path, format="png", dpi=200))
    write_atomically(folder / f"{name}.svg", lambda path: path.write_text(buffer.getvalue(), encoding="utf-8"))
    return buffer.getvalue()
