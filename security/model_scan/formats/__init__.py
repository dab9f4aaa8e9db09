"""Formats of models and archives, each read strictly and without loading it."""
