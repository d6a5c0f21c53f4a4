"""`clientnest sql` and `clientnest warehouse`: questions to the lake and to the warehouse, answered as tables."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.measure import Measurement
from rich.table import Table

from clientnest_assets.cli.session import CommandError, HomeOption, Session, console

CsvOption = Annotated[bool, typer.Option("--csv", help="Print CSV, every row.")]
AsOfOption = Annotated[
    str | None,
    typer.Option(
        "--as-of", help="See the tables as they stood then, such as '2026-11-20 14:00'. UTC unless a zone is given."
    ),
]
WIDEST = 100_000
"""More characters than any table needs: what a table is measured in, to see whether it fits."""
LimitOption = Annotated[int, typer.Option(min=1, help="Rows shown at most; said when there are more.")]


def sql(
    query: Annotated[str, typer.Argument(help="SQL in DuckDB's dialect.")],
    as_of: AsOfOption = None,
    as_csv: CsvOption = False,
    limit: LimitOption = 50,
    home: HomeOption = None,
) -> None:
    """Ask the lake: every Delta table is there as layer.table, now or as it stood at a moment.

    A table keeps its earlier states for 7 days (see `clientnest maintain`). With `where day = ...` only that
    day's files are read, at any moment. An answer too wide for the terminal is shown a line a value.

    [bold]Examples[/]

    clientnest sql "select table_schema, table_name from information_schema.tables"

    clientnest sql "select day, count(*) from raw.social_posts group by day order by day"

    clientnest sql --as-of "2026-11-20 14:00" "select * from raw.auth_user where day = '2026-11-20'"
    """
    import duckdb

    from clientnest_assets.lake.sql import connect

    session = Session.open(home)
    moment = None if as_of is None else read_moment(as_of)
    with session.installation.lake_service():
        connection = connect(session.installation.lake, query=query, as_of=moment)
        try:
            result = connection.execute(query)
        except duckdb.Error as error:
            then = f" as it stood at {moment:%Y-%m-%d %H:%M:%S} UTC" if moment else ""
            raise CommandError(f"the lake{then} cannot answer this: {error}") from None
        columns = [column[0] for column in result.description or []]
        _show(columns, iter(result.fetchone, None), as_csv=as_csv, limit=limit)


def read_moment(text: str) -> datetime:
    """A past moment as people write it, in UTC unless it names another zone.

    Raises:
        CommandError: if it cannot be read, or has not come yet.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise CommandError(f"--as-of {text} is not a moment. Write it as '2026-01-31 14:00', in UTC.") from None
    moment = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    if moment > datetime.now(UTC):
        raise CommandError(f"--as-of {text} has not come yet. Leave it out to see the tables as they are.")
    return moment


def warehouse(
    query: Annotated[str, typer.Argument(help="SQL in PostgreSQL's dialect.")],
    as_csv: CsvOption = False,
    limit: LimitOption = 50,
    home: HomeOption = None,
) -> None:
    """Ask the warehouse: facts, dimensions and marts in PostgreSQL. Nothing can be changed this way.

    [bold]Examples[/]

    clientnest warehouse "select * from marts.daily_kpis order by day desc"

    clientnest warehouse "select platform, avg(mature_engagement_score) from facts.fact_posts group by 1"
    """
    import psycopg

    session = Session.open(home)
    with session.installation.services(), psycopg.connect(session.installation.warehouse_url) as connection:
        connection.read_only = True
        try:
            # Prepared, because several statements at once could end the read-only transaction and write after it.
            cursor = connection.execute(query.encode(), prepare=True)
        except psycopg.Error as error:
            raise CommandError(f"the warehouse cannot answer this: {error}") from None
        if cursor.description is None:
            raise CommandError("that statement answers nothing. Ask with a select.")
        _show([column.name for column in cursor.description], cursor, as_csv=as_csv, limit=limit)


def _show(columns: Sequence[str], rows: Iterable[Sequence[Any]], *, as_csv: bool, limit: int) -> None:
    if as_csv:
        writer = csv.writer(sys.stdout)
        writer.writerow(columns)
        writer.writerows(rows)
        return
    remaining = iter(rows)
    shown = [["" if value is None else str(value) for value in row] for row in islice(remaining, limit)]
    more = sum(1 for _ in remaining)
    table = Table(*(escape(name) for name in columns))
    for row in shown:
        table.add_row(*map(escape, row))
    needed = Measurement.get(console, console.options.update(max_width=WIDEST), table).minimum
    if needed <= console.width:
        console.print(table)
    else:
        # A table would cut names and values short.
        for row in shown:
            for name, value in zip(columns, row, strict=True):
                console.print(f"[bold]{escape(name)}[/]  {escape(value)}", soft_wrap=True, highlight=False)
            console.print()
    if more:
        console.print(f"{more:,} more rows; --limit shows more, --csv all of them.")
