"""Proof: sign the statements of a run; verify, trace and rebuild a subject."""
