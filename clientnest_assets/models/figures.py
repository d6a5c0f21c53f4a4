"""Figures as pages and Markdown hold them: PNG inline, nothing to fetch, no window system; and one look for all.

What is drawn is each model's own matter.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH_INCHES: Final = 4.8
"""Narrow, so that ten points can still be read where a phone shows the whole width."""
PAGE_DOTS_PER_INCH: Final = 200
UI_DOTS_PER_INCH: Final = 100
"""Dagster keeps what its UI shows in the event log, for every run."""
INK: Final = "#111827"
MODEL_COLOUR: Final = "#1d4ed8"
RULE_COLOURS: Final = ("#6b7280", "#d97706", "#047857", "#be185d")
"""Each dark enough on white, and told from the others without colour sight by lightness and marker."""
AXIS_COLOUR: Final = "#9ca3af"
ALLOWED_COLOUR: Final = "#dbe3ee"
FAILED_COLOUR: Final = "#b91c1c"
BAND_OPACITY: Final = 0.18
GROUP_COLOURS: Final = ("#1d4ed8", "#d97706", "#047857", "#be185d", "#0891b2", "#7c3aed", "#65a30d", "#374151")
GROUP_MARKERS: Final = ("o", "s", "^", "D", "v", "P", "X", "*")


def canvas(title: str, *, height: float) -> tuple[Figure, Axes]:
    """An empty figure with one plot; `height` is in inches."""
    figure, (axes,) = canvases(1, height=height)
    axes.set_title(title, loc="left", fontsize=10, fontweight="bold", wrap=True)
    return figure, axes


def canvases(count: int, *, height: float, columns: int = 1) -> tuple[Figure, list[Axes]]:
    """An empty figure with so many plots, row by row; `height` is that of a row, in inches."""
    from matplotlib.figure import Figure

    rows = -(-max(count, 1) // columns)
    figure = Figure(figsize=(WIDTH_INCHES, height * rows), layout="constrained")
    every = figure.subplots(rows, columns, squeeze=False).ravel().tolist()
    for axes in every:
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=9)
    for axes in every[max(count, 1) :]:
        axes.set_visible(False)
    return figure, every[: max(count, 1)]


def short_names(columns: Iterable[str]) -> list[str]:
    """Features' names for an axis: without their views, where that leaves them apart."""
    names = list(columns)
    short = [name.rpartition("__")[2] for name in names]
    return [
        brief if short.count(brief) == 1 else name.replace("__", "\n") for name, brief in zip(names, short, strict=True)
    ]


def png(figure: Figure, dots_per_inch: int = UI_DOTS_PER_INCH) -> bytes:
    """The figure as a PNG. The same figure gives the same bytes."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dots_per_inch, metadata={"Software": None})
    return buffer.getvalue()


def data_uri(figure: Figure, dots_per_inch: int = PAGE_DOTS_PER_INCH) -> str:
    """The figure as an address that holds the picture itself."""
    return "data:image/png;base64," + base64.b64encode(png(figure, dots_per_inch)).decode()


def markdown(figure: Figure, alternative: str) -> str:
    """The figure as Markdown, which Dagster's UI shows; `alternative` says in words what it shows."""
    return f"![{alternative}]({data_uri(figure, UI_DOTS_PER_INCH)})"


def described(figure: Figure) -> str:
    """What a figure shows, in words, for who cannot see it: titles, axes and what is drawn in which."""
    told = [_described(axes) for axes in figure.axes if axes.get_visible() and axes.get_label() != "<colorbar>"]
    shared = [
        text.get_text() for text in (getattr(figure, "_supxlabel", None), getattr(figure, "_supylabel", None)) if text
    ]
    return ". ".join(dict.fromkeys(filter(None, [*told, *shared])))


def _described(axes: Axes) -> str:
    handles, labels = axes.get_legend_handles_labels()
    parts = [
        axes.get_title(loc="left") or axes.get_title(),
        f"across: {axes.get_xlabel()}" if axes.get_xlabel() else "",
        f"up: {axes.get_ylabel()}" if axes.get_ylabel() else "",
        f"shown: {', '.join(labels)}" if handles else "",
    ]
    return "; ".join(filter(None, parts))
