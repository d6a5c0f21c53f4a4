"""What dbt is told about the raw tables: the files of the dbt project that are made from the contracts.

`python -m clientnest_assets.contracts.dbt_sources` writes them anew; a test fails while they differ.
Models, and what they mean, are written by hand in dbt_project/.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import dataframely as dy
import yaml

from clientnest_assets.contracts import DAY, DELETED_AT, SOURCE, WAREHOUSE_TABLES, Contract
from clientnest_assets.contracts.content_category import render_macro, render_seed
from clientnest_assets.contracts.contract import tag
from clientnest_assets.contracts.postgres import column_type

DBT_PROJECT = Path(__file__).parents[2] / "dbt_project"

HEADER = "# Generated from the contracts by `python -m clientnest_assets.contracts.dbt_sources`. Do not edit.\n"

SOURCES = {
    "app_database": ("app", "The tables of the ClientNest app, as landed: personal columns hold pseudonyms."),
    "rollup": ("events", "What happened in the app, rolled up in the lake: single events never reach the warehouse."),
}
"""The dbt source of each origin: its name and description."""

LANDED_DESCRIPTIONS = {
    DAY: "UTC day of the row's cursor column: the partition it landed in.",
    DELETED_AT: "When the row was deleted at the source, if change capture saw it: this version is a tombstone.",
    SOURCE: "The way in that brought the row: app_database, file:... and the like.",
}

ENTITY_NAMES = {
    "auth_user": "user",
    "user_sessions": "session",
    "social_media_accounts": "account",
    "account_metrics": "account_metric",
    "social_posts": "post",
    "post_metrics": "post_metric",
    "social_comments": "comment",
    "sentiment_analysis": "sentiment",
    "ai_requests": "request",
    "ai_usage_logs": "usage",
    "content_generations": "generation",
    "support_tickets": "ticket",
    "subscription_events": "subscription_event",
    "experiments": "experiment",
    "experiment_assignments": "assignment",
    "app_events_hourly": "user_hour",
    "app_events_daily": "user_day",
}
"""What one row of a table is; staging names its id after it."""

STAGED_NAMES = {
    "auth_user": {"date_joined": "joined_at", "last_login": "last_login_at"},
    "user_sessions": {"duration": "duration_seconds"},
    "social_media_accounts": {
        "followers_count": "followers",
        "following_count": "following",
        "posts_count": "posts",
        "last_sync": "last_synced_at",
    },
    "account_metrics": {"followers_count": "followers", "following_count": "following", "posts_count": "posts"},
    "social_posts": {"scheduled_time": "scheduled_at", "published_time": "published_at"},
    "post_metrics": {
        "likes_count": "likes",
        "comments_count": "comments",
        "shares_count": "shares",
        "clicks_count": "clicks",
    },
    "sentiment_analysis": {"score": "sentiment_score"},
    "ai_usage_logs": {"tokens_used": "tokens", "timestamp": "used_at"},
    "content_generations": {"ai_request_id": "request_id"},
    "subscription_events": {"event": "event_type"},
    "experiments": {"key": "experiment_key"},
}
"""The columns that staging renames, beside the id."""

VERSIONED = ("auth_user", "social_media_accounts")
"""Mutable tables whose history a dimension needs: staging has all their versions."""
WITH_DELETED = (*VERSIONED, "social_posts")
"""Mutable tables of which staging keeps the deleted rows too, for models that must tell deleted from not arrived."""
FRESH_WITHIN = {"count": 2, "period": "day"}
"""How long ago the latest load of a table may be before `dbt source freshness` warns."""


def staged_name(contract: Contract, column: str) -> str:
    """The name that staging gives a contract's column."""
    if column == "id":
        return f"{ENTITY_NAMES[contract.name]}_id"
    return STAGED_NAMES.get(contract.name, {}).get(column, column)


def render_sources(origin: str, contracts: Sequence[Contract] = WAREHOUSE_TABLES) -> str:
    """`_sources.yml`: the raw tables of one origin with their columns, types, units, value sets and personal data."""
    name, description = SOURCES[origin]
    tables = [_source_table(contract) for contract in contracts if contract.origin == origin]
    return _document(
        {
            "version": 2,
            "sources": [{"name": name, "description": description, "schema": "raw", "tables": tables}],
        }
    )


def render_staging(origin: str, contracts: Sequence[Contract] = WAREHOUSE_TABLES) -> str:
    """`_models.yml` of staging: each view of one origin under its new column names, with the test of its key."""
    models = [
        _staging_versions(contract) if contract.name in VERSIONED else _staging_model(contract)
        for contract in contracts
        if contract.origin == origin
    ]
    return _document({"version": 2, "models": models})


def generated_files() -> dict[Path, str]:
    """Each generated file of the dbt project, by its path inside it, with its text."""
    files = {
        Path("macros/content_category.sql"): render_macro(),
        Path("seeds/content_categories.csv"): render_seed(),
    }
    for origin, (name, _) in SOURCES.items():
        files[Path("models/staging", name, "_sources.yml")] = render_sources(origin)
        files[Path("models/staging", name, "_models.yml")] = render_staging(origin)
    return files


def write(project: Path = DBT_PROJECT) -> None:
    """Write every generated file into a dbt project."""
    for path, text in generated_files().items():
        target = project / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")


def _source_table(contract: Contract) -> dict[str, Any]:
    return {
        "name": contract.name,
        "description": f"{contract.description}\n\n{_grain(contract)}",
        "config": {
            "freshness": {"warn_after": FRESH_WITHIN},
            "loaded_at_query": f"select max(loaded_at) from raw.table_days where table_name = '{contract.name}'",
            "meta": {"kind": contract.kind, "cursor": contract.cursor, "key": contract.key},
        },
        "columns": [
            {"name": name, "data_type": column_type(dtype), **_said(contract.columns.get(name), name)}
            for name, dtype in contract.landed_schema.items()
        ],
    }


def _staging_model(contract: Contract) -> dict[str, Any]:
    entity = ENTITY_NAMES[contract.name].replace("_", " ")
    if contract.kind == "mutable":
        kept = "also if it is deleted" if contract.name in WITH_DELETED else "unless it is deleted"
        grain = f"One row per {entity}: its latest captured version, whichever source brought it, {kept}."
    else:
        grain = f"One row per {entity}."
    key = {"data_tests": ["unique", "not_null"]}
    return {
        "name": f"stg_{SOURCES[contract.origin][0]}__{contract.name}",
        "description": f"{grain} {contract.description}",
        "columns": _staged_columns(contract, key),
    }


def _staging_versions(contract: Contract) -> dict[str, Any]:
    entity = ENTITY_NAMES[contract.name].replace("_", " ")
    key = {"arguments": {"column_name": " || '@' || ".join(staged_name(contract, column) for column in contract.key)}}
    return {
        "name": f"stg_app__{contract.name}_versions",
        "description": f"One row per {entity} and captured version, deletions too. {contract.description}",
        "data_tests": [{"unique": key}, {"not_null": key}],
        "columns": _staged_columns(contract, {"data_tests": ["not_null"]}),
    }


def _staged_columns(contract: Contract, key_tests: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "name": staged_name(contract, name),
            **_said(contract.columns.get(name), name),
            **(key_tests if name == contract.entity_key else {}),
        }
        for name in contract.landed_schema
        if name != DELETED_AT or contract.name in WITH_DELETED
    ]


def _said(column: dy.Column | None, name: str) -> dict[str, Any]:
    """A column's description, and under config.meta what the contract says beyond it."""
    if column is None:
        return {"description": LANDED_DESCRIPTIONS[name]}
    meta = {key: value for key in ("unit", "values", "references", "personal") if (value := tag(column, key))}
    description = column.description or ""
    if meta.get("personal"):
        description += " Personal: a keyed pseudonym."
    return {"description": description, **({"config": {"meta": meta}} if meta else {})}


def _grain(contract: Contract) -> str:
    if contract.kind == "mutable":
        return "Mutable: one row per id and captured version; the latest is the one with the greatest updated_at."
    if contract.origin == "rollup":
        return "Append only: one row per id; a day is replaced as a whole when late events come in."
    return "Append only: one row per id, never changed."


def _document(content: dict[str, Any]) -> str:
    return HEADER + yaml.dump(content, Dumper=_PlainDumper, sort_keys=False, allow_unicode=True, width=120)


class _PlainDumper(yaml.SafeDumper):
    """YAML as people write it: a repeated list is written again instead of as a reference."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        return True


if __name__ == "__main__":
    write()
