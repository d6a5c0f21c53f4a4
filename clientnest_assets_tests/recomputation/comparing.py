"""Holds a table of the warehouse against the recomputed one, row by row and column by column."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

RELATIVE = 1e-12
"""What two ways of summing the same floats may differ by."""
SHOWN = 5
OURS, THEIRS = "product", "audit"


@dataclass(frozen=True)
class Comparison:
    """How a table of the warehouse is held against the recomputed one."""

    schema: str
    table: str
    key: tuple[str, ...]
    left_out: Mapping[str, str]
    """Columns of the warehouse that are not recomputed, each with the reason."""

    def differences(self, product: pl.DataFrame, audit: pl.DataFrame) -> list[str]:
        """What differs, in words: columns, rows, then values with key, column, ours and theirs."""
        name = f"{self.schema}.{self.table}"
        ours, theirs = set(product.columns) - set(self.left_out), set(audit.columns)
        found = [f"{name} has a column {column} that is not recomputed" for column in sorted(ours - theirs)]
        found += [f"{name} lacks the column {column}" for column in sorted(theirs - ours)]
        if doubled := product.height - product.unique(self.key).height:
            found.append(f"{name} has {doubled} rows more than keys")
        columns = sorted(ours & theirs)
        product, audit = product.select(columns), audit.select(columns)
        found += self._rows("only in the warehouse", product.join(audit, on=self.key, how="anti", nulls_equal=True))
        found += self._rows("missing in the warehouse", audit.join(product, on=self.key, how="anti", nulls_equal=True))
        both = product.join(audit, on=self.key, suffix=f"|{THEIRS}", nulls_equal=True)
        for column in columns:
            if column not in self.key:
                found += self._values(both, column)
        return found

    def _rows(self, told: str, rows: pl.DataFrame) -> list[str]:
        shown = rows.select(self.key).sort(self.key, nulls_last=True).head(SHOWN).rows()
        return [f"{self.schema}.{self.table}: {rows.height} rows {told}, such as {shown}"] if rows.height else []

    def _values(self, both: pl.DataFrame, column: str) -> list[str]:
        ours, theirs = both.get_column(column), both.get_column(f"{column}|{THEIRS}")
        differs = both.filter(_differs(ours, theirs))
        shown = differs.sort(self.key).select(*self.key, column, f"{column}|{THEIRS}").head(SHOWN).rows()
        return (
            [
                f"{self.schema}.{self.table}.{column}: {differs.height} of {both.height} differ, such as "
                + "; ".join(
                    f"{dict(zip(self.key, row, strict=False))}: {OURS} {row[-2]!r}, {THEIRS} {row[-1]!r}"
                    for row in shown
                )
            ]
            if differs.height
            else []
        )


def _differs(ours: pl.Series, theirs: pl.Series) -> pl.Series:
    if ours.dtype.is_float() or theirs.dtype.is_float():
        left, right = ours.cast(pl.Float64), theirs.cast(pl.Float64)
        # A change is a difference of numbers around 1, however small it is itself.
        least = float("_change_" in ours.name)
        most = pl.DataFrame({"left": left.abs(), "right": right.abs()}).with_columns(least=least).max_horizontal()
        return (left.is_null() != right.is_null()) | ((left - right).abs() > RELATIVE * most).fill_null(value=False)
    if ours.dtype.is_numeric() or theirs.dtype.is_numeric():
        ours, theirs = (each.cast(pl.Decimal(38, 6)) for each in (ours, theirs))
    elif ours.dtype != theirs.dtype:
        ours = ours.cast(theirs.dtype)
    return ours.ne_missing(theirs)


def with_moments(facts: pl.DataFrame, key: str, dimension: pl.DataFrame, moment: str) -> pl.DataFrame:
    """The facts with the moment from which the dimension's row holds, in place of the row's key, if they have it.

    So the key itself need not be recomputed: it names the row that held.
    """
    if key not in facts.columns:
        return facts
    return facts.join(dimension.select(key, pl.col("valid_from").alias(moment)), on=key, how="left").drop(key)
