"""Resources: one module or package for each outside system."""
