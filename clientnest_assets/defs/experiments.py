"""What experiments did, as an asset: the mart's sums become effects, intervals and verdicts."""

import dagster as dg
import polars as pl

from clientnest_assets.contracts import DAY
from clientnest_assets.defs.metadata import picture, table
from clientnest_assets.defs.raw import OWNERS
from clientnest_assets.insights.experiments.effects import EFFECTS, RESULTS, effects
from clientnest_assets.insights.experiments.plots import intervals
from clientnest_assets.insights.experiments.verdicts import BROKEN_SPLIT
from clientnest_assets.installation import Installation
from clientnest_assets.lake import with_fresh_input
from clientnest_assets.partitions import Window
from clientnest_assets.warehouse.read import read_table

EXPERIMENTS = "experiments"
KEY = dg.AssetKey([EXPERIMENTS, "effects"])
MARTS, MART = "marts", "experiment_results"
SPLITS_AS_MEANT = "splits_as_meant"
SCHEMA = pl.Schema({**EFFECTS, DAY: pl.Date()})
SHOWN = ("experiment_key", "variant", "metric", "verdict", "lift", "lift_low", "lift_high", "adjusted_p_value", "words")


def experiment_assets() -> list[dg.AssetsDefinition]:
    """One asset: every experiment's effects."""

    @dg.asset(
        key=KEY,
        deps=[dg.AssetKey([MARTS, MART])],
        group_name=EXPERIMENTS,
        owners=OWNERS,
        kinds={"polars", "deltalake"},
        code_version="1",
        description=(
            "What each variant of each experiment did, compared with its control: difference and lift with 95 % intervals, "
            "p-values corrected for the number of variants, the smallest effect that would have been found, and a verdict "
            "in words. None before an experiment has ended and its outcomes are in, nor where its users are split in another "
            "way than meant. The table keeps each day's state of knowledge."
        ),
        check_specs=[
            dg.AssetCheckSpec(
                SPLITS_AS_MEANT,
                asset=KEY,
                description="Each experiment has about equal numbers of users in its variants. If not, it has no verdict.",
            )
        ],
    )
    def experiment_effects(installation: dg.ResourceParam[Installation]) -> dg.MaterializeResult:
        today = installation.calendar.today()
        found = effects(read_table(installation.warehouse_url, MARTS, MART, RESULTS), installation.calendar.now())
        kept = installation.lake.table(EXPERIMENTS, KEY.path[-1], SCHEMA, partition_by=(DAY,))
        rows, window = found.with_columns(pl.lit(today).alias(DAY)), Window.of_days(today, today)
        commit = with_fresh_input(lambda: kept.replace_window(kept.open(), rows, window, allow_empty=True))
        broken = found.filter(verdict=BROKEN_SPLIT)
        return dg.MaterializeResult(
            metadata={
                "day": str(today),
                "rows": rows.height,
                "verdicts": dict(found["verdict"].value_counts(sort=True).iter_rows()),
                "effects": table(found.select(SHOWN)),
                "plot_intervals": picture(intervals(found), "The lift of each variant with its 95 % interval"),
                "delta_version": commit.version,
            },
            check_results=[
                dg.AssetCheckResult(
                    passed=broken.is_empty(),
                    check_name=SPLITS_AS_MEANT,
                    severity=dg.AssetCheckSeverity.WARN,
                    description=" ".join(broken["words"]) or None,
                    metadata={"broken": sorted(set(broken["experiment_key"].fill_null("?")))},
                )
            ],
        )

    return [experiment_effects]
