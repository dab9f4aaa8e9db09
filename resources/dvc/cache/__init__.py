"""DVC's cache: objects, runs, and the remote storage of objects."""
