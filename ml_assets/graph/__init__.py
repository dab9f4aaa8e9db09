"""The graph: a DVC manifest as descriptions of Dagster assets."""
