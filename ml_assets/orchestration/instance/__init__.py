"""Dagster's instance of a project: its home, event storage, launcher and logs."""
