"""Verification of artifacts by signed statements alone."""
