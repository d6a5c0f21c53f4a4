"""From observations to a batch for landing: typed rows with stable ids, and for quarantine those that do not fit.

A post that is none of ours (published by hand, or not linked yet) has no post_id; its numbers go to quarantine with its
external id, so that they can be landed once it is linked.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl

from clientnest_assets.contracts import DAY, SOURCE, Contract
from clientnest_assets.contracts.validation import RULES, reason, validate
from clientnest_assets.sources.landing import QUARANTINE_SCHEMA, Batch
from clientnest_assets.sources.platforms.asking import Observation

ID_BITS = 63


@dataclass(frozen=True)
class Row:
    """One observation, whose account it belongs to, and the id of our post or account (null: unknown)."""

    account_id: int
    entity_id: int | None
    observation: Observation


def source_name(platform: str) -> str:
    """The source of rows that a platform's collector landed."""
    return f"platform:{platform}"


def observation_id(platform: str, table: str, account_id: int, external_id: str, collected_at: datetime) -> int:
    """The id of what was observed of one thing at one moment: the same whenever it is computed again."""
    what = json.dumps([platform, table, account_id, external_id, collected_at.isoformat()])
    # Contracts want ids from 1 on.
    return max(1, int.from_bytes(hashlib.blake2b(what.encode(), digest_size=8).digest()) >> (64 - ID_BITS))


def batch_of(
    contract: Contract, entity: str, rows: Sequence[Row], platform: str, collected_at: datetime
) -> tuple[Batch, pl.DataFrame]:
    """The rows as a batch to land, and how many of them are good and bad by account.

    Args:
        contract: post_metrics or account_metrics.
        entity: its column for `entity_id`.
        rows: of one collection. No thing is observed twice.
        platform: its name.
        collected_at: the collection's moment.

    Returns:
        The batch, and a frame of account_id, good, bad.
    """
    metrics = [name for name in contract.source_schema if name not in ("id", entity, contract.cursor)]
    told = [each.observation for each in rows]
    frame = pl.DataFrame(
        {
            "id": [
                observation_id(platform, contract.name, each.account_id, each.observation.external_id, collected_at)
                for each in rows
            ],
            entity: [each.entity_id for each in rows],
            contract.cursor: [collected_at] * len(rows),
            **{name: [each.values.get(name) for each in told] for name in metrics},
        },
        schema=contract.source_schema,
    )
    known = pl.DataFrame(
        {
            "id": frame.get_column("id"),
            "unread": [each.rules for each in told],
            "account_id": [each.account_id for each in rows],
        },
        schema={"id": pl.Int64, "unread": pl.List(pl.String), "account_id": pl.Int64},
    )
    checked = validate(contract, frame)
    broken = checked.invalid.select("id", RULES)
    rules = known.join(broken, on="id", how="left").select(
        "id", "account_id", pl.concat_list(pl.col(RULES).fill_null([]), "unread").list.sort().alias(RULES)
    )
    bad = rules.filter(pl.col(RULES).list.len() > 0)
    landing = (pl.lit(collected_at.date()).alias(DAY), pl.lit(source_name(platform)).alias(SOURCE))
    raw = checked.valid.join(bad, on="id", how="anti").with_columns(landing)
    is_unfit = set(bad.get_column("id"))
    originals = pl.DataFrame(
        [
            (values["id"], _as_json(values, row, platform, contract.cursor))
            for values, row in zip(frame.iter_rows(named=True), rows, strict=True)
            if values["id"] in is_unfit
        ],
        schema={"id": pl.Int64, "row": pl.String},
        orient="row",
    )
    quarantine = bad.join(originals, on="id").select(*landing, RULES, reason(pl.col(RULES)).alias("reason"), "row")
    batch = Batch(
        raw.select(contract.landed_schema.names()).sort(DAY, *contract.key),
        quarantine.match_to_schema(QUARANTINE_SCHEMA).sort(DAY, "row"),
    )
    is_bad = pl.col(RULES).list.len() > 0
    by_account = rules.group_by("account_id").agg((~is_bad).sum().alias("good"), is_bad.sum().alias("bad"))
    return batch, by_account.cast(pl.Int64)


def _as_json(values: Mapping[str, Any], row: Row, platform: str, cursor: str) -> str:
    """The row's own values, with what stood in the answer where that could not be read, and whose it is."""
    whose = {"platform": platform, "account_id": row.account_id, "external_id": row.observation.external_id}
    return json.dumps({**whose, **values, cursor: values[cursor].isoformat(), **row.observation.originals})
