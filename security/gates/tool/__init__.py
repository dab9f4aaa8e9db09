"""The tools of gates: start a tool, and read its report."""
