"""A process that restores data from DVC's cache into an empty working tree, and times it.

    python -P benchmarks/supply_data.py LOCATION

It prints one JSON document. The digests of the cache objects are already known, as after restoring
the same data into another working tree. The time excludes computing them.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

from ml_assets.project.project import Project


def main(location: str) -> int:
    """Restore the data, and print the seconds and the restored files."""
    project = Project(Path.cwd())
    checkout = project.open_checkout(pull=True)
    known = checkout.identify(location)
    if known is None or os.path.lexists(checkout.path(location)):
        raise SystemExit("there is no data that could be supplied")
    checkout.cache.verify_all(known.md5)
    started, before = time.perf_counter(), os.times()
    checkout.supply(location)
    seconds, after = time.perf_counter() - started, os.times()
    supplied = checkout.read(location)
    document = {
        "md5": known.md5,
        "supplied": supplied.md5 if supplied is not None else None,
        "files": len(supplied.entries or ()) if supplied is not None else 0,
        "seconds": seconds,
        "cpu_seconds": sum(after[:4]) - sum(before[:4]),
    }
    print(json.dumps(document))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
