"""How capturing stands: whether the slot is there and sound, and how far behind it is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg

from clientnest_assets.sources.change_capture import slot as slots
from clientnest_assets.sources.change_capture.slot import LOST, CaptureError, SlotState
from clientnest_assets.sources.kept import read_json, write_json

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


def remember(folder: Path, slot: str, captured_until: datetime, position: int) -> None:
    """Keeps until when, and up to which place in the WAL, all is captured here. To be called before the slot moves on."""
    write_json(folder / FILE, {"slot": slot, "captured_until": captured_until.isoformat(), "position": position})


def require_own(folder: Path, slot: SlotState) -> None:
    """Raises a CaptureError if somebody else has read from the slot: what it has let go is not in this lake."""
    kept = read_json(folder / FILE)
    if kept.get("slot") != slot.name or kept["position"] < slot.confirmed:
        raise CaptureError(
            f"another installation has captured changes by the replication slot {slot.name}, so this one lacks them. A "
            "database is captured by one installation. If it is to be this one, end the other, and take a snapshot: "
            "clientnest capture --snapshot"
        )


def _remembered(file: Path, slot: SlotState) -> datetime | None:
    kept = read_json(file)
    return datetime.fromisoformat(kept["captured_until"]) if kept.get("slot") == slot.name else None
