"""Metadata on Dagster's page of an asset."""
