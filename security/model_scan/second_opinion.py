"""picklescan's opinion of files, from a process of its own; only what it calls dangerous counts.

The process opens each file itself and says which one it was, so that the caller can tell whether
both have judged the same. What picklescan cannot read, and what it says nothing about, is not known
to be harmless: its silence lets nothing pass.
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
    """What picklescan says of one file.

    Attributes:
        identity: of the file that it has read, as ``out_files.identify`` tells it; None
            where it could not be opened.
        dangerous: dotted names that loading the file would import and that it calls dangerous.
        unread: why it stopped reading; None where it came to an end.
    """

    identity: Identity | None
    dangerous: tuple[str, ...] = ()
    unread: str | None = None


def answer(paths: Sequence[str]) -> None:
    """Be the process: print a list with one opinion a path, as one line of JSON."""
    logging.disable(logging.CRITICAL)
    opinions = [_form_opinion(path) for path in paths]
    write_answer(json.dumps(opinions))


def _form_opinion(path: str) -> dict[str, Any]:
    """Let picklescan read one file, whatever comes of it."""
    # It declares no types; and it is no pickle that is imported here.
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
            unread = "it could not read all of it" if result.scan_err else None
        except Exception as error:  # it raises what its parsers raise
            unread = type(error).__name__
        if identify(stream.fileno()) != before:
            return {"identity": None, "dangerous": sorted(names), "unread": "it changed meanwhile"}
    return {"identity": before, "dangerous": sorted(names)[:_MOST_NAMES], "unread": unread}


def parse_opinions(text: bytes, count: int) -> tuple[Opinion, ...]:
    """Read what ``answer`` has printed for so many paths, and nothing else.

    Raises:
        ValueError: it is not exactly that.
    """
    records = json.loads(read_answer(text))
    if not isinstance(records, list) or len(records) != count:
        raise ValueError("not one opinion a file")
    try:
        return tuple(_parse_opinion(record) for record in records)
    except (KeyError, TypeError) as error:
        raise ValueError(f"not an opinion: {type(error).__name__}") from error


def _parse_opinion(record: dict[str, Any]) -> Opinion:
    identity, names, unread = record["identity"], record["dangerous"], record["unread"]
    numbers_are = identity is None or [type(one) for one in identity] == [int] * 5
    if not numbers_are or not (unread is None or isinstance(unread, str)):
        raise ValueError("not an opinion: a field has another type")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError("not an opinion: a name has another type")
    return Opinion(None if identity is None else tuple(identity), tuple(names), unread)
