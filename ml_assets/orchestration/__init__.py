"""The Dagster side: assets, checks, materializations, the instance and its processes."""
