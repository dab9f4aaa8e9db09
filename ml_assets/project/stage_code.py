"""Stage code: the files that stages read and no stage writes."""

from __future__ import annotations

from pathlib import Path

from resources.dvc.checkout.checkout import Checkout


def find_code(checkout: Checkout) -> list[str]:
    """Return the files that stages read and no stage writes, even if Git ignores them."""
    return [
        dep.location
        for stage in checkout.manifest.stages
        for dep in stage.deps
        if not dep.producers and _is_file_below(checkout.root, dep.location)
    ]


def _is_file_below(root: Path, location: str) -> bool:
    inside = "://" not in location and not location.startswith(("/", ".."))
    return inside and (root / location).is_file()
