"""The clock: decides when the graph runs."""
