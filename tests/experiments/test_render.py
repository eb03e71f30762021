"""The same small table in every format, to the letter."""

from __future__ import annotations

import csv
import io

from rich.console import Console

from semtta.experiments.render import text, to_csv, to_html, to_latex, to_markdown, to_rich
from semtta.experiments.tables import Cell, Column, Table

TABLE = Table(
    "components", "Components (Table 3)", "",
    (Column("MPJPE", "mm", better="low"), Column("MPJPE, paper", "mm"), Column("filled / detected", "", 2)),
    (
        ("cycleadapt", (Cell(87.66, 0.31), Cell(87.7), Cell(None))),
        ("+ alignment & EMA_1", (Cell(79.249, 0.4, mark="†"), Cell(79.3), Cell(0.361, low=-0.2, high=0.5))),
    ),
    ("† without 1 of 24 clips.", "100 % plain"),
)  # fmt: skip


def test_a_cell_shows_what_is_known():
    assert text(Cell(1.25), Column("x", digits=1)) == "1.2"
    assert text(Cell(1.25, 0.5), Column("x", digits=2)) == "1.25 ± 0.50"
    assert text(Cell(-3.21, None, -4.06, -2), Column("x")) == "-3.2 [-4.1, -2.0]"
    assert text(Cell(mark="‡"), Column("x")) == "–‡"


def test_markdown():
    assert to_markdown(TABLE) == (
        "### Components (Table 3)\n"
        "\n"
        "|  | MPJPE (mm) | MPJPE, paper (mm) | filled / detected |\n"
        "|---|---:|---:|---:|\n"
        "| cycleadapt | 87.7 ± 0.3 | 87.7 | – |\n"
        "| + alignment & EMA_1 | **79.2 ± 0.4†** | 79.3 | 0.36 [-0.20, 0.50] |\n"
        "\n"
        "† without 1 of 24 clips.  \n"
        "100 % plain\n"
    )


def test_latex():
    assert to_latex(TABLE) == (
        "\\begin{table}\n"
        "\\centering\n"
        "\\caption{Components (Table 3). $^\\dagger$ without 1 of 24 clips. 100 \\% plain.}\n"
        "\\label{tab:components}\n"
        "\\begin{tabular}{lrrr}\n"
        "\\toprule\n"
        " & MPJPE (mm) & MPJPE, paper (mm) & filled / detected \\\\\n"
        "\\midrule\n"
        "cycleadapt & 87.7 $\\pm$ 0.3 & 87.7 & -- \\\\\n"
        "+ alignment \\& EMA\\_1 & \\textbf{79.2 $\\pm$ 0.4$^\\dagger$} & 79.3 & 0.36 [-0.20, 0.50] \\\\\n"
        "\\bottomrule\n"
        "\\end{tabular}\n"
        "\\end{table}\n"
    )


def test_csv_has_every_digit():
    rows = list(csv.reader(io.StringIO(to_csv(TABLE))))
    assert rows[0] == [
        "row", "MPJPE (mm)", "MPJPE deviation", "MPJPE, paper (mm)", "filled / detected", "filled / detected low",
        "filled / detected high",
    ]  # fmt: skip
    assert rows[1] == ["cycleadapt", "87.66", "0.31", "87.7", "", "", ""]
    assert rows[2] == ["'+ alignment & EMA_1", "79.249", "0.4", "79.3", "0.361", "-0.2", "0.5"]


def test_html_is_safe():
    page = to_html(Table("k", "a < b", "", TABLE.columns, TABLE.rows, ()))
    assert "<h3>a &lt; b</h3>" in page
    assert "<td><b>79.2 ± 0.4†</b></td>" in page
    assert "alignment &amp; EMA_1" in page


def test_rich_keeps_brackets_and_names():
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(to_rich(TABLE))
    shown = console.export_text()
    assert "+ alignment & EMA_1" in shown
    assert "0.36 [-0.20, 0.50]" in shown
    assert "**" not in shown


def test_the_best_of_a_column_is_bold_when_there_are_two():
    assert TABLE.best(0) == 79.249
    assert TABLE.best(1) is None  # the paper's column has no winner of ours
    alone = Table("k", "t", "", TABLE.columns, TABLE.rows[:1])
    assert alone.best(0) is None
