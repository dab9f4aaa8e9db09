"""The graph: composes resources and judgement into Dagster definitions and a command line."""
