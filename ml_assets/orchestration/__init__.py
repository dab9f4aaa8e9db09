"""What Dagster sees: assets, checks, materializations, its instance and its processes."""
