"""The dbt models as assets, split by layer: staging, facts (by day), dimensions, marts; and the docs site.

A layer is one step. A retry runs its models anew; split by layer, it does not run the ones before.
"""

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, DagsterDbtTranslatorSettings, DbtCliResource, dbt_assets

from clientnest_assets.defs.partitions import CHUNKED, LOOKS_AHEAD, Partitions, window_of
from clientnest_assets.defs.raw import OWNERS
from clientnest_assets.defs.warehouse import warehouse_key
from clientnest_assets.installation import Installation
from clientnest_assets.partitions import RESTATEMENT_DAYS
from clientnest_assets.settings import DBT_PROJECT
from clientnest_assets.warehouse.dbt import EXECUTABLE, connection_environment, docs_page, run_dbt, target_folder

STAGING, FACTS, DIMENSIONS, MARTS = LAYERS = ("staging", "facts", "dimensions", "marts")
RESTATED = {"fact_posts": RESTATEMENT_DAYS}
"""Facts whose day goes on changing, because the platforms restate their numbers."""


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
        """dbt's tags, and how many later days a day of a restated fact is made of."""
        ahead = RESTATED.get(dbt_resource_props["name"])
        own = super().get_tags(dbt_resource_props)
        return {**own, LOOKS_AHEAD: str(ahead)} if ahead else own


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
        environment = connection_environment(installation.warehouse_url)
        if partitions_def:
            window = window_of(context)
            # Not as --vars: after a change of those dbt parses the whole project anew.
            environment |= {"CLIENTNEST_DBT_MIN_DATE": str(window.start), "CLIENTNEST_DBT_MAX_DATE": str(window.end)}
        # dbt is a child of this process, and its adapter is also used in it: both read these variables.
        os.environ.update(environment, DBT_TARGET_PATH=str(target_folder(installation.home)))
        # Artefacts of a run of its own: two chunks may build the same layer at the same time.
        artefacts = installation.home / "dbt" / "runs" / f"{layer}-{context.run_id}"
        arguments = [
            "build",
            # Unit tests are for whoever changes a model; they say nothing about data.
            *("--exclude-resource-type", "unit_test"),
            # Eager: a test that spans layers runs with each of them, so with the one that is built last.
            *("--indirect-selection", "eager"),
        ]
        yield from _dbt().cli(arguments, context=context, target_path=artefacts).stream()
        shutil.rmtree(artefacts, ignore_errors=True)

    return models


@cache
def _dbt() -> DbtCliResource:
    """One for the process: a new one asks dbt for its version, which takes as long as a small build."""
    return DbtCliResource(
        project_dir=str(DBT_PROJECT),
        profiles_dir=str(DBT_PROJECT),
        dbt_executable=str(EXECUTABLE),
        global_config_flags=["--no-use-colors"],
    )


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
        target = installation.home / "dbt" / "docs"
        environment = connection_environment(installation.warehouse_url)
        run_dbt(["docs", "generate", "--static"], installation.home, environment, target=target)
        page = docs_page(installation.home)
        page.parent.mkdir(parents=True, exist_ok=True)
        fresh = page.with_suffix(".new")
        shutil.copyfile(target / "static_index.html", fresh)
        fresh.replace(page)
        return dg.MaterializeResult(
            metadata={
                "page": dg.MetadataValue.path(str(page)),
                "bytes": page.stat().st_size,
            }
        )

    return dbt_docs
