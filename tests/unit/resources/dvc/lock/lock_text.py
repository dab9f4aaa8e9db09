"""The text of lock files as DVC itself writes it, stage after stage."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

Entries = Mapping[str, Mapping[str, Any]]


def write_with_dvc(file: Path, entries: Entries) -> None:
    """Put entries into a lock file as ``dvc repro`` does: a round trip for each stage."""
    from dvc.utils.serialize import modify_yaml

    for name, entry in entries.items():
        # As in dvc.dvcfile.Lockfile.dump_stages.
        with modify_yaml(str(file)) as data:
            if not data:
                data.update({"schema": "2.0"})
            data["stages"] = data.get("stages", {})
            data["stages"].update({name: entry})
