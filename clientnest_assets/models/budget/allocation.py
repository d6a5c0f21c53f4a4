"""The exact best split of a total over options whose worth is a concave power of what they get.

Whole units by marginal analysis, money by water-filling; many plans at once, each for itself. What the options and
their worth are is decided in `response.py` and `scoring.py`.

An option's worth is scale · amount ^ exponent, the exponent in (0, 1]: each further unit is worth as much as the one
before, or less.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from clientnest_assets.models.additive import Vector
from clientnest_assets.models.errors import ModelError

PLAN: Final = "plan"
SCALE: Final = "scale"
EXPONENT: Final = "exponent"
LEAST: Final = "least"
MOST: Final = "most"
TOTAL: Final = "total"
AMOUNT: Final = "amount"
ONE_MORE: Final = "one_more"
"""What the best further post, or cent, of a plan would add; null where its limits leave no room."""
CENT: Final = 0.01
STEPS: Final = 10_000
"""Money is split to so many parts of a dollar: a post written by AI costs a cent or two."""
_HALVINGS: Final = 200
_LARGEST_LOG: Final = 700.0
_OPTION: Final = "__option"


def worth(scale: pl.Expr, exponent: pl.Expr, amount: pl.Expr) -> pl.Expr:
    """What an option is worth with an amount; nothing with nothing."""
    return pl.when(amount > 0).then(scale * amount.cast(pl.Float64).pow(exponent)).otherwise(0.0)


def allocate_units(options: pl.DataFrame) -> pl.DataFrame:
    """The options, in their order, with the whole units each gets (AMOUNT) and what ONE_MORE in its plan would add.

    Unit by unit to where it adds most, which is the optimum for concave worths: B. Fox, "Discrete optimization via
    marginal analysis", Management Science 13 (1966). An option without a scale gets its least: nothing is known of what
    more would be worth. What no limit has room for is left over.

    Args:
        options: one row an option of a PLAN: SCALE and EXPONENT (null where nothing is known), LEAST, MOST and the
            plan's TOTAL, all whole.

    Raises:
        ModelError: limits contradict each other; says of which plan, and how.
    """
    _check(options)
    rows = options.with_row_index(_OPTION).with_columns(spare=pl.col(TOTAL) - pl.col(LEAST).sum().over(PLAN))
    # One unit more than there is to give: the first that is not given is what ONE_MORE tells.
    room = pl.min_horizontal(pl.col(MOST) - pl.col(LEAST), pl.col("spare") + 1)
    units = (
        rows.filter(pl.col(SCALE).is_not_null())
        .with_columns(unit=pl.int_ranges(pl.col(LEAST) + 1, pl.col(LEAST) + room + 1))
        .explode("unit", empty_as_null=True)
        .filter(pl.col("unit").is_not_null())
        .with_columns(gain=_at("unit") - _at(pl.col("unit") - 1))
        .sort(PLAN, "gain", _OPTION, "unit", descending=[False, True, False, False])
        .with_columns(place=pl.int_range(pl.len()).over(PLAN))
    )
    given = (
        units.filter(pl.col("place") < pl.col("spare")).group_by(_OPTION).agg(pl.len().cast(pl.Int64).alias("given"))
    )
    further = units.filter(pl.col("place") == pl.col("spare")).select(PLAN, pl.col("gain").alias(ONE_MORE))
    return (
        rows.join(given, on=_OPTION, how="left", validate="1:1")
        .join(further, on=PLAN, how="left", validate="m:1")
        .sort(_OPTION)
        .with_columns((pl.col(LEAST) + pl.col("given").fill_null(0)).alias(AMOUNT))
        .select(*options.columns, AMOUNT, ONE_MORE)
    )


def allocate_money(options: pl.DataFrame) -> pl.DataFrame:
    """The options, in their order, with the money each gets (AMOUNT), and what ONE_MORE cent in its plan would add.

    All options that are between their limits are filled until a further unit adds the same in each: water-filling, the
    optimum of a concave problem by its Karush-Kuhn-Tucker conditions (S. Boyd and L. Vandenberghe, Convex Optimization,
    2004, 5.5.3). An option without a scale gets its least. What no limit has room for is left over.

    Args:
        options: as in `allocate_units`; LEAST, MOST and TOTAL in dollars, in whole STEPS.

    Raises:
        ModelError: limits contradict each other; says of which plan, and how.
    """
    _check(options)
    if options.is_empty():
        return options.with_columns(pl.lit(None, pl.Float64).alias(AMOUNT), pl.lit(None, pl.Float64).alias(ONE_MORE))
    plan = options[PLAN].rank("dense").to_numpy().astype(np.int64) - 1
    least, most, total = (options[name].to_numpy().astype(np.float64) for name in (LEAST, MOST, TOTAL))
    scale, exponent = (options[name].fill_null(0.0).to_numpy().astype(np.float64) for name in (SCALE, EXPONENT))
    is_known = options[SCALE].is_not_null().to_numpy() & (scale > 0)
    most = np.where(is_known, most, least)
    scale, exponent = np.where(is_known, scale, 1.0), np.where(is_known, exponent, 1.0)
    room = np.bincount(plan, most)
    whole = _first(total, plan)
    wanted = np.minimum(whole, room)
    best = _filled(plan, scale, exponent, least, most, wanted)
    further = _filled(plan, scale, exponent, least, most, wanted + CENT)
    gain = np.bincount(plan, np.where(is_known, scale * (further**exponent - best**exponent), 0.0))
    gain = np.where(room >= whole + CENT - 0.5 / STEPS, gain, np.nan)
    return options.with_columns(
        pl.Series(AMOUNT, _in_steps(plan, best, most, wanted)), pl.Series(ONE_MORE, gain[plan], nan_to_null=True)
    )


def _at(amount: str | pl.Expr) -> pl.Expr:
    return worth(pl.col(SCALE), pl.col(EXPONENT), pl.col(amount) if isinstance(amount, str) else amount)


def _check(options: pl.DataFrame) -> None:
    plans = options.group_by(PLAN, maintain_order=True).agg(
        pl.col(LEAST).sum().alias("needed"),
        pl.col(TOTAL).first(),
        (pl.col(TOTAL).n_unique() > 1).alias("is_torn"),
        ((pl.col(LEAST) < 0) | (pl.col(LEAST) > pl.col(MOST))).any().alias("is_crossed"),
        pl.any_horizontal(pl.col(LEAST, MOST, TOTAL).is_null()).any().alias("is_open"),
    )
    for condition, words in (
        ("is_open", "a total, a least or a most is missing"),
        ("is_torn", "it has more than one total"),
        ("is_crossed", "an option has a least below 0 or above its most"),
    ):
        if (bad := plans.filter(condition)).height:
            raise ModelError(f"plan {bad[PLAN][0]} cannot be kept: {words}. Change its limits.")
    if (short := plans.filter(pl.col("needed") > pl.col(TOTAL) + 0.5 / STEPS)).height:
        plan, needed, total = short.select(PLAN, "needed", TOTAL).row(0)
        raise ModelError(
            f"plan {plan} cannot be kept: its least amounts need {needed}, its total is {total}. Lower them."
        )


def _filled(
    plan: npt.NDArray[np.int64], scale: Vector, exponent: Vector, least: Vector, most: Vector, wanted: Vector
) -> Vector:
    """Amounts by option that bring each plan to what is wanted: a further unit adds the same in all that have room.

    By bisection of that rate's logarithm. A linear option jumps from its least to its most at one rate; on the two
    sides of the last step lie amounts below and above what is wanted, and between them all splits are worth the same.
    """
    bend = 1 - exponent
    is_linear = bend < 1e-9

    def amounts(log_rate: Vector) -> Vector:
        over = np.log(scale) + np.log(exponent) - log_rate[plan]
        curved = np.exp(
            np.clip(np.divide(over, bend, out=np.zeros(len(over)), where=~is_linear), -_LARGEST_LOG, _LARGEST_LOG)
        )
        free = np.where(is_linear, np.where(over > 0, np.inf, 0.0), curved)
        return np.clip(free, least, most)

    plans = len(wanted)
    low, high = np.full(plans, -_LARGEST_LOG), np.full(plans, _LARGEST_LOG)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        is_much = np.bincount(plan, amounts(middle), plans) > wanted
        low, high = np.where(is_much, middle, low), np.where(is_much, high, middle)
    few, many = amounts(high), amounts(low)
    gap = np.bincount(plan, many - few, plans)
    missing = wanted - np.bincount(plan, few, plans)
    part = np.clip(np.divide(missing, gap, out=np.zeros(plans), where=gap > 0), 0, 1)
    filled: Vector = few + part[plan] * (many - few)
    return filled


def _in_steps(plan: npt.NDArray[np.int64], amount: Vector, most: Vector, wanted: Vector) -> Vector:
    """Amounts in whole STEPS that add up to what is wanted: rounded down, and the rest to the greatest remainders."""
    steps = np.floor(amount * STEPS + 1e-6)
    missing = np.round(wanted * STEPS) - np.bincount(plan, steps)
    has_room = steps + 1 <= np.round(most * STEPS)
    remainder = np.where(has_room, amount * STEPS - steps, -1.0)
    order = np.lexsort((-remainder, plan))
    starts = np.searchsorted(plan[order], np.arange(len(wanted)))
    place = np.empty(len(plan), np.int64)
    place[order] = np.arange(len(plan)) - starts[plan[order]]
    rounded: Vector = (steps + (has_room & (place < missing[plan]))) / STEPS
    return rounded


def _first(values: Vector, plan: npt.NDArray[np.int64]) -> Vector:
    _, where = np.unique(plan, return_index=True)
    return values[where]
