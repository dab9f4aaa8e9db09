"""A process that places data of DVC's cache in a working tree that has none, and says what it took.

    python -P benchmarks/supply_data.py LOCATION

It prints one JSON document. The digests of the cache's objects are known from before, as they are
to whoever supplied the same data to another working tree; learning them is not within the time.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

from ml_assets.project.project import Project


def main(location: str) -> int:
    """Supply the data, and print the seconds and what lies there now."""
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
