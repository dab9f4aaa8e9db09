"""Templates: files that ``ml-assets init`` writes into a project, as they are but for one line."""
