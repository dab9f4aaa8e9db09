"""The judge: bytes, paths and values in; digests, findings and verdicts out."""
