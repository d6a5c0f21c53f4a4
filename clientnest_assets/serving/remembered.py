"""What was gathered for a page, shown again for a while: gathering asks the lake many times, and pages are asked for often."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Hashable
from typing import Any, Final, TypeVar

T = TypeVar("T")
KEPT_SECONDS: Final = 30
"""So old an answer may be."""


class Remembered:
    """Answers by key, each gathered by one thread at a time and at most once in KEPT_SECONDS."""

    def __init__(self) -> None:
        self._kept: dict[Hashable, tuple[float, Any]] = {}
        self._locks: defaultdict[Hashable, threading.Lock] = defaultdict(threading.Lock)

    def get(self, key: Hashable, gather: Callable[[], T]) -> T:
        """What was gathered under the key, anew if it is too old. Keys have to be few: none is forgotten."""
        with self._locks[key]:
            if key not in self._kept or time.monotonic() >= self._kept[key][0]:
                found = gather()
                self._kept[key] = time.monotonic() + KEPT_SECONDS, found
            kept: T = self._kept[key][1]
            return kept
