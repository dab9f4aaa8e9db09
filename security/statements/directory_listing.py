"""The directory listing: the files of a directory, with their digests, as statements.

A directory is a subject by its ``dirHash`` (``digest_tree``). A listing names every file with its
sha256, so that a file leads to its directory, and from there to the run that wrote it. The same
directory has the same listing, which is signed once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from security.content.digest import digest_tree
from security.errors import SecurityError
from security.statements.statement import Statement, Subject, write_statement

PREDICATE = "urn:ml-assets:directory-listing:v1"
#: Files in one statement; a larger directory has several.
_MOST = 20_000


class ListingError(SecurityError):
    """Statements do not list exactly the files of a directory."""

    kind = "listing"


@dataclass(frozen=True, slots=True)
class ListedFile:
    """A file of a directory: its path relative to it, and its sha256."""

    path: str
    sha256: str


def write_listing(name: str, files: Sequence[ListedFile]) -> Iterator[Statement]:
    """Write the listing of a directory with at least one file."""
    whole = Subject(name, {"dirHash": digest_tree((one.path, one.sha256) for one in files)})
    parts = range(0, len(files), _MOST)
    for number, start in enumerate(parts):
        listed = [
            Subject(f"{name}/{one.path}", {"sha256": one.sha256})
            for one in files[start : start + _MOST]
        ]
        predicate = {"part": number, "of": len(parts)}
        yield write_statement([whole, *listed], PREDICATE, predicate)


def verify_listing(directory: str, statements: Sequence[Statement]) -> list[ListedFile]:
    """Return the files of a directory from the verified statements of its listing.

    The digest computed from the listing has to be the directory's: a missing, added or replaced
    file changes it.

    Args:
        directory: its ``dirHash``.

    Raises:
        ListingError: a part is missing, or lists another directory.
    """
    by_part: dict[int, list[ListedFile]] = {}
    for statement in statements:
        whole, *listed = statement.subjects
        part = statement.predicate.get("part")
        if whole.digest.get("dirHash") != directory or not isinstance(part, int):
            continue
        by_part[part] = [
            ListedFile(one.name.removeprefix(f"{whole.name}/"), one.digest["sha256"])
            for one in listed
        ]
    files = [one for part in sorted(by_part) for one in by_part[part]]
    if digest_tree((one.path, one.sha256) for one in files) != directory:
        raise ListingError(
            f"no listing of directory {directory[:16]}", "run the stage that wrote it again"
        )
    return files
