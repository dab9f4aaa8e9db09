"""The location of a SARIF result: a file relative to the directory, line and column."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from security.content.field import Field


@dataclass(frozen=True, slots=True)
class Location:
    """The location of a result.

    Attributes:
        path: relative to the directory; empty if the result names no file in it.
        outside: whether the log names a file outside the directory.
    """

    path: str = ""
    line: int | None = None
    column: int | None = None
    outside: bool = False


def read_location(result: Field, run: Field, roots: tuple[str, ...]) -> Location:
    """Return the first location of a result that names a file.

    Args:
        roots: absolute names of the directory, with ``/`` between names.

    Raises:
        GateError: the location violates the format.
    """
    for location in result.get("locations").objects():
        physical = location.get("physicalLocation")
        artifact = physical.get("artifactLocation")
        if artifact.value is None:
            continue
        try:
            path = _relative(_uri(artifact, run), roots)
        except ValueError:  # not a URI
            path = None
        if path is None:
            return Location(outside=True)
        region = physical.get("region")
        line, column = (region.get(key).optional_number(1) for key in ("startLine", "startColumn"))
        return Location(path, line, column)
    return Location()


def _uri(artifact: Field, run: Field) -> str:
    """Return the URI of a location, resolved against the bases of the run (3.14.14)."""
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
    """Return a path relative to the directory; None if it leads outside or is not a file."""
    parts = urlsplit(uri)
    path = unquote(parts.path, errors="surrogateescape")
    if parts.scheme not in ("", "file") or parts.netloc not in ("", "localhost") or "\0" in path:
        return None
    # After decoding, so that %2e%2e is a parent directory too.
    path = posixpath.normpath(path) if path else "."
    for root in roots:
        if path.startswith(f"{root}/"):
            return path[len(root) + 1 :]
    if path.startswith("/") or path == ".." or path.startswith("../"):
        return None
    return "" if path == "." else path
