"""Configuration: which settings of DVC count, and how a repository is opened with them."""
