"""The format of Git objects: commits and trees from their bytes, and the hash of an object."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass

TREE = "40000"
SUBMODULE = "160000"
LINK = "120000"
EXECUTABLE = "100755"
HASH = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_BAD_NAMES = frozenset((b"", b".", b"..", b".git"))


@dataclass(frozen=True, slots=True)
class GitEntry:
    """An entry of a tree.

    Attributes:
        mode: ``100644``, ``100755``, ``120000`` for a link, ``160000`` for a submodule, ``40000``
            for a tree.
        hash: of the blob or tree, or of the submodule's commit.
    """

    mode: str
    hash: str


@dataclass(frozen=True, slots=True)
class CommitObject:
    """A commit.

    Attributes:
        author: name and address, as ``Ann <ann@example.org>``; only a claim.
    """

    tree: str
    parents: tuple[str, ...]
    author: str
    message: str


def hash_object(kind: bytes, body: bytes, digits: int = 40) -> str:
    """Return the hash of an object.

    Args:
        kind: ``blob``, ``tree``, ``commit`` or ``tag``.
        digits: 40 in a repository with SHA-1, 64 with SHA-256.
    """
    digest = hashlib.sha1(usedforsecurity=False) if digits == 40 else hashlib.sha256()
    digest.update(b"%s %d\0" % (kind, len(body)))
    digest.update(body)
    return digest.hexdigest()


def hash_files(files: Mapping[str, GitEntry], digits: int) -> str:
    """Return the hash of the tree that has just some files.

    Args:
        files: by path.

    Raises:
        ValueError: a path is a file and a directory at once.
    """
    entries: dict[str, GitEntry] = {}
    below: dict[str, dict[str, GitEntry]] = {}
    for path, entry in files.items():
        name, slash, rest = path.partition("/")
        if slash:
            below.setdefault(name, {})[rest] = entry
        else:
            entries[name] = entry
    if entries.keys() & below.keys():
        raise ValueError("file and directory of one name")
    entries |= {name: GitEntry(TREE, hash_files(one, digits)) for name, one in below.items()}
    ordered = sorted(
        (os.fsencode(name + "/" * (one.mode == TREE)), one) for name, one in entries.items()
    )
    body = b"".join(
        one.mode.encode() + b" " + name.removesuffix(b"/") + b"\0" + bytes.fromhex(one.hash)
        for name, one in ordered
    )
    return hash_object(b"tree", body, digits)


def parse_commit(content: bytes) -> CommitObject:
    """Parse a commit: its tree, then its parents, then its author, and nothing between them.

    Raises:
        ValueError: it is malformed.
    """
    head, _, message = content.decode("utf-8", "replace").partition("\n\n")
    lines = [line.partition(" ") for line in head.split("\n")]
    if lines[0][0] != "tree":
        raise ValueError("no tree")
    parents = []
    for name, _, value in lines[1:]:
        if name != "parent":
            break
        parents.append(value)
    if not all(HASH.fullmatch(one) for one in (lines[0][2], *parents)):
        raise ValueError("not a hash")
    name, _, author = lines[1 + len(parents)] if len(lines) > 1 + len(parents) else ("", "", "")
    if name != "author":
        raise ValueError("no author")
    return CommitObject(lines[0][2], tuple(parents), author.rsplit(" ", 2)[0], message)


def parse_tree(content: bytes, digits: int) -> dict[str, GitEntry]:
    """Parse a tree; refuse two entries of one name, and names that leave the directory.

    Raises:
        ValueError: it is malformed.
    """
    length = digits // 2
    found: dict[str, GitEntry] = {}
    at = 0
    while at < len(content):
        space, end = content.find(b" ", at), content.find(b"\0", at)
        if not at < space < end < len(content) - length:
            raise ValueError("incomplete entry")
        raw, name = content[space + 1 : end], os.fsdecode(content[space + 1 : end])
        if raw in _BAD_NAMES or b"/" in raw or name in found:
            raise ValueError("invalid name")
        mode = content[at:space].decode("ascii").lstrip("0")
        found[name] = GitEntry(mode, content[end + 1 : end + 1 + length].hex())
        at = end + 1 + length
    return found
