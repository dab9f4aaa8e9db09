"""What an outside system can fail with, as one tree.

ResourceError
├── ConfigurationError      the project or its settings are wrong; nothing was tried
├── RepositoryBusyError     somebody else is at work in this checkout
├── UntrustedCommitError    a commit is not signed by anybody who is trusted
├── LostRaceError           a reference is not any more what it was when it was read
├── UnavailableError        an outside system did not answer, or cannot be read
│   └── ChangedError        a file is not any more what was digested
└── StageError              a stage was judged and failed
    ├── CommandError        its command ended with another exit code than 0
    ├── MissingOutError     it never wrote an out that it declares
    ├── MissingInputError   something that it reads is not there
    └── CorruptObjectError  a cache object's bytes are not what its name says
"""

from __future__ import annotations

from typing import ClassVar


class ResourceError(Exception):
    """Something outside this program failed.

    Attributes:
        kind: the short name that programs may match on.
        exit_code: of the command line: 1 judged and failed, 2 configuration, 3 could not judge.
        message: what happened, lower case, no full stop.
        hint: what to type or change next.
    """

    kind: ClassVar[str] = "resource"
    exit_code: ClassVar[int] = 3

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message = " ".join(message.split())
        self.hint = hint


class ConfigurationError(ResourceError):
    """The project, one of its files or a setting is wrong."""

    kind = "configuration"
    exit_code = 2


class RepositoryBusyError(ResourceError):
    """Another process works in this checkout."""

    kind = "busy"


class UntrustedCommitError(ResourceError):
    """A commit is not signed, or not by anybody who is trusted."""

    kind = "untrusted-commit"
    exit_code = 1


class LostRaceError(ResourceError):
    """A reference of Git's is not any more what it was when it was read."""

    kind = "lost-race"


class UnavailableError(ResourceError):
    """An outside system, a disk or a cache could not be read or written."""

    kind = "unavailable"


class ChangedError(UnavailableError):
    """A file changed between its digest and its use."""

    kind = "changed"


def wrap_os_error(error: OSError) -> UnavailableError:
    """Say what the operating system refused, with the file it was about."""
    where = f": {error.filename}" if error.filename else ""
    text = f"{(error.strerror or str(error)).lower()}{where}"
    return UnavailableError(text, "free the disk or mend the permissions, then run again")


class StageError(ResourceError):
    """A stage was tried and failed."""

    kind = "stage"
    exit_code = 1


class CommandError(StageError):
    """A stage's command ended with another exit code than 0."""

    kind = "command"


class MissingOutError(StageError):
    """A stage never wrote an out that it declares."""

    kind = "missing-out"


class MissingInputError(StageError):
    """Something that a stage reads is not there."""

    kind = "missing-input"


class CorruptObjectError(StageError):
    """A cache object's bytes do not have the digest that its name claims."""

    kind = "corrupt-object"
