"""Locations of a SARIF result: which file, relative to the directory, and where in it."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from security.content.field import Field


@dataclass(frozen=True, slots=True)
class Location:
    """Where a result is.

    Attributes:
        path: relative to the directory; empty where it is about no file.
        outside: whether the log names a file that is not in the directory.
    """

    path: str = ""
    line: int | None = None
    column: int | None = None
    outside: bool = False


def read_location(result: Field, run: Field, roots: tuple[str, ...]) -> Location:
    """Read the first location of a result that is about a file.

    Args:
        roots: names of the directory, absolute, with ``/`` between names.

    Raises:
        GateError: it is not written as the format says.
    """
    for location in result.get("locations").objects():
        physical = location.get("physicalLocation")
        artifact = physical.get("artifactLocation")
        if artifact.value is None:
            continue
        try:
            path = _relative(_uri(artifact, run), roots)
        except ValueError:  # not a URI at all
            path = None
        if path is None:
            return Location(outside=True)
        region = physical.get("region")
        line, column = (region.get(key).optional_number(1) for key in ("startLine", "startColumn"))
        return Location(path, line, column)
    return Location()


def _uri(artifact: Field, run: Field) -> str:
    """Return a location's URI, with its bases before it as far as the run tells them (3.14.14)."""
    if artifact.get("uri").value is None:
        index = artifact.get("index").optional_number(-1)
        artifact = run.get("artifacts").at(-1 if index is None else index).get("location")
    uri, base = artifact.get("uri").optional_text() or "", artifact.get("uriBaseId").optional_text()
    seen: set[str] = set()
    while base is not None and base not in seen and not urlsplit(uri).scheme:
        seen.add(base)
        before = run.get("originalUriBaseIds").get(base)
        uri = f"{before.get('uri').optional_text() or ''}{uri}"
        base = before.get("uriBaseId").optional_text()
    return uri


def _relative(uri: str, roots: tuple[str, ...]) -> str | None:
    """Return a path relative to the directory; None where it leads out of it, or nowhere."""
    parts = urlsplit(uri)
    path = unquote(parts.path, errors="surrogateescape")
    if parts.scheme not in ("", "file") or parts.netloc not in ("", "localhost") or "\0" in path:
        return None
    # After decoding, so that %2e%2e is a step up here as well.
    path = posixpath.normpath(path) if path else "."
    for root in roots:
        if path.startswith(f"{root}/"):
            return path[len(root) + 1 :]
    if path.startswith("/") or path == ".." or path.startswith("../"):
        return None
    return "" if path == "." else path
