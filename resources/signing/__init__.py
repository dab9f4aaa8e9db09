"""Signers: keys in files and tokens, certificates, and keyless signing."""
