"""Packages: which ones dependency files and installed environments name."""
