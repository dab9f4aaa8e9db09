"""A private Sigstore on loopback, for tests: everything that keyless signing talks to."""
