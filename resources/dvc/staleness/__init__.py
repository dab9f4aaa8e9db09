"""Staleness: why a stage is stale, and whether its outs can be restored."""
