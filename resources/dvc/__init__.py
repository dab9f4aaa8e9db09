"""DVC: its graph, lock files, cache, and the rules for stale stages; runs of stages."""
