"""The names of modules and public classes: a noun each, and one meaning each."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("ml_assets", "resources", "security", "sensors")
#: Words that say nothing about what a module holds.
EMPTY = {"base", "common", "core", "helpers", "manager", "misc", "models", "types", "utils"}
#: Adjectives and verb forms that once named modules here.
NO_NOUNS = {"asked", "judging", "subjects", "trusted", "verified", "vulnerable"}
_PARTICIPLE = re.compile(r"(^|_)[a-z]{2,}ed$")
_NOUNS = {"feed", "advisory_feed", "seed"}


def find_modules() -> list[Path]:
    """Find the modules of the four packages."""
    return [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]


def is_noun(name: str) -> bool:
    """Say whether a module name passes the rule."""
    return name in _NOUNS or not (name in EMPTY | NO_NOUNS or _PARTICIPLE.search(name))


def find_public_classes(path: Path) -> Iterator[str]:
    """Yield the public classes that a module defines at its top level."""
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield node.name


def test_public_class_has_one_meaning() -> None:
    places = defaultdict(list)
    for path in find_modules():
        for name in find_public_classes(path):
            places[name].append(path.relative_to(ROOT).as_posix())
    assert len(places) > 300
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


def test_module_is_named_by_a_noun() -> None:
    names = {
        path: path.parent.name if path.stem == "__init__" else path.stem for path in find_modules()
    }
    assert [
        path.relative_to(ROOT).as_posix() for path, name in names.items() if not is_noun(name)
    ] == []


@pytest.mark.parametrize("name", ["utils", "verified", "signed", "run_accepted", "models"])
def test_name_without_a_noun_is_found(name: str) -> None:
    assert not is_noun(name)
