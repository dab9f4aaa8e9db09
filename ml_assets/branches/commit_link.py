"""The web address of a commit, derived from the address of its repository."""

from __future__ import annotations

import re

#: ``git@host:owner/name.git``, ``ssh://git@host/owner/name`` and ``https://host/owner/name``.
_FORMS = (
    re.compile(r"(?:ssh://)?[\w.-]+@(?P<host>[\w.-]+)[:/](?P<path>[\w./~-]+?)(?:\.git)?/?"),
    re.compile(r"https://(?:[^/@\s]+@)?(?P<host>[\w.:-]+)/(?P<path>[\w./~-]+?)(?:\.git)?/?"),
)


def commit_url(address: str, commit: str) -> str | None:
    """Return the web address of a commit; None where the repository is not on a server.

    Servers of Git show a commit at ``<repository>/commit/<hash>``; GitLab redirects there.
    """
    for form in _FORMS:
        found = form.fullmatch(address)
        if found is not None:
            return f"https://{found['host']}/{found['path']}/commit/{commit}"
    return None
