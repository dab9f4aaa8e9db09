"""Proof: what a run signs, and how a subject is verified, traced and rebuilt."""
