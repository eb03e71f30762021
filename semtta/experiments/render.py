"""Tables as Rich, Markdown, LaTeX (booktabs), CSV and HTML."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from markupsafe import Markup

from ..errors import printable
from ..io.text import defused
from ..visualization.page import part
from .tables import Cell, Column, Table

if TYPE_CHECKING:
    from rich.table import Table as RichTable

NOTHING = "–"
_LATEX = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", **{c: rf"\{c}" for c in "&%$#_{}"}}


def text(cell: Cell, column: Column) -> str:
    """A cell as text: "76.4 ± 0.3", "-3.2 [-4.1, -2.0]", "–" if empty; with the mark of its note."""
    if cell.value is None:
        return NOTHING + cell.mark
    out = f"{cell.value:.{column.digits}f}"
    if cell.deviation is not None:
        out += f" ± {cell.deviation:.{column.digits}f}"
    if cell.low is not None and cell.high is not None:
        out += f" [{cell.low:.{column.digits}f}, {cell.high:.{column.digits}f}]"
    return out + cell.mark


def title(column: Column) -> str:
    """A column's title with its unit: "MPJPE (mm)"."""
    return f"{column.title} ({column.unit})" if column.unit else column.title


def cells_of(table: Table, bold: str, end: str = "") -> list[tuple[str, list[str]]]:
    """The rows with every cell as text, the best of each column between ``bold`` and ``end``."""
    best = [table.best(i) for i in range(len(table.columns))]

    def one(index: int, cell: Cell) -> str:
        shown = text(cell, table.columns[index])
        wanted = f"{best[index]:.{table.columns[index].digits}f}" if best[index] is not None else None
        is_best = cell.value is not None and f"{cell.value:.{table.columns[index].digits}f}" == wanted
        return f"{bold}{shown}{end}" if is_best else shown

    return [(name, [one(i, cell) for i, cell in enumerate(cells)]) for name, cells in table.rows]


def to_rich(table: Table) -> RichTable:
    """A table for the terminal, with the notes as caption."""
    from rich.table import Table as RichTable
    from rich.text import Text

    def plain(words: str, style: str = "") -> Text:
        return Text(printable(words), style)  # not a str, which rich would read as markup

    units = {column.unit for column in table.columns}
    shared = units.pop() if len(units) == 1 else ""
    heading = f"{table.title}, {shared}" if shared else table.title
    notes = plain("\n".join(table.notes))
    out = RichTable(title=plain(heading), caption=notes, caption_justify="left", title_justify="left")
    widest = min(60, max((len(name) for name, _ in table.rows), default=0))
    out.add_column(plain(table.head), overflow="fold", min_width=widest)
    for column in table.columns:
        out.add_column(plain(column.title if shared else title(column)), justify="right")
    for name, cells in cells_of(table, "**", "**"):
        shown = (plain(c.strip("*"), "bold" if c.startswith("**") else "") for c in cells)
        out.add_row(plain(name), *shown)
    return out


def to_markdown(table: Table) -> str:
    """The table in Markdown, with a heading and its notes."""
    heads = [table.head, *map(title, table.columns)]
    lines = [f"### {table.title}", "", _line(heads), "|---|" + "---:|" * len(table.columns)]
    lines += [_line([name, *cells]) for name, cells in cells_of(table, "**", "**")]
    return "\n".join([*lines, "", *(f"{note}  " for note in table.notes)]).rstrip() + "\n"


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"


def to_latex(table: Table) -> str:
    """A LaTeX ``table`` environment with booktabs rules; the notes become its caption."""
    rows = cells_of(table, "\0", "\1")
    heads = " & ".join([_tex(table.head), *(_tex(title(column)) for column in table.columns)])
    body = "\n".join(" & ".join([_tex(name), *map(_tex, cells)]) + r" \\" for name, cells in rows)
    caption = " ".join(_tex(f"{part}.") if not part.endswith(".") else _tex(part) for part in (table.title, *table.notes))
    return (
        "\\begin{table}\n\\centering\n"
        f"\\caption{{{caption}}}\n\\label{{tab:{table.key}}}\n"
        f"\\begin{{tabular}}{{l{'r' * len(table.columns)}}}\n\\toprule\n{heads} \\\\\n\\midrule\n{body}\n\\bottomrule\n"
        "\\end{tabular}\n\\end{table}\n"
    )


def _tex(words: str) -> str:
    out = "".join(_LATEX.get(letter, letter) for letter in words)
    for sign, tex in (
        ("±", r"$\pm$"), ("–", "--"), ("†", r"$^\dagger$"), ("‡", r"$^\ddagger$"), ("\0", r"\textbf{"), ("\1", "}"),
        ("σ", r"$\sigma$"), ("α", r"$\alpha$"),
    ):  # fmt: skip
        out = out.replace(sign, tex)
    return out


def to_csv(table: Table) -> str:
    """All numbers in full precision: value and, if available, deviation, low and high of each column."""
    parts = ("deviation", "low", "high")
    used = [[part for part in parts if any(getattr(cells[i], part) is not None for _, cells in table.rows)]
            for i in range(len(table.columns))]  # fmt: skip
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    heads = [[title(c), *(f"{c.title} {part}" for part in extra)] for c, extra in zip(table.columns, used, strict=True)]
    writer.writerow([defused(table.head or "row"), *(defused(head) for group in heads for head in group)])
    for name, cells in table.rows:
        values = [[cell.value, *(getattr(cell, part) for part in extra)] for cell, extra in zip(cells, used, strict=True)]
        writer.writerow([defused(name), *("" if value is None else repr(value) for group in values for value in group)])
    return out.getvalue()


def to_html(table: Table, picture: Markup | None = None) -> Markup:
    """The table in HTML: a heading, ``picture``, a ``<table>`` and its notes."""
    return part("table.html", table=table, rows=cells_of(table, "\0"), bold="\0", picture=picture or "")
