"""Verification: whether bytes may be used for something, from signed statements alone."""
