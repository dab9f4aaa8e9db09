"""DVC's graph: stages, deps and outs as values."""
