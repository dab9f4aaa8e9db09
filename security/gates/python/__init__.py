"""Python in a source tree: its files, notebooks, and code in the commands of stages."""
