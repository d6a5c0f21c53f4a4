"""Which days of which dbt assets are behind what was loaded since: late rows, restated numbers, rows that went."""

import json
from datetime import date

import dagster as dg

from clientnest_assets.installation import Installation
from clientnest_assets.warehouse.behind import days_behind
from clientnest_assets.warehouse.dbt import prepared_manifest
from clientnest_assets.warehouse.layers import windowed_inputs


def models_behind(installation: Installation) -> dict[dg.AssetKey, list[date]]:
    """The built days of each windowed model that are behind, in order; models without one are left out."""
    manifest = json.loads(prepared_manifest(installation.home).read_text())
    schemas = {node["name"]: node["schema"] for node in manifest["nodes"].values()}
    found = days_behind(installation.warehouse_url, windowed_inputs(manifest))
    return {dg.AssetKey([schemas[model], model]): days for model, days in found.items()}
