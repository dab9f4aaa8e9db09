"""Runs: stages planned, scheduled, executed in parallel and recorded."""
