"""The dbt models as assets, split by layer: staging, facts (by day), dimensions, marts; and the docs site.

A layer is one step. A retry runs its models anew; split by layer, it does not run the ones before.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, DagsterDbtTranslatorSettings, dbt_assets
from dagster_dbt.core.dbt_cli_event import DbtCoreCliEventMessage

from clientnest_assets.defs.partitions import CHUNKED, LOOKS_AHEAD, LOOKS_BACK, Partitions, window_of
from clientnest_assets.defs.raw import OWNERS
from clientnest_assets.defs.warehouse import warehouse_key
from clientnest_assets.installation import Installation
from clientnest_assets.partitions import RESTATEMENT_DAYS
from clientnest_assets.warehouse import dbt

STAGING, FACTS, DIMENSIONS, MARTS = LAYERS = ("staging", "facts", "dimensions", "marts")
SETTLED_AFTER_DAYS = RESTATEMENT_DAYS + 1
"""A post of a day's last hour is 28 days old on the 29th day after; versions of users and requests arrive sooner."""


class Translator(DagsterDbtTranslator):
    """Names and groups models by their layer, the folder they are in, and sources by the asset that loads them."""

    def __init__(self) -> None:
        super().__init__(DagsterDbtTranslatorSettings(enable_source_tests_as_checks=True))

    def get_asset_key(self, dbt_resource_props: Mapping[str, Any]) -> dg.AssetKey:
        """`staging/stg_app__social_posts`, `facts/fact_posts`; a source is `warehouse/social_posts`."""
        if dbt_resource_props["resource_type"] == "source":
            return warehouse_key(dbt_resource_props["name"])
        return dg.AssetKey([dbt_resource_props["fqn"][1], dbt_resource_props["name"]])

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str:
        """The layer."""
        return str(dbt_resource_props["fqn"][1])

    def get_owners(self, dbt_resource_props: Mapping[str, Any]) -> list[str]:
        """The team that answers for the model."""
        return OWNERS

    def get_tags(self, dbt_resource_props: Mapping[str, Any]) -> Mapping[str, str]:
        """Dbt's tags; and of facts, that a day is made of all days before it and of some after it."""
        own = super().get_tags(dbt_resource_props)
        if self.get_group_name(dbt_resource_props) != FACTS:
            return own
        return {**own, LOOKS_BACK: "", LOOKS_AHEAD: str(SETTLED_AFTER_DAYS)}


def warehouse_models(manifest: Path, partitions: Partitions) -> list[dg.AssetsDefinition]:
    """The warehouse's models, a step a layer."""
    return [
        _layer(manifest, STAGING),
        _layer(manifest, DIMENSIONS),
        _layer(manifest, FACTS, partitions.daily),
        _layer(manifest, MARTS),
        docs_site(manifest),
    ]


def _layer(
    manifest: Path, layer: str, partitions_def: dg.DailyPartitionsDefinition | None = None
) -> dg.AssetsDefinition:
    @dbt_assets(
        manifest=manifest,
        select=f"fqn:clientnest.{layer}",
        name=f"dbt_{layer}",
        partitions_def=partitions_def,
        backfill_policy=CHUNKED if partitions_def else None,
        dagster_dbt_translator=Translator(),
    )
    def models(context: dg.AssetExecutionContext, installation: dg.ResourceParam[Installation]) -> Iterator[Any]:
        built = dbt.build(
            installation.home,
            installation.warehouse_url,
            sorted(key.path[-1] for key in context.selected_asset_keys),
            window_of(context) if partitions_def else None,
        )
        yield from _dagster_events(context, manifest, built)
        if built.failures:
            # Permanent until the data or the model changes: trying again as it is would only fail again.
            raise dg.Failure("dbt: " + "; ".join(built.failures), allow_retries=False)

    return models


def _dagster_events(context: dg.AssetExecutionContext, manifest: Path, built: dbt.Built) -> Iterator[Any]:
    """The materialisations and check results of a build, by dagster-dbt's own translation of dbt's events."""
    translator = Translator()
    content = json.loads(manifest.read_text())
    for event in built.events:
        message = DbtCoreCliEventMessage(raw_event=event, event_history_metadata={})
        for result in message.to_default_asset_events(content, translator, context):
            if isinstance(result, dg.Output):
                unique_id = event["data"]["node_info"]["unique_id"]
                if unique_id in built.unsound:
                    # Not materialised, then: the same command makes it again, and nothing is built on it meanwhile.
                    continue
                yield dg.Output(
                    None,
                    result.output_name,
                    metadata={
                        **result.metadata,
                        **({"rows_written": built.rows[unique_id]} if built.rows.get(unique_id) else {}),
                    },
                )
            else:
                yield result


def docs_site(manifest: Path) -> dg.AssetsDefinition:
    """The dbt docs site as an asset: one page, self-contained."""
    models = [
        Translator().get_asset_key(node)
        for node in json.loads(manifest.read_text())["nodes"].values()
        if node["resource_type"] == "model" and node["fqn"][1] in (DIMENSIONS, MARTS)
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
