"""The drill: attacks on a copy of a project, each with the command that notices it."""
