"""Bystanders: texts and pictures beside the models of a directory."""

from __future__ import annotations

import os
import re
from pathlib import PurePosixPath

from security.model_scan.limits import MEBI

_CONFIGURATION = (".json", ".toml", ".yaml", ".yml")
_TEXTS = (".csv", ".jinja", ".json", ".md", ".rst", ".toml", ".tsv", ".txt", ".yaml", ".yml")
_NAMED_CONFIGURATION = ("MLmodel",)
_NAMED_TEXTS = (
    *_NAMED_CONFIGURATION,
    "LICENSE",
    "NOTICE",
    "README",
    ".gitattributes",
    ".gitignore",
)
_PICTURES = {
    ".png": b"\x89PNG\r\n\x1a\n",
    ".jpg": b"\xff\xd8\xff",
    ".jpeg": b"\xff\xd8\xff",
    ".gif": b"GIF8",
}
_LONGEST = 64 * MEBI
_CONTROLS = bytes(set(range(32)) - set(b"\t\n\f\r")) + b"\x7f"
# A YAML tag names a type that an unsafe loader instantiates; a directive can rename tags.
_TAG = re.compile(rb"(?:^|[\s\[{,:?-])!|^%", re.MULTILINE)


def has_companion_name(path: str) -> bool:
    """Say whether a file of a directory has the name of a text or a picture."""
    name = PurePosixPath(path)
    return name.suffix.lower() in (*_TEXTS, *_PICTURES) or name.name in _NAMED_TEXTS


def is_configuration(path: str) -> bool:
    """Say whether a file of a directory has the name of configuration that loaders read."""
    name = PurePosixPath(path)
    return name.suffix.lower() in _CONFIGURATION or name.name in _NAMED_CONFIGURATION


def is_bystander(path: str, descriptor: int, size: int) -> bool:
    """Say whether a file is a text or a picture by both its name and its content.

    A YAML file with tags is neither: an unsafe loader would instantiate the types that they name.

    Args:
        path: relative to the directory; empty for a single file, which is the model itself.
    """
    suffix = PurePosixPath(path).suffix.lower()
    if suffix in _PICTURES:
        return os.pread(descriptor, 8, 0).startswith(_PICTURES[suffix])
    if size > _LONGEST or not has_companion_name(path):
        return False
    text = os.pread(descriptor, size, 0)
    if suffix in (".yaml", ".yml") and _TAG.search(text):
        return False
    return len(text) == size and is_text(text)


def is_text(content: bytes) -> bool:
    """Say whether content is UTF-8 without control characters other than white space."""
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return content == content.translate(None, _CONTROLS)
