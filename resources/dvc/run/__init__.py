"""Runs: stages are planned, scheduled, run in parallel and recorded."""
