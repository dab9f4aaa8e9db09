"""DVC: what it defines (manifest), what it decides (freshness), what it records (dvc.lock)."""
