"""Reporting: what people, programs and CI jobs read about a run."""
