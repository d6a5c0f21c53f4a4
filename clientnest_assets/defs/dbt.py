"""The dbt models as assets, by layer and partition scheme, and the docs site.

A layer is one step, or two where part of it is built by day or waits for another layer. What a build tells
Dagster is in `dbt_results.py`.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, DbtProject

from clientnest_assets.contracts import WAREHOUSE_TABLES
from clientnest_assets.defs.dbt_results import check_key, results
from clientnest_assets.defs.partitions import CHUNKED, LOOKS_AHEAD, LOOKS_BACK, WINDOWED, Partitions, window_of
from clientnest_assets.defs.raw import OWNERS
from clientnest_assets.defs.warehouse import warehouse_key
from clientnest_assets.installation import Installation
from clientnest_assets.partitions import RESTATEMENT_DAYS
from clientnest_assets.warehouse import dbt
from clientnest_assets.warehouse.behind import current_snapshot, note_builds
from clientnest_assets.warehouse.layers import BUILT, Step, steps, tested_models
from clientnest_assets.warehouse.lineage import ColumnLineage

LAYERS = ("reference", "staging", "intermediate", "dimensions", "facts", "marts")
REFERENCE, STAGING, INTERMEDIATE, DIMENSIONS, FACTS, MARTS = LAYERS
SETTLED_AFTER_DAYS = RESTATEMENT_DAYS + 1
"""A post of a day's last hour is 28 days old on the 29th day after; versions of users and requests arrive sooner."""


class Translator(DagsterDbtTranslator):
    """Names and groups models by their layer, which is their schema, and sources by the asset that loads them."""

    def get_asset_key(self, dbt_resource_props: Mapping[str, Any]) -> dg.AssetKey:
        """`staging/stg_app__social_posts`, `facts/fact_posts`; a source is `warehouse/social_posts`."""
        if dbt_resource_props["resource_type"] == "source":
            return warehouse_key(dbt_resource_props["name"])
        return dg.AssetKey([dbt_resource_props["schema"], dbt_resource_props["name"]])

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str:
        """The layer."""
        return str(dbt_resource_props["schema"])

    def get_owners(self, dbt_resource_props: Mapping[str, Any]) -> list[str]:
        """The team that answers for the model."""
        return OWNERS

    def get_tags(self, dbt_resource_props: Mapping[str, Any]) -> Mapping[str, str]:
        """Dbt's tags; and of which days a day is made, as the model's meta says."""
        meta = dbt_resource_props["config"].get("meta", {})
        return {
            **super().get_tags(dbt_resource_props),
            **({WINDOWED: ""} if meta.get("window_column") else {}),
            **({LOOKS_BACK: ""} if meta.get("looks_back") else {}),
            **({LOOKS_AHEAD: str(meta["looks_ahead_days"])} if meta.get("looks_ahead_days") else {}),
        }

    def get_asset_spec(self, manifest: Mapping[str, Any], unique_id: str, project: DbtProject | None) -> dg.AssetSpec:
        """The model's spec. What the loader writes down about all tables (source `loads`) comes from all of them."""
        spec = super().get_asset_spec(manifest, unique_id, project)
        tables = {warehouse_key(contract.name) for contract in WAREHOUSE_TABLES}
        own = {dep.asset_key for dep in spec.deps}
        if any(key.path[0] == "warehouse" and key not in tables for key in own):
            wanted = tables | {key for key in own if key.path[0] != "warehouse"}
            return spec.replace_attributes(deps=[dg.AssetDep(key) for key in sorted(wanted)])
        return spec


def warehouse_models(manifest_file: Path, partitions: Partitions) -> list[dg.AssetsDefinition]:
    """The warehouse's models in their steps, and the docs site over them."""
    manifest = json.loads(manifest_file.read_text())
    return [*dbt_assets(manifest, partitions), docs_site(manifest)]


def dbt_assets(manifest: Mapping[str, Any], partitions: Partitions) -> list[dg.AssetsDefinition]:
    """The models of a dbt project, a multi-asset a step; their data tests are checks on them."""
    translator, lineage = Translator(), ColumnLineage(manifest)
    tests: dict[str, list[str]] = {}
    for test, model in tested_models(manifest).items():
        tests.setdefault(model, []).append(test)
    return [_step(step, manifest, tests, translator, lineage, partitions) for step in steps(manifest)]


def _step(
    step: Step,
    manifest: Mapping[str, Any],
    tests: Mapping[str, list[str]],
    translator: Translator,
    lineage: ColumnLineage,
    partitions: Partitions,
) -> dg.AssetsDefinition:
    nodes = manifest["nodes"]
    specs = {model: translator.get_asset_spec(manifest, model, None) for model in step.models}
    keys = {spec.key: model for model, spec in specs.items()}
    checks = {
        check_key(specs[model].key, nodes[test]): test for model in step.models for test in sorted(tests.get(model, []))
    }

    @dg.multi_asset(
        name=step.name,
        specs=list(specs.values()),
        check_specs=[_check(key, nodes[test]) for key, test in checks.items()],
        can_subset=True,
        partitions_def=partitions.daily if step.is_windowed else None,
        backfill_policy=CHUNKED if step.is_windowed else None,
    )
    def models(context: dg.AssetExecutionContext, installation: dg.ResourceParam[Installation]) -> Iterator[Any]:
        # Checks alone may be run for no day in particular: then tests look at all days.
        has_days = context.has_partition_key or context.has_partition_key_range
        window = window_of(context) if step.is_windowed and has_days else None
        selected = {keys[key]: key for key in context.selected_asset_keys}
        asked = {checks[key]: key for key in context.selected_asset_check_keys}
        url = installation.warehouse_url
        seen = current_snapshot(url) if window else ""
        built = dbt.build(installation.home, url, [*selected, *asked], window)
        yield from results(context, built, selected, asked, manifest, lineage, url, window)
        for test, missing in built.waiting.items():
            context.log.info("%s waits for %s to be built", nodes[test]["name"], ", ".join(missing))
        if window:
            # Once Dagster knows: killed before, these days are as far behind as they were, and what hangs on them follows.
            note_builds(url, (nodes[model]["name"] for model in built.sound), window, seen)
        if built.failures:
            # Permanent until the data or the model changes: trying again as it is would only fail again.
            raise dg.Failure("dbt: " + "; ".join(built.failures), allow_retries=False)

    return models


def _check(key: dg.AssetCheckKey, test: Mapping[str, Any]) -> dg.AssetCheckSpec:
    return dg.AssetCheckSpec(
        name=key.name,
        asset=key.asset_key,
        description=test.get("description") or None,
        # What hangs on the model waits for it, and is not made if it fails.
        blocking=str(test["config"].get("severity") or "error").lower() == "error",
    )


def docs_site(manifest: Mapping[str, Any]) -> dg.AssetsDefinition:
    """The dbt docs site as an asset: one page, self-contained."""
    models = [
        Translator().get_asset_key(node)
        for node in manifest["nodes"].values()
        if node["resource_type"] in BUILT and node["schema"] in (DIMENSIONS, MARTS)
    ]

    @dg.asset(
        key=["docs", "dbt_docs"],
        deps=models,
        group_name="docs",
        owners=OWNERS,
        kinds={"dbt"},
        description="The docs site for analysts: every model and column of the warehouse, with its lineage.",
    )
    def dbt_docs(installation: dg.ResourceParam[Installation]) -> dg.MaterializeResult:
        dbt.generate_docs(installation.home, installation.warehouse_url)
        page = dbt.docs_page(installation.home)
        return dg.MaterializeResult(metadata={"page": dg.MetadataValue.path(str(page)), "bytes": page.stat().st_size})

    return dbt_docs
