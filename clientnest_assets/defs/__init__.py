"""Dagster: assets, checks, jobs and schedules, a layer a file. Thin: what computes lives in the other packages."""
