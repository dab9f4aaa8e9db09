"""Templates: files that ``ml-assets init`` writes into a project with one changed line."""
