"""A private Sigstore on loopback: issuer of tokens, certificate authority and log, for tests."""
