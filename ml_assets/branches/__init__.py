"""Watched branches: the runs of their commits, the checkouts and records of these runs."""
