"""DVC's records: ``dvc.lock``, Git's ignore files, and the locks that guard them."""
