"""Resource errors: each has a name of its own, the right exit code, and fits on one line."""

import errno
from collections.abc import Iterator

import pytest

from ml_assets.gating import admission
from resources import errors
from resources.advisory_feed import errors as feed_errors
from resources.errors import ResourceError, wrap_os_error

CODES = {
    "configuration": 2,
    "busy": 3,
    "untrusted-commit": 1,
    "lost-race": 3,
    "unavailable": 3,
    "changed": 3,
    "refused": 1,
    "unjudged": 3,
    "stage": 1,
    "command": 1,
    "missing-out": 1,
    "missing-input": 1,
    "out-changed": 1,
    "corrupt-object": 1,
    "advisory-feed": 3,
    "hostile-feed": 3,
    "checksum": 3,
    "update-refused": 3,
    "update-running": 3,
}


def all_below(root: type[ResourceError]) -> Iterator[type[ResourceError]]:
    for error in root.__subclasses__():
        yield error
        yield from all_below(error)


def test_every_error_has_its_own_kind_and_the_exit_code_of_the_contract() -> None:
    found = [(error.kind, error.exit_code) for error in all_below(ResourceError)]

    assert sorted(found) == sorted(CODES.items())


def test_tree_in_the_docstring_names_every_error() -> None:
    trees = {module.__name__: str(module.__doc__) for module in (errors, feed_errors, admission)}

    for error in all_below(ResourceError):
        assert f"─ {error.__name__} " in trees[error.__module__]


def test_message_of_several_lines_is_told_on_one() -> None:
    error = ResourceError("one\n  two\t three", "type this")

    assert (error.message, error.hint) == ("one two three", "type this")


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "/a/b"), "no space left on device: /a/b"),
        (OSError(errno.EIO, "Input/output error"), "input/output error"),
        (OSError("Odd"), "odd"),
    ],
)
def test_what_the_system_refused_is_said_with_its_file(error: OSError, message: str) -> None:
    wrapped = wrap_os_error(error)

    assert wrapped.message == message
    assert wrapped.exit_code == 3
    assert wrapped.hint


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (errno.ENOSPC, "disk space"),
        (errno.EACCES, "permissions"),
        (errno.ENOENT, "missing path"),
        (errno.ECONNREFUSED, "network"),
        (errno.E2BIG, "into a script"),
        (errno.EIO, "the cause"),
    ],
)
def test_hint_fits_the_error_number(number: int, advice: str) -> None:
    hint = wrap_os_error(OSError(number, "reason", "/a/b")).hint

    assert advice in hint
    assert number == errno.ENOSPC or "disk" not in hint
