"""Stores: where digests, gate results, statements and trusted keys are kept."""
