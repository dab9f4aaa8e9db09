"""Watching branches, with real Git repositories and Dagster's real daemon."""
