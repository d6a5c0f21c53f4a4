"""What a backfill has to do: which partitions of which assets, in which order and in which runs.

Nothing is executed here; see `execute.py`. A partition is *missing* if it was never materialised, is older
than what it is made from, is behind rows that came late, or was made by another version of a feature view, so
a backfill that was killed goes on where it stopped.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from itertools import accumulate
from typing import Any

import dagster as dg
from dagster import DagsterEventType
from dagster._core.definitions.assets.graph.asset_graph import AssetGraph
from dagster._core.definitions.data_version import DATA_VERSION_TAG
from dagster._core.storage.partition_status_cache import AssetPartitionStatus

from clientnest_assets.defs.change_capture import GROUP as CHANGE_CAPTURE
from clientnest_assets.defs.dbt import LAYERS
from clientnest_assets.defs.partitions import LOOKS_AHEAD, LOOKS_BACK, VERSIONED, is_of_version
from clientnest_assets.defs.platforms import GROUP as PLATFORMS
from clientnest_assets.defs.warehouse import GROUP as WAREHOUSE
from clientnest_assets.partitions import DAYS_PER_CHUNK, Calendar, Window, spans

WEEK = timedelta(days=7)
Behind = Mapping[dg.AssetKey, Sequence[date]]
"""Days by asset."""


class Only(StrEnum):
    """Which partitions of the range a backfill materialises."""

    MISSING = "missing"
    FAILED = "failed"
    ALL = "all"


@dataclass(frozen=True)
class PlannedRun:
    """One Dagster run: some assets over a range of partitions, or assets without partitions (`keys` empty)."""

    stage: int
    assets: tuple[dg.AssetKey, ...]
    keys: tuple[str, ...]

    @property
    def materialisations(self) -> int:
        """How many asset partitions the run makes."""
        return len(self.assets) * max(1, len(self.keys))

    @property
    def tags(self) -> dict[str, str]:
        """The tags that tell Dagster which partitions the run is about."""
        if not self.keys:
            return {}
        if len(self.keys) == 1:
            return {"dagster/partition": self.keys[0]}
        return {"dagster/asset_partition_range_start": self.keys[0], "dagster/asset_partition_range_end": self.keys[-1]}

    def __str__(self) -> str:
        groups = sorted({key.path[0] for key in self.assets})
        span = f" {self.keys[0]} to {self.keys[-1]}" if len(self.keys) > 1 else f" {self.keys[0]}" if self.keys else ""
        return f"{', '.join(groups)}{span}"


class Planner:
    """Plans backfills over one asset graph, by what its Dagster instance knows of each partition."""

    def __init__(
        self,
        graph: AssetGraph,
        instance: dg.DagsterInstance,
        calendar: Calendar,
        behind: Callable[[], Behind] = dict,
    ) -> None:
        """A planner that reads the instance once, and again after `forget`.

        Args:
            graph: the assets.
            instance: knows what was materialised.
            calendar: the days there are.
            behind: asked for made days that are behind the rows loaded since, wherever in the calendar they are.
        """
        self._graph = graph
        self._instance = instance
        self._calendar = calendar
        self._ask_behind = behind
        self._behind: Behind | None = None
        self._materialised: dict[dg.AssetKey, Mapping[str | None, int]] = {}

    def default_selection(self) -> set[dg.AssetKey]:
        """All assets but models and what hangs on them, made when asked for, and those that only land what is new now."""
        weekly = {key for key in self._all() if self._is_weekly(key)}
        by_themselves = {key for key in self._all() if self._graph.get(key).group_name in (CHANGE_CAPTURE, PLATFORMS)}
        return self._all() - weekly - self._downstream(weekly) - by_themselves

    def warehouse(self) -> set[dg.AssetKey]:
        """The assets of the warehouse, loads, every layer of dbt and its docs site: all that the lake alone gives."""
        groups = (WAREHOUSE, *LAYERS, "docs")
        return {key for key in self._all() if self._graph.get(key).group_name in groups}

    def newest_day_above(self, selected: set[dg.AssetKey]) -> date | None:
        """The newest day of the daily assets that the selected are directly made of, without those that are selected."""
        above = {parent for key in selected for parent in self._graph.get(key).parent_keys} - selected
        days = [name for key in above if self._is_partitioned(key) for name in self._ids(key) if name]
        return date.fromisoformat(max(days)) if days else None

    def plan(
        self, selected: set[dg.AssetKey], window: Window, only: Only, *, after: Iterable[PlannedRun] = ()
    ) -> list[PlannedRun]:
        """The runs, in an order in which each finds its inputs made.

        Args:
            selected: the assets to materialise.
            window: the days. A day that is made of later days too is made again when those are in the window, and one
                that is behind rows that came late wherever it is.
            only: which of the partitions.
            after: runs of the same backfill that are done. What they made is not planned again.
        """
        runs: list[PlannedRun] = []
        planned: dict[dg.AssetKey, set[str]] = {}
        for run in after:
            for key in run.assets:
                planned.setdefault(key, set()).update(run.keys)
        selected = selected - planned.keys()
        for number, stage in enumerate(self._stages(selected)):
            for keys in stage:
                needed: dict[dg.AssetKey, list[str] | None] = {}
                for key in keys:
                    needed[key] = self._needed(key, window, only, planned)
                    if needed[key] is not None:
                        planned[key] = set(needed[key] or ())
                runs.extend(self._runs(number, needed))
        return runs

    def missing(self, selected: Iterable[dg.AssetKey], window: Window) -> dict[dg.AssetKey, list[str]]:
        """The selected assets' partitions of the window that are not materialised, by asset."""
        found = {}
        for key in selected:
            if self._is_partitioned(key):
                names = [name for name in self._keys(key, window) if self._inside(key, name, window)]
                found[key] = [name for name in names if name not in self._ids(key)]
            elif not self._ids(key):
                found[key] = ["(not partitioned)"]
        return {key: names for key, names in found.items() if names}

    def loading(self, runs: Iterable[PlannedRun]) -> list[PlannedRun]:
        """The runs up to the last that loads: what they load may put other days behind."""
        planned = list(runs)
        loads = [any(self._graph.get(key).group_name == WAREHOUSE for key in run.assets) for run in planned]
        return planned[: max((number for number, is_load in enumerate(loads, 1) if is_load), default=0)]

    def forget(self) -> None:
        """Reads the instance anew at the next question."""
        self._materialised.clear()
        self._behind = None

    def _stages(self, selected: set[dg.AssetKey]) -> list[list[list[dg.AssetKey]]]:
        """Assets by stage, and in a stage by partitioning. An asset shares its parents' stage where days match one to one."""
        ordered = [key for level in self._graph.toposorted_asset_keys_by_level for key in sorted(level)]
        # Assets that are no part of the selection still keep their place in the order.
        stage_of = dict.fromkeys(ordered, 0)
        for _ in ordered:
            before = dict(stage_of)
            for key in ordered:
                # Assets of one step go together, as late as the latest of them: a dbt layer is one call of dbt.
                mates = self._graph.assets_def_for_key(key).keys
                after_parents = (
                    stage_of[parent] + (0 if self._matches_one_to_one(mate, parent) else 1)
                    for mate in mates
                    for parent in self._graph.get(mate).parent_keys
                    if parent not in mates
                )
                stage_of[key] = max(after_parents, default=0)
            if stage_of == before:
                break
        stages: list[list[list[dg.AssetKey]]] = []
        for number in sorted({stage_of[key] for key in selected}):
            members = [key for key in ordered if key in selected and stage_of[key] == number]
            kinds: dict[object, list[dg.AssetKey]] = {}
            for key in members:
                kinds.setdefault(type(self._partitions(key)), []).append(key)
            stages.append(list(kinds.values()))
        return stages

    def _needed(
        self, key: dg.AssetKey, window: Window, only: Only, planned: Mapping[dg.AssetKey, set[str]]
    ) -> list[str] | None:
        """The partitions of an asset that the backfill makes; for one without partitions [] if it is, None if not."""
        if not self._is_partitioned(key):
            if only is Only.FAILED:
                is_needed = self._has_failed(key) or self._follows_planned(key, planned)
            else:
                is_needed = only is Only.ALL or self._is_behind(key, planned)
            return [] if is_needed else None
        names, own = self._keys(key, window), self._ids(key)
        if only is Only.FAILED:
            return self._failed(key, names, planned)
        # A day before the window is made again, never for the first time.
        behind = self._days_behind(key) & own.keys()
        followed = {name for parent in self._parents_of_a_kind(key) for name in planned.get(parent, ())} & own.keys()
        names = sorted({*names, *behind, *followed})
        stale = behind | self._stale(key, names, planned)
        return [
            name
            for name in names
            if (name in own and name in stale)
            or (self._inside(key, name, window) and (name not in own or only is Only.ALL))
        ]

    def _failed(self, key: dg.AssetKey, names: list[str], planned: Mapping[dg.AssetKey, set[str]]) -> list[str]:
        """Those of the partitions whose latest attempt failed, and those that hang on what is planned."""
        statuses = self._instance.get_status_by_partition(key, names, self._partitions(key)) or {}
        own, parents = self._ids(key), self._parents_of_a_kind(key)
        found = {name for name in names if statuses.get(name) is AssetPartitionStatus.FAILED}
        found |= self._stale(key, names, planned, by_plan_alone=True) & (
            own.keys() | {name for parent in parents for name in planned.get(parent, ())}
        )
        if any(parent in planned and not self._is_partitioned(parent) for parent in self._graph.get(key).parent_keys):
            # What is planned holds all days: those that waited for it are the ones whose other inputs are there.
            begun = set(names).intersection(*({*self._ids(parent), *planned.get(parent, ())} for parent in parents))
            found |= {name for name in begun if name not in own} | self._stale(key, sorted(begun), planned)
        return sorted(found)

    def _days_behind(self, key: dg.AssetKey) -> set[str]:
        if self._behind is None:
            self._behind = self._ask_behind()
        span = self._calendar.span()
        return {str(day) for day in self._behind.get(key, ()) if span.start <= day < span.end}

    def _stale(
        self,
        key: dg.AssetKey,
        names: list[str],
        planned: Mapping[dg.AssetKey, set[str]],
        *,
        by_plan_alone: bool = False,
    ) -> set[str]:
        """Those of the partitions that are older than a day they are made of, or whose days are planned.

        Args:
            key: the asset.
            names: its partitions.
            planned: what is planned so far.
            by_plan_alone: leave out those that are only older.
        """
        tags = self._graph.get(key).tags
        ahead, back = (timedelta(days=int(tags.get(tag, "") or "0")) for tag in (LOOKS_AHEAD, LOOKS_BACK))
        is_history = tags.get(LOOKS_BACK) == ""
        own, stale = self._ids(key), set()
        for parent in self._parents_of_a_kind(key):
            made = {} if by_plan_alone else self._ids(parent)
            moments: dict[Any, float] = {**made, **dict.fromkeys(planned.get(parent, ()), math.inf)}
            days = sorted(moments)
            ids = [moments[day] for day in days]
            newest = list(accumulate(ids, max))
            for name in names:
                day = date.fromisoformat(name)
                first, end = bisect_left(days, str(day - back)), bisect_right(days, str(day + ahead))
                read = newest[end - 1 : end] if is_history else ids[first:end]
                if max(read, default=0) > own.get(name, 0):
                    stale.add(name)
        return stale | self._behind_a_week(key, names, planned, by_plan_alone=by_plan_alone)

    def _behind_a_week(
        self, key: dg.AssetKey, names: list[str], planned: Mapping[dg.AssetKey, set[str]], *, by_plan_alone: bool
    ) -> set[str]:
        """Those of a daily asset's partitions that are older than a week that was over when they began, or that is planned."""
        own, stale = self._ids(key), set()
        parents = [] if self._is_weekly(key) else filter(self._is_weekly, self._graph.get(key).parent_keys)
        for parent in parents:
            made = {} if by_plan_alone else self._ids(parent)
            moments: dict[Any, float] = {**made, **dict.fromkeys(planned.get(parent, ()), math.inf)}
            weeks = sorted(moments)
            newest = list(accumulate((moments[week] for week in weeks), max))
            for name in names:
                end = bisect_right(weeks, str(date.fromisoformat(name) - WEEK))
                if max(newest[end - 1 : end], default=0) > own.get(name, 0):
                    stale.add(name)
        return stale

    def _is_behind(self, key: dg.AssetKey, planned: Mapping[dg.AssetKey, set[str]]) -> bool:
        own = self._ids(key).get(None)
        if own is None or self._follows_planned(key, planned):
            return True
        return any(max(self._ids(parent).values(), default=0) > own for parent in self._graph.get(key).parent_keys)

    def _follows_planned(self, key: dg.AssetKey, planned: Mapping[dg.AssetKey, set[str]]) -> bool:
        return any(
            parent in planned and (planned[parent] or not self._is_partitioned(parent))
            for parent in self._graph.get(key).parent_keys
        )

    def _has_failed(self, key: dg.AssetKey) -> bool:
        """True if the latest run that was to make an asset without partitions failed before it did."""
        for record in self._instance.get_asset_records([key]):
            latest, made = record.asset_entry.last_run_id, record.asset_entry.last_materialization
            run = self._instance.get_run_by_id(latest) if latest and not (made and made.run_id == latest) else None
            return run is not None and run.status is dg.DagsterRunStatus.FAILURE
        return False

    def _parents_of_a_kind(self, key: dg.AssetKey) -> set[dg.AssetKey]:
        """The daily assets a daily asset is made from, seen through views between them; of a weekly one, the weekly ones."""
        if self._is_weekly(key):
            return {parent for parent in self._graph.get(key).parent_keys if self._is_weekly(parent)}
        looks_back = LOOKS_BACK in self._graph.get(key).tags
        found: set[dg.AssetKey] = set()
        seen: set[dg.AssetKey] = set()
        waiting = [(parent, key) for parent in self._graph.get(key).parent_keys]
        while waiting:
            parent, child = waiting.pop()
            if not self._is_partitioned(parent):
                if parent not in seen:
                    waiting += [(upstream, parent) for upstream in self._graph.get(parent).parent_keys]
                seen.add(parent)
            elif not self._is_weekly(parent) and (
                child != key or looks_back or self._matches_one_to_one(child, parent)
            ):
                found.add(parent)
        return found

    def _runs(self, stage: int, needed: Mapping[dg.AssetKey, list[str] | None]) -> Iterator[PlannedRun]:
        whole = tuple(key for key, names in needed.items() if names == [] and not self._is_partitioned(key))
        if whole:
            yield PlannedRun(stage, whole, ())
        partitioned = {key: names for key, names in needed.items() if names}
        if not partitioned:
            return
        names = sorted({name for each in partitioned.values() for name in each})
        size = 1 if any(self._is_weekly(key) for key in partitioned) else DAYS_PER_CHUNK
        # A run's range has no holes.
        for span in spans(map(date.fromisoformat, names), size):
            chunk = tuple(map(str, span.days()))
            assets = tuple(key for key, wanted in partitioned.items() if not set(chunk).isdisjoint(wanted))
            yield PlannedRun(stage, assets, chunk)

    def _keys(self, key: dg.AssetKey, window: Window) -> list[str]:
        """The asset's partitions that the window touches: days before it too, where they are made of days in it."""
        ahead = int(self._graph.get(key).tags.get(LOOKS_AHEAD, "0"))
        first = max(window.start - timedelta(days=ahead), self._calendar.first_day)
        last = min(window.last_day, self._calendar.today())
        if last < first:
            return []
        partitions = self._partitions(key)
        if self._is_weekly(key):
            return [
                name
                for name in partitions.get_partition_keys()
                if window.start < date.fromisoformat(name) + WEEK <= window.end
            ]
        return [str(day) for day in Window.of_days(first, last).days()]

    def _inside(self, key: dg.AssetKey, name: str, window: Window) -> bool:
        return self._is_weekly(key) or window.start <= date.fromisoformat(name) < window.end

    def _ids(self, key: dg.AssetKey) -> Mapping[str | None, int]:
        """The event id of each partition's latest materialisation; None stands for an asset without partitions."""
        if key not in self._materialised:
            if self._is_partitioned(key):
                ids: Mapping[Any, int] = self._instance.event_log_storage.get_latest_storage_id_by_partition(
                    key, DagsterEventType.ASSET_MATERIALIZATION
                )
                if VERSIONED in self._graph.get(key).tags:
                    ids = {name: ids[name] for name in self._of_this_version(key) if name in ids}
            else:
                event = self._instance.get_latest_materialization_event(key)
                record = self._instance.get_asset_records([key]) if event else []
                ids = {None: record[0].asset_entry.last_materialization_storage_id or 0} if record else {}
            self._materialised[key] = ids
        return self._materialised[key]

    def _of_this_version(self, key: dg.AssetKey) -> set[str]:
        """The partitions that the present code version made last."""
        tags = self._instance.event_log_storage.get_latest_tags_by_partition(
            key, DagsterEventType.ASSET_MATERIALIZATION, [DATA_VERSION_TAG]
        )
        version = str(self._graph.get(key).code_version)
        return {name for name, found in tags.items() if is_of_version(found.get(DATA_VERSION_TAG, ""), version)}

    def _matches_one_to_one(self, key: dg.AssetKey, parent: dg.AssetKey) -> bool:
        own, theirs = self._partitions(key), self._partitions(parent)
        if type(own) is not type(theirs) or LOOKS_AHEAD in self._graph.get(key).tags:
            return False
        return own is None or self._graph.get(key).partition_mappings.get(parent) is None

    def _partitions(self, key: dg.AssetKey) -> Any:
        return self._graph.get(key).partitions_def

    def _is_partitioned(self, key: dg.AssetKey) -> bool:
        return self._partitions(key) is not None

    def _is_weekly(self, key: dg.AssetKey) -> bool:
        return isinstance(self._partitions(key), dg.WeeklyPartitionsDefinition)

    def _all(self) -> set[dg.AssetKey]:
        return set(self._graph.materializable_asset_keys)

    def _downstream(self, keys: Iterable[dg.AssetKey]) -> set[dg.AssetKey]:
        found: set[dg.AssetKey] = set()
        waiting = list(keys)
        while waiting:
            for child in self._graph.get(waiting.pop()).child_keys:
                if child not in found:
                    found.add(child)
                    waiting.append(child)
        return found
