"""Signatures: keys, certificates and keyless identities, and the purposes of trusted signers."""
