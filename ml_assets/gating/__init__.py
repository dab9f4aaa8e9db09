"""Gating: which gates judge what, their results, and whether a stage may start."""
