"""The sandbox: run processes without access to denied paths, and end them as a tree."""
