"""Which of our posts a platform's post is: a table of the app's database that the app fills when it publishes."""

from __future__ import annotations

from collections.abc import Sequence

from clientnest_assets.errors import ClientNestError

DDL = """create table platform_posts (
  post_id bigint not null,
  account_id bigint not null,
  platform text not null,
  external_id text not null,
  primary key (platform, account_id, external_id)
);"""
"""What the collectors need from the app, beside the tables of the contracts."""
COLUMNS = {"post_id", "account_id", "platform", "external_id"}


class LinksError(ClientNestError):
    """The app's database does not tell which external post is which of ours."""


def require_links(app_database_url: str) -> None:
    """Raises a LinksError that tells the table's definition, if the app's database has no `platform_posts`."""
    import psycopg

    with psycopg.connect(app_database_url) as connection:
        found = connection.execute(
            "select attname from pg_attribute where attrelid = to_regclass('platform_posts') "
            "and attnum > 0 and not attisdropped"
        ).fetchall()
    missing = COLUMNS - {name for (name,) in found}
    if missing:
        what = f"lacks {', '.join(sorted(missing))}" if found else "is not there (or not for this reader)"
        raise LinksError(
            f"the collectors ask the app's database which external post is which of ours, and its table platform_posts "
            f"{what}. Nothing was collected. The app has to keep it, a row for each post it publishes:\n{DDL}"
        )


def linked_posts(app_database_url: str, platform: str, posts: Sequence[tuple[int, str]]) -> dict[tuple[int, str], int]:
    """Our post's id by account id and external id, for those of the given posts that are ours.

    Raises:
        LinksError: if one external post is linked to several of ours.
    """
    if not posts:
        return {}
    import psycopg

    accounts, external = [account for account, _ in posts], [external_id for _, external_id in posts]
    with psycopg.connect(app_database_url) as connection:
        rows = connection.execute(
            "select distinct account_id, external_id, post_id from platform_posts "
            "join unnest(%s::bigint[], %s::text[]) as asked(account_id, external_id) using (account_id, external_id) "
            "where platform = %s",
            (accounts, external, platform),
        ).fetchall()
    found = {(account_id, external_id): post_id for account_id, external_id, post_id in rows}
    if len(found) < len(rows):
        twice = next(key for key in found if sum(key == (row[0], row[1]) for row in rows) > 1)
        raise LinksError(
            f"platform_posts links the {platform} post {twice[1]} of account {twice[0]} to several posts. Nothing of this "
            "batch was landed. Give the table its primary key:\n" + DDL
        )
    return found
