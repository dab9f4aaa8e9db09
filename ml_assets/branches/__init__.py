"""Watched branches: which commits become runs, at which tree, and what each run leaves behind."""
