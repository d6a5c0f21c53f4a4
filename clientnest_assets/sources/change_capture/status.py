"""How capturing stands: whether the slot is there and sound, and how far behind it is."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg

from clientnest_assets.sources.change_capture import slot as slots
from clientnest_assets.sources.change_capture.slot import LOST, CaptureError, SlotState

FILE = "change-capture.json"
MOST_BEHIND = timedelta(minutes=15)
MOST_BYTES_BEHIND = 1024**3
"""Further behind than either of them is worth an alert."""


@dataclass(frozen=True)
class CaptureStatus:
    """`slot` is None if nothing is captured from this database."""

    slot: SlotState | None
    captured_until: datetime | None
    """All committed before this moment is in the lake; None if this machine has captured nothing from the slot."""

    @property
    def seconds_behind(self) -> float | None:
        """Seconds since then; 0 if nothing was written since; None if not known."""
        if self.slot is not None and self.slot.bytes_behind == 0:
            return 0.0
        return (datetime.now(UTC) - self.captured_until).total_seconds() if self.captured_until else None

    @property
    def problem(self) -> str | None:
        """What is wrong, in words, or None."""
        if self.slot is None:
            return "there is no replication slot: begin with `clientnest capture`"
        if self.slot.wal_status == LOST:
            return "the slot is lost, changes are missing: clientnest capture --snapshot"
        if self.slot.wal_status == "unreserved":
            return "the slot is about to be lost: capture now, or raise the server's max_slot_wal_keep_size"
        late = self.seconds_behind is not None and self.seconds_behind > MOST_BEHIND.total_seconds()
        if late or self.slot.bytes_behind > MOST_BYTES_BEHIND:
            return "the slot is far behind, and the server keeps WAL for it: is a capture running?"
        return None


def status(url: str, folder: Path) -> CaptureStatus:
    """How capturing from a database stands. Changes nothing, and can be asked while a capture runs.

    Raises:
        CaptureError: if the database cannot be reached.
    """
    try:
        with psycopg.connect(url, autocommit=True) as connection:
            slot = slots.state(connection)
    except psycopg.OperationalError as error:
        raise CaptureError(f"the app's database cannot be reached: {error}") from None
    return CaptureStatus(slot, _remembered(folder / FILE, slot) if slot else None)


def remember(folder: Path, slot: SlotState, captured_until: datetime | None) -> None:
    """Keeps, in one step, until when all is captured."""
    if captured_until is None:
        return
    folder.mkdir(parents=True, exist_ok=True)
    fresh = folder / f"{FILE}.new"
    fresh.write_text(json.dumps({"slot": slot.name, "captured_until": captured_until.isoformat()}) + "\n")
    fresh.replace(folder / FILE)


def _remembered(file: Path, slot: SlotState) -> datetime | None:
    if not file.exists():
        return None
    kept = json.loads(file.read_text())
    return datetime.fromisoformat(kept["captured_until"]) if kept["slot"] == slot.name else None
