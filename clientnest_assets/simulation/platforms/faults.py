"""What the stand-in can be told to do wrong, and the limits and tokens that it keeps. Changed by tests while it serves."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

Json = dict[str, Any]
ROTATED = ("twitter", "tiktok")
"""Platforms that give a new refresh token with each use, and take the old one no more."""

LIFETIMES = {
    "twitter": timedelta(hours=2),
    "facebook": timedelta(days=60),
    "instagram": timedelta(days=60),
    "linkedin": timedelta(days=60),
    "tiktok": timedelta(days=1),
}
"""For so long an access token is good."""


@dataclass
class Limit:
    """So many requests a window; then refusals until the next window."""

    requests: int
    window: timedelta
    used: int = 0
    resets_at: datetime | None = None

    def take(self, now: datetime) -> bool:
        """Counts one request; False if it is one too many."""
        if self.resets_at is None or now >= self.resets_at:
            self.used, self.resets_at = 0, now + self.window
        self.used += 1
        return self.used <= self.requests

    @property
    def remaining(self) -> int:
        """Requests left in this window."""
        return max(0, self.requests - self.used)


@dataclass
class Faults:
    """Everything is well by default."""

    fail_next: int = 0
    """So many data requests are answered with status 500."""
    cut_next: int = 0
    """So many answers lose their second half."""
    seconds_late: float = 0.0
    limits: dict[str, Limit] = field(default_factory=dict)
    """By platform."""
    says_when: Literal["seconds", "date", "nothing"] = "nothing"
    """Whether refusals for the rate carry `Retry-After`, and in which form."""
    limited_with_success: bool = False
    """TikTok refuses for the rate with status 200, as it sometimes does."""
    revoked: set[tuple[str, str]] = field(default_factory=set)
    """Accounts (platform, external id) whose owner has removed our application."""
    gone: set[tuple[str, str]] = field(default_factory=set)
    """Accounts that were deleted at the platform."""
    failing: set[tuple[str, str]] = field(default_factory=set)
    """Accounts whose every question is answered with status 503."""
    alter: Callable[[str, Json], Json] = lambda _platform, item: item
    """What becomes of each post or account before it is shown: a value spoilt, a field renamed."""


@dataclass
class Tokens:
    """Tokens issued, by value."""

    now: Callable[[], datetime]
    access: dict[str, tuple[str, str, datetime]] = field(default_factory=dict)
    refresh: dict[str, tuple[str, str]] = field(default_factory=dict)
    refreshes: Counter[tuple[str, str]] = field(default_factory=Counter)

    def issue(self, platform: str, external_id: str) -> tuple[str, str, datetime]:
        """A new access token, a refresh token, and when the first expires."""
        access, refresh = secrets.token_urlsafe(16), secrets.token_urlsafe(16)
        expires_at = self.now() + LIFETIMES[platform]
        self.access[access] = (platform, external_id, expires_at)
        self.refresh[refresh] = (platform, external_id)
        return access, refresh, expires_at

    def expire_all(self) -> None:
        """No access token is good any more; refresh tokens are."""
        past = datetime(2000, 1, 1, tzinfo=UTC)
        self.access = {token: (platform, each, past) for token, (platform, each, _) in self.access.items()}

    def renewed(self, platform: str, spent: str) -> tuple[str, str, float] | None:
        """New tokens for a refresh token (Meta: for a valid access token), and the seconds that the first lasts."""
        if platform in ("facebook", "instagram"):
            _, external_id, expires_at = self.access.get(spent, ("", "", self.now()))
            if not external_id or expires_at <= self.now():
                return None
            kept = ""
        else:
            if spent not in self.refresh:
                return None
            _, external_id = self.refresh[spent]
            kept = spent
        self.refreshes[platform, external_id] += 1
        access, refresh, _ = self.issue(platform, external_id)
        if platform in ROTATED:
            del self.refresh[spent]
            return access, refresh, LIFETIMES[platform].total_seconds()
        return access, kept, LIFETIMES[platform].total_seconds()
