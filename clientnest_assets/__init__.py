"""ClientNest's analytics platform: a Dagster asset-based lakehouse, from source row to prediction."""
