"""CI files and what they run."""
