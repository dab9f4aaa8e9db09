"""The messages of DVC: log only warnings, and remove credentials.

An import of DVC starts progress output on standard output, where programs expect one JSON document
and nothing else.
"""

from __future__ import annotations

import logging
import re

import dvc  # noqa: F401  # sets its log levels, which the loop below replaces

for _name in ("dvc", "dvc_objects", "dvc_data"):
    logging.getLogger(_name).setLevel(logging.WARNING)

#: The parts of a URL that may hold credentials: the user information and the query.
_SECRET = re.compile(r"(?<=://)[^/@\s]+(?=@)|(?<=\?)[^\s'\")]+")


def hide_secrets(text: str) -> str:
    """Replace the credentials in the URLs of a message."""
    return _SECRET.sub("***", text)
