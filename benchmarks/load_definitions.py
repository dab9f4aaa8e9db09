"""A process that loads a project's definitions and prints the seconds as one JSON document.

    ML_ASSETS_PROJECT=PROJECT python -P benchmarks/load_definitions.py

A second load in the same process would find everything in memory.
"""

from __future__ import annotations

import json
import sys
import time


def main() -> int:
    """Load, and print the seconds, the number of assets, and whether DVC was imported."""
    import dagster  # noqa: F401  # the clock starts after it

    started, cpu_started = time.perf_counter(), time.process_time()
    from ml_assets.definitions import defs

    definitions = defs()
    definitions.get_repository_def()
    assets = definitions.resolve_asset_graph().get_all_asset_keys()
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu_started
    document = {
        "seconds": seconds,
        "cpu_seconds": cpu_seconds,
        "assets": len(assets),
        "imported_dvc": "dvc" in sys.modules,
    }
    print(json.dumps(document))
    return 0


if __name__ == "__main__":
    sys.exit(main())
