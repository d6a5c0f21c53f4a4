"""Connects simulated accounts to the stand-in: links their posts in the app's database, and writes a connections file."""

from __future__ import annotations

import json
import os
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from clientnest_assets.simulation.platforms.shown import external_account, external_post

if TYPE_CHECKING:
    from clientnest_assets.simulation.platforms.server import StandIn

_LINKS = """
create table if not exists platform_posts (
  post_id bigint not null,
  account_id bigint not null,
  platform text not null,
  external_id text not null,
  primary key (platform, account_id, external_id)
)
"""


def link_posts(app_database_url: str, as_of: datetime) -> int:
    """Fills `platform_posts` with the posts that were published by a moment, as the app does when it publishes.

    Returns:
        How many posts are linked now.
    """
    import psycopg

    with psycopg.connect(app_database_url) as connection:
        connection.execute(_LINKS)
        posts = connection.execute(
            "select p.id, p.account_id, a.platform from social_posts p join social_media_accounts a on a.id = p.account_id "
            "where p.status = 'published' and p.published_time <= %s",
            (as_of,),
        ).fetchall()
        connection.execute("truncate platform_posts")
        with connection.cursor().copy(
            "copy platform_posts (post_id, account_id, platform, external_id) from stdin"
        ) as copy:
            for post_id, account_id, platform in posts:
                copy.write_row((post_id, account_id, platform, external_post(platform, account_id, post_id)))
    return len(posts)


def connect(app_database_url: str, stand_in: StandIn, file: Path, as_of: datetime) -> int:
    """Links the published posts, and writes a connections file (mode 0600) for every account that the stand-in shows.

    Args:
        app_database_url: the simulated app's database; its `platform_posts` is made anew.
        stand_in: which issues the tokens.
        file: the connections file, JSON.
        as_of: the moment of the world.

    Returns:
        How many accounts are connected.
    """
    import psycopg

    link_posts(app_database_url, as_of)
    with psycopg.connect(app_database_url) as connection:
        known = connection.execute("select id, platform from social_media_accounts order by id").fetchall()
    accounts = []
    for account_id, platform in known:
        external_id = external_account(platform, account_id)
        if (platform, external_id) not in stand_in.desk.shown.accounts:
            continue
        access, refresh, expires_at = stand_in.tokens.issue(platform, external_id)
        accounts.append(
            {
                "platform": platform,
                "account_id": account_id,
                "external_id": external_id,
                "access_token": access,
                "refresh_token": refresh,
                "expires_at": expires_at.isoformat(),
            }
        )
    applications = {
        platform: {"client_id": "stand-in", "client_secret": "stand-in", "base_url": stand_in.base_url(platform)}
        for platform in sorted({platform for platform, _ in stand_in.desk.shown.accounts})
    }
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        json.dump({"applications": applications, "accounts": accounts}, stream, indent=1)
    return len(accounts)
