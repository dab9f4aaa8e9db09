"""The candidate files of outs and dependencies: those that a loader might make code of."""

from __future__ import annotations

import os
import threading
from pathlib import Path

from resources.dvc.checkout.checkout import Checkout
from resources.errors import ResourceError
from security.content.out_files import open_data


class CandidateFiles:
    """The candidates of one checkout, found once for each content. Safe for threads."""

    def __init__(self, checkout: Checkout) -> None:
        self._checkout = checkout
        self._found: dict[tuple[str, str], tuple[str, ...]] = {}
        self._guard = threading.Lock()

    def find(self, location: str) -> tuple[str, ...]:
        """Return the candidates of a location, relative to it; an empty path for itself.

        A location that cannot be read is one: the gate that reads it says why.
        """
        from security.model_scan.candidate import is_candidate  # with all readers

        path = Path(self._checkout.path(location))
        try:
            if not os.path.lexists(path):
                self._checkout.supply(location)
            content = self._checkout.read(location)
            if content is None:
                return ("",)
            key = (location, content.sha256)
            with self._guard:
                known = self._found.get(key)
            if known is None:
                known = tuple(
                    file.path
                    for file in open_data(path)
                    if is_candidate(file.descriptor, file.identity[2])
                )
        except (OSError, ResourceError):
            return ("",)
        with self._guard:
            self._found[key] = known
        return known
