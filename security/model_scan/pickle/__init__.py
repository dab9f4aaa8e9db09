"""Pickles: a symbolic machine that runs no code, and what a pickle may name and call."""
