"""Stores of digests, gate results, statements and trusted keys."""
