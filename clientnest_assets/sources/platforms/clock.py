"""Time as the collectors see it: a test gives them a clock of its own, and waits for nothing."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True)
class Clock:
    """The moment it is (UTC), and waiting."""

    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    sleep: Callable[[float], None] = time.sleep

    def wait_until(self, moment: datetime) -> None:
        """Sleeps until the moment, if it is still to come."""
        seconds = (moment - self.now()).total_seconds()
        if seconds > 0:
            self.sleep(seconds)
