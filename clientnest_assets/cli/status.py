"""`clientnest status`: what runs, where things are, and how far each asset is."""

from __future__ import annotations

import json
import re
from typing import Annotated, Any

import typer
from rich.table import Table

from clientnest_assets.cli.session import HomeOption, Session, console
from clientnest_assets.cli.up import EVENTS, is_listening, ports
from clientnest_assets.installation import LakeKind


def status(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, for programs.")] = False,
    home: HomeOption = None,
) -> None:
    """Show services, addresses, row counts and the last partition of each asset.

    Starts the embedded PostgreSQL if it is not running, and leaves it running, so that the addresses work.
    """
    session = Session.open(home)
    with session.installation.services():
        found = collect(session)
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    _show(found)


def collect(session: Session) -> dict[str, Any]:
    """What `status` tells: urls, days, services, rows by schema and table, assets."""
    installation = session.installation
    ui, web = ports(session)
    span = installation.calendar.span() if installation.has_data else None
    object_store = installation.object_store.running() if installation.lake_kind is LakeKind.S3 else None
    return {
        "environment": str(installation.settings.environment),
        "home": str(installation.home),
        "urls": {
            "app_database": installation.app_database_url,
            "warehouse": installation.warehouse_url,
            "dagster": installation.dagster_database_url,
            "lake": installation.lake.root,
            "ui": f"http://127.0.0.1:{ui}",
            "api": f"http://127.0.0.1:{web}/api/v1",
            "docs": f"http://127.0.0.1:{web}/dbt",
            "features": f"http://127.0.0.1:{web}/features",
            "models": f"http://127.0.0.1:{web}/models",
            "events": f"http://127.0.0.1:{web}{EVENTS}",
        },
        "events_keys": installation.events_keys,
        "features_keys": installation.features_keys,
        "days": {"first": str(span.start), "last": str(span.last_day)} if span else None,
        "services": {
            "postgres": "running" if installation.settings.is_embedded else "not ours",
            "dagster_ui": "running" if is_listening(ui) else "stopped",
            "web": "running" if is_listening(web) else "stopped",
        },
        "object_store": object_store.options if object_store else None,
        "change_capture": _change_capture(session),
        "rows": {"lake": _lake_rows(session), "warehouse": _warehouse_rows(session)},
        "assets": _assets(session),
    }


def _change_capture(session: Session) -> dict[str, str] | None:
    from clientnest_assets.cli.capture import described
    from clientnest_assets.sources.change_capture import status as capture_status

    found = capture_status(session.installation.app_database_url, session.installation.home)
    if found.slot is None and not session.installation.settings.change_capture:
        return None
    return {**described(found), **({"problem": found.problem} if found.problem else {})}


def _lake_rows(session: Session) -> dict[str, int]:
    from deltalake import DeltaTable

    from clientnest_assets.lake.sql import tables

    lake = session.installation.lake
    return {
        f"{layer}.{name}": int(
            DeltaTable(lake.location(layer, name), storage_options=dict(lake.storage_options)).count()
        )
        for layer, name in tables(lake)
    }


def _warehouse_rows(session: Session) -> dict[str, int]:
    import psycopg
    from psycopg import sql

    listed = (
        "select table_schema, table_name from information_schema.tables where table_type = 'BASE TABLE' "
        "and table_schema not in ('pg_catalog', 'information_schema') order by 1, 2"
    )
    with psycopg.connect(session.installation.warehouse_url) as connection:
        names = connection.execute(listed.encode()).fetchall()
        counts = {}
        for schema, table in names:
            row = connection.execute(
                sql.SQL("select count(*) from {}").format(sql.Identifier(schema, table))
            ).fetchone()
            counts[f"{schema}.{table}"] = int(row[0]) if row else 0
    return counts


def _assets(session: Session) -> dict[str, dict[str, Any]]:
    from dagster import DagsterEventType

    from clientnest_assets.defs.behind import models_behind

    graph = session.definitions.resolve_asset_graph()
    behind = models_behind(session.installation)
    event = DagsterEventType.ASSET_MATERIALIZATION
    storage = session.instance.event_log_storage
    found = {}
    for key in sorted(graph.materializable_asset_keys):
        node = graph.get(key)
        if node.partitions_def:
            done = sorted(storage.get_latest_storage_id_by_partition(key, event))
            known = set(node.partitions_def.get_partition_keys())
            found[key.to_user_string()] = {
                "last_partition": done[-1] if done else None,
                "materialised": len(known & set(done)),
                "partitions": len(known),
                "behind": len(behind.get(key, ())),
            }
        else:
            latest = session.instance.get_latest_materialization_event(key)
            found[key.to_user_string()] = {
                "last_partition": None,
                "materialised": int(latest is not None),
                "partitions": 1,
                "behind": 0,
            }
    return found


def without_password(url: str) -> str:
    """The address as people may see it on a shared screen."""
    return re.sub(r"(://[^:/@]+):[^@]*@", r"\1:…@", url)


def _show(found: dict[str, Any]) -> None:
    days = found["days"]
    console.print(f"[bold]{found['environment']}[/] in {found['home']}")
    console.print(f"days: {days['first']} to {days['last']}" if days else "no data yet: begin with `clientnest demo`")
    services = Table("service", "state", box=None)
    services.add_column("address", overflow="fold")
    services.add_row("PostgreSQL", found["services"]["postgres"], without_password(found["urls"]["warehouse"]))
    if found["object_store"]:
        services.add_row(
            "object store", "running", f"{found['object_store']['AWS_ENDPOINT_URL']} ({found['urls']['lake']})"
        )
    services.add_row("Dagster UI", found["services"]["dagster_ui"], found["urls"]["ui"])
    services.add_row("pages, API, docs", found["services"]["web"], found["urls"]["docs"])
    services.add_row("event collector", found["services"]["web"], f"POST {found['urls']['events']}")
    console.print(services)
    if captured := found["change_capture"]:
        told = ", ".join(f"{name} {value}" for name, value in captured.items() if name != "problem")
        console.print(f"change capture: {told}")
        if "problem" in captured:
            console.print(f"[yellow]{captured['problem']}[/]")
    assets = Table("asset", "last partition", "materialised", box=None)
    for name, asset in found["assets"].items():
        whole = asset["materialised"] == asset["partitions"]
        count = f"{asset['materialised']} of {asset['partitions']}"
        if asset["behind"]:
            whole, count = False, f"{count}, {asset['behind']} behind rows that came late"
        assets.add_row(name, asset["last_partition"] or "-", count if whole else f"[yellow]{count}[/]")
    console.print(assets)
    rows = Table("table", "rows", box=None)
    for place, tables in found["rows"].items():
        for name, count in tables.items():
            rows.add_row(f"{place}: {name}", f"{count:,}")
    console.print(rows)
