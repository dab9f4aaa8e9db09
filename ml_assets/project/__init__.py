"""The project: a Git and DVC repository with its rules, settings and local state."""
