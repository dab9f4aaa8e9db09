"""The graph: descriptions of Dagster assets, from a DVC manifest."""
