"""The sandbox: processes without access to denied paths, ended as one tree."""
