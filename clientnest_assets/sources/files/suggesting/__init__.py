"""Proposing a mapping for an unknown file, from the names of its columns and their values."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from clientnest_assets.sources.files.loading import parse_mapping
from clientnest_assets.sources.files.reading import FileError, import_name
from clientnest_assets.sources.files.suggesting.columns import described, normalised
from clientnest_assets.sources.files.suggesting.draft import Draft
from clientnest_assets.sources.files.suggesting.form import sampled
from clientnest_assets.sources.files.suggesting.kinds import kind_of
from clientnest_assets.sources.files.suggesting.recipes import RECIPES
from clientnest_assets.sources.files.suggesting.writing import written

__all__ = ["Suggestion", "suggest"]


@dataclass(frozen=True)
class Suggestion:
    """A proposed mapping."""

    text: str
    """YAML that `parse_mapping` takes as it is."""
    notes: list[str]
    """What could not be decided, or is good to know."""


def suggest(path: Path) -> Suggestion:
    """Proposes a mapping for a file.

    Raises:
        FileError: if the file cannot be read, or is nothing that any of our tables is for.
    """
    sample = sampled(path)
    columns = described(sample.records, sample.form)
    kinds = kind_of(columns)
    if not kinds:
        shown = ", ".join(column.name for column in columns.all[:40])
        raise FileError(
            f"{path}: none of our tables is for a file with these columns: {shown}. If you know better, write a mapping "
            "by hand: docs/importing.md says how, and the packaged ones are examples."
        )
    draft = Draft(columns)
    RECIPES[next(iter(kinds))](draft)
    source = "_".join(normalised(Path(import_name(path)).stem).split()) or "export"
    text = written(draft, source if source[0].isalpha() else f"export_{source}", kinds)
    unread = [name for name in sample.records.columns if name not in parse_mapping(text, "the proposal").file_columns]
    if unread:
        text += f"\n# Columns of the file that are not read: {', '.join(unread)}\n"
    return Suggestion(text, [*sample.notes, *dict.fromkeys(draft.notes)])
