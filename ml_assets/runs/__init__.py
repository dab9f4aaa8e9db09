"""Runs from the command line: selected stages executed, gated, recorded and proven."""
