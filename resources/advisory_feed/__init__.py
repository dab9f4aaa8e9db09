"""The advisory feed: where OSV records come from, and the database that is built from them."""
