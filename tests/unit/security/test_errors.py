"""Security errors: each has a name of its own, the right exit code, and its place in the tree."""

import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path

import detect_secrets  # noqa: F401  # its import of urllib3 binds a socket
import pytest

import security
from security import errors
from security.advisories import errors as advisory_errors
from security.errors import SecurityError

ROOT = Path(security.__file__).parents[1]
_LINE = re.compile(r"─ (\w+) +(\S+\.py)$", re.MULTILINE)


@pytest.fixture(scope="module", autouse=True)
def all_modules() -> None:
    """Import all of the package, so that no error is overlooked."""
    for module in pkgutil.walk_packages(security.__path__, "security."):
        importlib.import_module(module.name)


def below(root: type[SecurityError]) -> Iterator[type[SecurityError]]:
    for error in root.__subclasses__():
        if error.__module__.startswith("security."):
            yield error
            yield from below(error)


def drawn() -> dict[str, str]:
    return dict(_LINE.findall(str(errors.__doc__)))


def test_tree_in_the_docstring_is_what_there_is() -> None:
    there = {
        error.__name__: f"{error.__module__.replace('.', '/')}.py"
        for error in SecurityError.__subclasses__()
        if error.__module__.startswith("security.")
    }

    assert drawn() == there
    assert list(drawn()) == sorted(drawn())


def test_tree_of_the_advisories_is_what_there_is() -> None:
    names = set(re.findall(r"─ (\w+)", str(advisory_errors.__doc__)))

    assert names == {error.__name__ for error in below(advisory_errors.AdvisoryError)}


#: Input that was read and refused: a wrong signature or record, a tree or mode that is not signed.
REFUSALS = {"LockRecordError", "ModeError", "SignatureError", "TreeError"}


def test_every_error_says_that_nothing_was_judged_and_has_a_kind() -> None:
    found = list(below(SecurityError))

    assert len(found) >= 8
    for error in found:
        refuses = error.__name__ in REFUSALS
        assert error.exit_code in ((1,) if refuses else (2, 3)), error
        assert re.fullmatch(r"[a-z-]+", error.kind), error


def test_message_of_several_lines_is_told_on_one() -> None:
    error = SecurityError("one\n  two\t three", "type this")

    assert (error.message, error.hint) == ("one two three", "type this")
