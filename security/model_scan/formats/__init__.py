"""Strict readers of model and archive formats that load nothing."""
