"""Advisories: OSV records, how they are matched against packages, and the index that holds them."""
