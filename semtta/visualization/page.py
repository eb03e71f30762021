"""Parts of self-contained pages: templates, embedded images, SVG charts."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Sequence
from html import escape
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from ..rendering.drawing import AFTER, BEFORE, FILLED_IN, Color, Image


def fill(template: str, **parts: str) -> str:
    """The package's file ``template`` with every ``{{name}}`` replaced by its part, which must be HTML already."""
    text = (files(__package__) / template).read_text(encoding="utf-8")
    colors = {"before_color": css(BEFORE), "after_color": css(AFTER), "filled_color": css(FILLED_IN)}
    for name, part in {**colors, **parts}.items():
        text = text.replace("{{" + name + "}}", part)
    return text


def css(color: Color) -> str:
    """A colour in CSS notation."""
    return "#{:02x}{:02x}{:02x}".format(*color)


def picture(image: Image, alt: str) -> str:
    """An ``<img>`` with the image embedded as JPEG."""
    from PIL import Image as Pillow

    buffer = io.BytesIO()
    Pillow.fromarray(image).save(buffer, "JPEG", quality=84, optimize=True)
    data = base64.b64encode(buffer.getvalue()).decode()
    height, width = image.shape[:2]
    return f'<img alt="{escape(alt)}" width="{width}" height="{height}" src="data:image/jpeg;base64,{data}">'


def number(value: float) -> str:
    """A number with three significant digits and no exponent: 0.000123, 0.12, 4.56, 123."""
    if value == 0:
        return "0"
    digits = 2 - math.floor(math.log10(abs(value)))
    text = f"{value:.{min(max(digits, 0), 6)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def line_chart(values: Sequence[float | None], title: str, note: str = "") -> str:
    """A small SVG curve of one value per epoch (None: a gap), with its first and last value written out."""
    width, height, left, right, top, bottom = 260, 120, 8, 8, 10, 20
    points = [(i, v) for i, v in enumerate(values) if v is not None and math.isfinite(v)]
    if not points:
        return ""
    low, high = min(v for _, v in points), max(v for _, v in points)
    low, high = (low, high) if high > low else (low - 0.5, high + 0.5)

    def place(index: int, value: float) -> tuple[float, float]:
        x = left + (width - left - right) * (index / max(1, len(values) - 1))
        return round(x, 1), round(top + (height - top - bottom) * (1 - (value - low) / (high - low)), 1)

    runs: list[list[tuple[float, float]]] = []
    for index, value in points:
        if not runs or values[index - 1] is None:
            runs.append([])
        runs[-1].append(place(index, value))
    lines = "".join(f'<polyline points="{" ".join(f"{x},{y}" for x, y in run)}"/>' for run in runs)
    dots = "".join(
        f'<circle cx="{x}" cy="{y}" r="2.6"><title>epoch {i + 1}: {number(v)}</title></circle>'
        for i, v in points
        for x, y in (place(i, v),)
    )
    base = height - bottom
    grid = f'<line x1="{left}" x2="{width - right}" y1="{base}" y2="{base}"/>'
    ends = (
        f'<text x="{left}" y="{height - 5}">epoch 1</text>'
        f'<text x="{width - right}" y="{height - 5}" text-anchor="end">{len(values)}</text>'
    )
    first, last = points[0][1], points[-1][1]
    return (
        f'<figure class="chart"><figcaption><b>{escape(title)}</b><span>{number(first)} → '
        f"<strong>{number(last)}</strong></span></figcaption>"
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(title)} per epoch">'
        f'<g class="grid">{grid}</g><g class="curve">{lines}{dots}</g><g class="ticks">{ends}</g></svg>'
        f"<p>{escape(note)}</p></figure>"
    )


def stacked_strip(shares: Sequence[tuple[str, NDArray[np.floating]]], bins: int = 240) -> str:
    """Stacked fractions over time [T] in [0, 1] as filled SVG steps; long clips are averaged into bins."""
    length = len(shares[0][1])
    edges = np.unique(np.linspace(0, length, min(bins, length) + 1).round().astype(int))
    widths = np.diff(edges)
    floor = np.zeros(len(widths))
    paths = []
    for name, share in shares:
        top = floor + np.add.reduceat(np.asarray(share, float), edges[:-1]) / widths
        outline = [f"M{edges[0]},{1 - floor[0]:.3f}"]
        outline += [f"V{1 - t:.3f}H{edge}" for t, edge in zip(top, edges[1:], strict=True)]
        outline += [f"V{1 - f:.3f}H{edge}" for f, edge in zip(floor[::-1], edges[-2::-1], strict=True)]
        paths.append(f'<path class="{name}" d="{"".join(outline)}Z"/>')
        floor = top
    box = f'viewBox="0 0 {length} 1" preserveAspectRatio="none"'
    return f'<svg class="strip" {box} aria-hidden="true">{"".join(paths)}</svg>'
