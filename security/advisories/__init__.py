"""Advisories: OSV records, their index, and the match of records against packages."""
