"""Signatures: keys, certificates and keyless identities, and who is trusted with what."""
