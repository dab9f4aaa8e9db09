"""Source files that a project's tests may read: all except documentation."""

from __future__ import annotations

import fnmatch

#: ``fnmatch`` patterns of files that tests do not read, unless a project sets others; ``*`` also
#: matches ``/``. A change of these files does not run tests again.
DOCUMENTATION = (
    "*.md",
    "*.rst",
    "docs/*",
    "LICENSE",
    "LICENSE.txt",
    "COPYING",
    "NOTICE",
    "AUTHORS",
    "CODEOWNERS",
    "CITATION.cff",
    ".github/CODEOWNERS",
)

# Importing one of these runs it, wherever it is.
_CODE = (".py", ".pyc", ".pyi", ".pth", ".so")


def may_be_read(path: str, ignored: tuple[str, ...]) -> bool:
    """Say whether tests may read a file: all code, and each file that is not ignored."""
    if path.endswith(_CODE):
        return True
    return not any(fnmatch.fnmatchcase(path, pattern) for pattern in ignored)
