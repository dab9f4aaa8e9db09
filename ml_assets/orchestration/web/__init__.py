"""The web server of ``ml-assets ui``: Dagster's, behind a guard."""
