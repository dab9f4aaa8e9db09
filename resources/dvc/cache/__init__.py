"""DVC's cache: objects by content, runs, and the remotes that hold both."""
