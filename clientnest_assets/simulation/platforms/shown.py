"""What the stand-in shows: accounts and posts with their numbers as of one moment. Read from the app's database, or made by a test."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from clientnest_assets.contracts.app import PLATFORMS

SHOWN_DAYS = 60
"""Older posts are not shown. Collectors ask for four weeks, and must leave the others out themselves."""


@dataclass(frozen=True)
class ShownPost:
    """One post as its platform knows it. Not each platform tells each number."""

    external_id: str
    published_at: datetime
    likes: int = 0
    comments: int = 0
    shares: int = 0
    clicks: int | None = None
    reach: int = 0
    impressions: int = 0


@dataclass
class ShownAccount:
    """One account as its platform knows it, its posts in any order."""

    platform: str
    external_id: str
    followers: int = 0
    following: int = 0
    posts_count: int = 0
    posts: list[ShownPost] = field(default_factory=list)

    def newest_first(self, since: datetime | None = None) -> list[ShownPost]:
        """The posts in the order that platforms list them."""
        posts = [each for each in self.posts if since is None or each.published_at >= since]
        return sorted(posts, key=lambda each: (each.published_at, each.external_id), reverse=True)


@dataclass
class Shown:
    """Everything there is to see, by platform and external id."""

    accounts: dict[tuple[str, str], ShownAccount] = field(default_factory=dict)

    @classmethod
    def of(cls, accounts: Iterable[ShownAccount]) -> Shown:
        """The given accounts."""
        return cls({(each.platform, each.external_id): each for each in accounts})


ACCOUNT_IDS: dict[str, Callable[[int], str]] = {
    "twitter": lambda account: str(1_000_000_000 + account),
    "facebook": lambda account: f"1{account:014}",
    "instagram": lambda account: f"17841{account:012}",
    "linkedin": lambda account: str(10_000_000 + account),
    "tiktok": lambda account: f"-000{account:012}",
}
"""External ids as the platforms' look, made from our own."""


def external_account(platform: str, account_id: int) -> str:
    """The external id of one of our accounts."""
    return ACCOUNT_IDS[platform](account_id)


def external_post(platform: str, account_id: int, post_id: int) -> str:
    """The external id of one of our posts."""
    if platform == "facebook":
        return f"{external_account(platform, account_id)}_{post_id:015}"
    if platform == "linkedin":
        return f"urn:li:{'share' if post_id % 2 else 'ugcPost'}:{7_000_000_000_000_000_000 + post_id}"
    return str({"twitter": 18, "instagram": 17, "tiktok": 72}[platform] * 10**17 + post_id)


def read_shown(app_database_url: str, as_of: datetime, accounts_per_platform: int) -> Shown:
    """The world's first accounts of each platform, as of a moment.

    Args:
        app_database_url: the simulated app's PostgreSQL.
        as_of: nothing that happened later is seen.
        accounts_per_platform: how many; those with the most posts lately.
    """
    import psycopg

    found: dict[int, ShownAccount] = {}
    with psycopg.connect(app_database_url) as connection:
        chosen = connection.execute(_ACCOUNTS, {"as_of": as_of, "days": timedelta(days=SHOWN_DAYS)}).fetchall()
        taken: defaultdict[str, int] = defaultdict(int)
        for account_id, platform, followers, following, posts in chosen:
            if platform in PLATFORMS and taken[platform] < accounts_per_platform:
                taken[platform] += 1
                found[account_id] = ShownAccount(
                    platform, external_account(platform, account_id), followers, following, posts
                )
        rows = connection.execute(
            _POSTS, {"accounts": list(found), "as_of": as_of, "days": timedelta(days=SHOWN_DAYS)}
        ).fetchall()
    for post_id, account_id, published_at, *numbers in rows:
        account = found[account_id]
        external_id = external_post(account.platform, account_id, post_id)
        account.posts.append(ShownPost(external_id, published_at, *numbers))
    return Shown.of(found.values())


_ACCOUNTS = """
select a.id, a.platform, coalesce(m.followers_count, a.followers_count, 0),
  coalesce(m.following_count, a.following_count, 0), coalesce(m.posts_count, a.posts_count, 0)
from social_media_accounts a
left join lateral (
  select * from account_metrics m where m.account_id = a.id and m.collected_at <= %(as_of)s
  order by m.collected_at desc, m.id desc limit 1
) m on true
left join lateral (
  select count(*) as recent from social_posts p where p.account_id = a.id and p.status = 'published'
  and p.published_time <= %(as_of)s and p.published_time >= %(as_of)s - %(days)s
) p on true
where a.connected_at <= %(as_of)s
order by p.recent desc, a.id
"""
_POSTS = """
select p.id, p.account_id, p.published_time, coalesce(m.likes_count, 0), coalesce(m.comments_count, 0),
  coalesce(m.shares_count, 0), m.clicks_count, coalesce(m.reach, 0), coalesce(m.impressions, 0)
from social_posts p
left join lateral (
  select * from post_metrics m where m.post_id = p.id and m.collected_at <= %(as_of)s
  order by m.collected_at desc, m.id desc limit 1
) m on true
where p.account_id = any(%(accounts)s) and p.status = 'published'
  and p.published_time <= %(as_of)s and p.published_time >= %(as_of)s - %(days)s
"""
