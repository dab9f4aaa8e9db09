"""Source files that a project's tests may read: all of them, documentation aside."""

from __future__ import annotations

import fnmatch

#: What tests do not read unless a project says so, by ``fnmatch`` patterns of paths, in which ``*``
#: also stands for ``/``. A change of these files runs no test again.
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

# These run when they are imported, wherever they are.
_CODE = (".py", ".pyc", ".pyi", ".pth", ".so")


def may_be_read(path: str, ignored: tuple[str, ...]) -> bool:
    """Say whether tests may read a file: anything that is not ignored, and all code."""
    if path.endswith(_CODE):
        return True
    return not any(fnmatch.fnmatchcase(path, pattern) for pattern in ignored)
