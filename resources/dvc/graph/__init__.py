"""DVC's graph: the stages and outs that it defines, as values."""
