"""Errors of outside systems: Git, DVC, disks, remotes, tokens and the stages that they run.

Each error carries a message, which names the cause, and a hint, which names the next command. The
number is the exit code of the command line: 1 failed, 2 configuration, 3 could not judge.

ResourceError               3  an outside system failed
├── ConfigurationError      2  the project, one of its files or a setting is wrong
├── RepositoryBusyError     3  another process uses this checkout
├── UntrustedCommitError    1  a commit has no signature from a trusted signer
├── LostRaceError           3  another process changed a Git reference first
├── UnavailableError        3  a system, disk or cache cannot be read or written
│   └── ChangedError        3  a file changed between its digest and its use
└── StageError              1  a stage failed
    ├── CommandError        1  a command of the stage exited with a code other than 0
    ├── MissingOutError     1  the stage did not write a declared out
    ├── MissingInputError   1  a dependency, parameter or data source is missing
    ├── OutChangedError     1  an out differs from what its stage wrote
    └── CorruptObjectError  1  the bytes of a cache object do not match its name

The advisory feed (``advisory_feed/errors.py``) has errors of its own below ``ResourceError``.
"""

from __future__ import annotations

import errno
from typing import ClassVar


class ResourceError(Exception):
    """An outside system failed.

    Attributes:
        kind: a short name for programs to match.
        exit_code: exit code of the command line: 1 failed, 2 configuration, 3 could not judge.
        message: the cause, in lower case without a full stop.
        hint: the next command or change.
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
    """Another process uses this checkout."""

    kind = "busy"


class UntrustedCommitError(ResourceError):
    """A commit has no signature from a trusted signer."""

    kind = "untrusted-commit"
    exit_code = 1


class LostRaceError(ResourceError):
    """Another process changed a Git reference first."""

    kind = "lost-race"


class UnavailableError(ResourceError):
    """An outside system, a disk or a cache cannot be read or written."""

    kind = "unavailable"


class ChangedError(UnavailableError):
    """A file changed between its digest and its use."""

    kind = "changed"


class StageError(ResourceError):
    """A stage failed."""

    kind = "stage"
    exit_code = 1


class CommandError(StageError):
    """A command of a stage exited with a code other than 0."""

    kind = "command"


class MissingOutError(StageError):
    """A stage did not write a declared out."""

    kind = "missing-out"


class MissingInputError(StageError):
    """A dependency, parameter or data source of a stage is missing."""

    kind = "missing-input"


class OutChangedError(StageError):
    """An out differs from what its stage wrote: something else has written it."""

    kind = "out-changed"


class CorruptObjectError(StageError):
    """The bytes of a cache object do not match its name."""

    kind = "corrupt-object"


def wrap_os_error(error: OSError) -> UnavailableError:
    """Turn an error of the operating system into one with a hint for its cause."""
    where = f": {error.filename}" if error.filename else ""
    return UnavailableError(f"{os_reason(error)}{where}", _os_hint(error))


def os_reason(error: OSError) -> str:
    """Return the reason of an operating system error in lower case, without its file."""
    return (error.strerror or str(error)).lower()


def _os_hint(error: OSError) -> str:
    path = error.filename or "the path"
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT:
            return "free disk space, then run again: df -h"
        case errno.EACCES | errno.EPERM:
            return f"correct owner and permissions, then run again: ls -ld {path}"
        case errno.EROFS:
            return f"make the file system writable, then run again: findmnt -T {path}"
        case errno.ENOENT:
            return f"restore the missing path, then run again: {path}"
        case errno.ECONNREFUSED | errno.ECONNRESET | errno.EHOSTUNREACH | errno.ETIMEDOUT:
            return "check the network and the address, then run again"
        case errno.EMFILE | errno.ENFILE:
            return "raise the limit of open files, then run again: ulimit -n 4096"
        case errno.E2BIG:
            return "shorten the command, or put it into a script: getconf ARG_MAX"
        case errno.EEXIST | errno.EISDIR | errno.ENOTDIR | errno.ELOOP | errno.ENOTEMPTY:
            return f"move away the file, directory or link in the way: ls -ld {path}"
        case _:
            return "resolve the cause, then run again"
