"""Reporting: the reports of a run for people, programs and CI jobs."""
