"""Configuration beside models: JSON, YAML and TOML that can make a loader run code."""
