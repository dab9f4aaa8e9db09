"""Signers: keys in files, tokens and certificates, and keyless identities."""
