"""The ledger: signed statements by the digest of their bytes, and an index of their subjects."""
