"""The advisory feed: sources of OSV records, and the database built from them."""
