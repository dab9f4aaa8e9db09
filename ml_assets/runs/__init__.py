"""Runs from the command line: run selected stages, evaluate gates, sign statements."""
