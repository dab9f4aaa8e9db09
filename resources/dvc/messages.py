"""Messages: what DVC itself says; its warnings go to standard error, the rest nowhere.

As soon as it is imported, DVC writes its progress to standard output, where programs expect one
JSON document and nothing else.
"""

from __future__ import annotations

import logging
import re

import dvc  # noqa: F401  # sets its loggers up, so that the levels below are the last word

for _name in ("dvc", "dvc_objects", "dvc_data"):
    logging.getLogger(_name).setLevel(logging.WARNING)

#: What in an address is nobody else's business: who asks, and what signs the request.
_SECRET = re.compile(r"(?<=://)[^/@\s]+(?=@)|(?<=\?)[^\s'\")]+")


def hide_secrets(text: str) -> str:
    """Return a message without what its addresses hold of credentials."""
    return _SECRET.sub("***", text)
