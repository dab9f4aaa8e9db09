"""Staleness: what DVC would say of a stage, and what can be restored."""
