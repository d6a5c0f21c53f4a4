"""The same join by Feast's file store, run by a Python that has Feast: feast is no dependency of this project.

    <python with feast> feast_store.py <folder with entities.parquet and features.parquet>

Writes one line of JSON: seconds, CPU seconds and the peak of memory.
"""

import json
import resource
import sys
import time
from datetime import timedelta
from pathlib import Path

import pandas as pd
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
from feast.types import Float64

NAMES = [f"f{number}" for number in range(8)]


def main(folder: Path) -> None:
    source = FileSource(
        path=str(folder / "features.parquet"), timestamp_field="event_at", created_timestamp_column="known_at"
    )
    account = Entity(name="account", join_keys=["account_id"], value_type=ValueType.INT64)
    view = FeatureView(
        name="view",
        entities=[account],
        ttl=timedelta(days=30),
        schema=[Field(name=name, dtype=Float64) for name in NAMES],
        source=source,
    )
    config = RepoConfig(
        project="bench",
        provider="local",
        registry=str(folder / "registry.db"),
        offline_store={"type": "file"},
        online_store={"type": "sqlite", "path": str(folder / "online.db")},
        entity_key_serialization_version=3,
    )
    store = FeatureStore(config=config)
    store.apply([account, view])
    started, cpu = time.perf_counter(), time.process_time()
    entities = pd.read_parquet(folder / "entities.parquet").rename(columns={"as_of": "event_timestamp"})
    joined = store.get_historical_features(entities, [f"view:{name}" for name in NAMES]).to_df()
    measured = {
        "seconds": time.perf_counter() - started,
        "cpu": time.process_time() - cpu,
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024.0,
        "rows": float(len(joined)),
    }
    sys.stdout.write(json.dumps(measured))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
