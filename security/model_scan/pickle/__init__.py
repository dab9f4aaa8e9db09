"""Pickles: a symbolic machine that runs no code, and the allowed names and calls."""
