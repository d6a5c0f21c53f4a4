"""Figures as pages and Markdown can hold them: PNG inline, nothing to fetch, no window system.

What is drawn is each model's own matter.
"""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DOTS_PER_INCH = 90


def png(figure: Figure) -> bytes:
    """The figure as a PNG. The same figure gives the same bytes."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DOTS_PER_INCH, metadata={"Software": None})
    return buffer.getvalue()


def data_uri(figure: Figure) -> str:
    """The figure as an address that holds the picture itself; Dagster's UI shows such images in Markdown."""
    return "data:image/png;base64," + base64.b64encode(png(figure)).decode()


def markdown(figure: Figure, alternative: str) -> str:
    """The figure as Markdown; `alternative` says in words what it shows."""
    return f"![{alternative}]({data_uri(figure)})"
