"""The second opinion of picklescan, from a separate process.

The process opens each file itself and returns its identity, so that the caller can check that both
scanners have read the same file. Only names that picklescan calls dangerous count: a file that it
cannot read or does not report is not known to be harmless.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from security.content.out_files import Identity, identify
from security.model_scan.report import UnscannedError
from security.model_scan.scan import open_model
from security.sandbox.worker import read_answer, write_answer

_MOST_NAMES = 200


@dataclass(frozen=True, slots=True)
class Opinion:
    """The result of picklescan for one file.

    Attributes:
        identity: of the file that picklescan has read, from ``out_files.identify``; None if it
            could not be opened or changed meanwhile.
        dangerous: dotted names of dangerous imports.
        unread: why picklescan stopped reading; None if it reached the end.
    """

    identity: Identity | None
    dangerous: tuple[str, ...] = ()
    unread: str | None = None


def answer(paths: Sequence[str]) -> None:
    """Run as the process: print a list with one opinion per path, as one line of JSON."""
    logging.disable(logging.CRITICAL)
    opinions = [_form_opinion(path) for path in paths]
    write_answer(json.dumps(opinions))


def _form_opinion(path: str) -> dict[str, Any]:
    """Run picklescan on one file and return the opinion as JSON."""
    # picklescan declares no types, and this import loads no pickle.
    from picklescan import scanner  # type: ignore[import-untyped]  # nosec B403

    try:
        descriptor = open_model(path)
    except UnscannedError as error:
        return {"identity": None, "dangerous": [], "unread": str(error)}
    before = identify(descriptor)
    names: set[str] = set()
    unread = None
    with os.fdopen(descriptor, "rb") as stream:
        try:
            result = scanner.scan_bytes(stream, "file", PurePath(path).suffix.lower())
            named = (one for one in result.globals if one.safety is scanner.SafetyLevel.Dangerous)
            names = {f"{one.module}.{one.name}" for one in named}
            unread = "incomplete scan" if result.scan_err else None
        except Exception as error:  # any error of its parsers
            unread = type(error).__name__
        if identify(stream.fileno()) != before:
            unread = "the file changed during the scan"
            return {"identity": None, "dangerous": sorted(names), "unread": unread}
    return {"identity": before, "dangerous": sorted(names)[:_MOST_NAMES], "unread": unread}


def parse_opinions(text: bytes, count: int) -> tuple[Opinion, ...]:
    """Parse the output of ``answer`` for `count` paths.

    Raises:
        ValueError: the text is not a list of `count` opinions.
    """
    records = json.loads(read_answer(text))
    if not isinstance(records, list) or len(records) != count:
        raise ValueError("not one opinion per file")
    try:
        return tuple(_parse_opinion(record) for record in records)
    except (KeyError, TypeError) as error:
        raise ValueError(f"not an opinion: {type(error).__name__}") from error


def _parse_opinion(record: dict[str, Any]) -> Opinion:
    identity, names, unread = record["identity"], record["dangerous"], record["unread"]
    numbers_are = identity is None or [type(one) for one in identity] == [int] * 5
    if not numbers_are or not (unread is None or isinstance(unread, str)):
        raise ValueError("not an opinion: a field has the wrong type")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError("not an opinion: a name has the wrong type")
    return Opinion(None if identity is None else tuple(identity), tuple(names), unread)
