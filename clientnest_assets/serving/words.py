"""Figures in the words that people read on pages and in the terminal."""

from __future__ import annotations


def duration(seconds: float) -> str:
    """A span of time in the largest unit of which it holds two, such as `36 hours`."""
    for unit, size in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if abs(seconds) >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} second{'' if round(seconds) == 1 else 's'}"


def number(value: float | None) -> str:
    """A number as people read it: four digits that count, thousands grouped; - for none."""
    if value is None:
        return "-"
    if value == round(value) and abs(value) < 1e12:
        return f"{value:,.0f}"
    return f"{value:,.0f}" if 1e4 <= abs(value) < 1e12 else f"{value:.4g}"


def share(value: float | None) -> str:
    """A share in percent; - for none. What is not 0 never looks like it."""
    if value is None:
        return "-"
    return "under 0.1 %" if 0 < value < 0.001 else f"{100 * value:.1f} %".replace(".0 %", " %")


def p_value(value: float) -> str:
    """The chance of so large a difference between samples of one distribution."""
    return "p < 0.001" if value < 0.001 else f"p = {value:.2g}"
