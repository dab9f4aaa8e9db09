"""Bills of materials of a project's environment and of its models."""
