"""Gating: the cases of gates, their results and decisions, and the admission of stages."""
