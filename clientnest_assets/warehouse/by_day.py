"""What a build of a window comes to for each of its days: rows, and rows that fail a test."""

from __future__ import annotations

import re
from datetime import date

from clientnest_assets.partitions import ONE_DAY, Window


def rows_by_day(url: str, schema: str, table: str, column: str, window: Window) -> dict[date, int]:
    """Rows of a table in each day of the window, by its date column; 0 where there is none."""
    import psycopg
    from psycopg import sql

    query = sql.SQL("select {column}, count(*) from {table} where {column} >= %s and {column} < %s group by 1").format(
        column=sql.Identifier(column), table=sql.Identifier(schema, table)
    )
    with psycopg.connect(url) as connection:
        counted: dict[date, int] = dict(connection.execute(query, (window.start, window.end)).fetchall())
    return {day: counted.get(day, 0) for day in window.days()}


def failing_days(url: str, sql: str, window: Window) -> dict[date, int]:
    """Rows that fail a test in each day of the window in which some do.

    The test is asked again for each day as if that day had been the window. Empty if the test does not look at the
    window, or if only several days together fail it.

    Args:
        url: the warehouse.
        sql: the test's query as it ran for the window. It names the window's two ends as literals, as the dbt macros
            write them.
        window: the window.
    """
    import psycopg

    ends = re.compile(rf"'({window.start}|{window.end})(?=['\s])")
    if set(ends.findall(sql)) != {str(window.start), str(window.end)}:
        return {}
    found = {}
    with psycopg.connect(url) as connection:
        for day in window.days():
            of_day = ends.sub(lambda end, day=day: f"'{day if end[1] == str(window.start) else day + ONE_DAY}", sql)  # type: ignore[misc]
            row = connection.execute(f"select count(*) from (\n{of_day}\n) as failing".encode()).fetchone()
            if row and row[0]:
                found[day] = int(row[0])
    return found
