"""The ledger of signed statements, and an index of their subjects."""
