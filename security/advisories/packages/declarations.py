"""The parsers of declarations: what a project wants to be installed, mostly as ranges.

pyproject.toml, Pipfile, pixi.toml and hatch.toml have tables of many tools. All of them keep
packages under keys that end in ``dependencies``, ``packages``, ``requires`` or the like, as a list
of requirements, or as a table from names to versions. An exact version is a pin. A range is told as
such: what is installed decides.
"""

from __future__ import annotations

import ast
import configparser
import re
import tomllib
import warnings
from collections.abc import Iterator
from typing import TypeAlias

from security.advisories.packages.conda_files import parse_spec
from security.advisories.packages.line_finder import LineFinder
from security.advisories.packages.package import Package, PackageList, Skipped, SkipReason, shorten
from security.advisories.packages.requirements import build_package
from security.advisories.packages.wish import parse_wish
from security.content.document import DocumentError, parse_json

_Found: TypeAlias = "Iterator[Package | Skipped]"
_KEY = re.compile(r"(.*[-_])?(dependencies|dependency-groups|requires)")
_PIPFILE = re.compile(r"packages|dev-packages")
_CONSTRAINTS = re.compile(r"(constraint|override|build-constraint)-dependencies")
_BARE = re.compile(r"[0-9][\w.!+]*")
_SETUP_KEYS = re.compile(r"install_requires|setup_requires|tests_require|extras_require")
_PIN = re.compile(r"[A-Za-z0-9][\w.-]*(\[[\w, -]*\])?\s*===?\s*[0-9][\w.!+-]*(\s*;.*)?")


def parse_manifest(text: str) -> PackageList:
    """Parse pyproject.toml, Pipfile, pixi.toml or hatch.toml."""
    try:
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        return PackageList.collect([Skipped.file(str(error))])
    return PackageList.collect(_walk(document, (), LineFinder(text)))


def parse_setup_cfg(text: str) -> PackageList:
    """Parse setup.cfg of setuptools, which refuses repeated keys as well."""
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(text)
    except configparser.Error as error:
        return PackageList.collect([Skipped.file(str(error))])
    entries = [
        line
        for section in parser.sections()
        for key, value in parser.items(section)
        if section == "options.extras_require"
        or (section == "options" and _SETUP_KEYS.fullmatch(key.replace("-", "_")))
        for line in value.splitlines()
    ]
    lines = LineFinder(text)
    return PackageList.collect(one for entry in entries for one in _parse_wish(entry, lines))


def parse_setup_py(text: str) -> PackageList:
    """Parse the pins among the strings of setup.py, which is code: its ranges are not known."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return PackageList.collect([Skipped.file(str(error), SkipReason.OTHER_INSTALLER)])
    strings = [
        part
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        for line in node.value.splitlines()
        for part in dict.fromkeys((line, *line.split(",")))
    ]
    pins = [one.strip() for one in strings if _PIN.fullmatch(one.strip())]
    lines = LineFinder(text)
    return PackageList.collect(one for pin in pins for one in _parse_wish(pin, lines))


def parse_script(text: str) -> PackageList:
    """Parse the inline metadata of a script (PEP 723)."""
    found: list[Package | Skipped] = []
    for first, toml in _blocks(_cells(text) if text.lstrip().startswith("{") else text):
        listed = parse_manifest(toml)
        found += [build_package(one.name, one.version, first + one.line) for one in listed.packages]
        found += listed.skipped
    return PackageList.collect(found)


def _cells(text: str) -> str:
    """Return the lines of a notebook's cells."""
    try:
        document = parse_json(text.encode("utf-8"))
    except DocumentError:
        return text
    cells = document.get("cells") if isinstance(document, dict) else None
    sources = [cell.get("source", "") for cell in cells or () if isinstance(cell, dict)]
    return "\n\n".join("".join(map(str, one)) for one in sources)


def _blocks(text: str) -> Iterator[tuple[int, str]]:
    """Yield the first line and the TOML of each block of the type ``script``.

    A block ends at the last line ``# ///`` of its comment.
    """
    lines = text.splitlines()
    start: int | None = None
    end = 0
    for number, line in enumerate([*lines, ""]):
        if start is None:
            start = number if line.rstrip() == "# /// script" else None
            end = 0
        elif line.rstrip() == "# ///":
            end = number
        elif not (line == "#" or line.startswith("# ")):
            if end:
                yield start + 1, "\n".join(one[2:] for one in lines[start + 1 : end])
            start = None


def has_script_metadata(text: str) -> bool:
    """Say whether a file has inline metadata."""
    return "# /// script" in text


def _walk(value: object, keys: tuple[str, ...], lines: LineFinder) -> _Found:
    """Find the lists and tables of packages in a document."""
    if not isinstance(value, dict):
        return
    for key, inner in value.items():
        if _CONSTRAINTS.fullmatch(key):
            continue
        if _KEY.fullmatch(key) or (not keys and _PIPFILE.fullmatch(key)):
            yield from _parse_group(inner, (*keys, key), lines)
        elif isinstance(inner, list):
            yield from (one for part in inner for one in _walk(part, (*keys, key), lines))
        else:
            yield from _walk(inner, (*keys, key), lines)


def _parse_group(group: object, keys: tuple[str, ...], lines: LineFinder) -> _Found:
    """Parse a list of requirements, a table of lists, or a table from names to versions."""
    if isinstance(group, list):
        for entry in group:
            if isinstance(entry, str):
                yield from _parse_wish(entry, lines)
        return
    for name, wish in group.items() if isinstance(group, dict) else ():
        if "dynamic" in keys:
            for file in wish if isinstance(wish, list) else [wish]:
                line = lines.line_of(str(file))
                yield Skipped(shorten(f"-r {file}"), line, SkipReason.NOT_FOLLOWED)
        elif isinstance(wish, list) and any(isinstance(one, str) for one in wish):
            yield from _parse_group(wish, keys, lines)
        else:
            for one in wish if isinstance(wish, list) else [wish]:
                yield from _parse_version(name, one, keys, lines)


def _parse_version(name: str, wish: object, keys: tuple[str, ...], lines: LineFinder) -> _Found:
    """Parse a name and its version, as poetry, pixi and pipenv write them."""
    line = lines.line_of(name)
    if name.lower() == "python":
        return
    if isinstance(wish, dict):
        if {"git", "url", "file", "path"} & wish.keys():
            address = next((wish[key] for key in ("git", "url") if key in wish), None)
            text = f"{name} @ {address}" if address else name
            yield Skipped(shorten(text), line, SkipReason.RANGE)
            return
        wish = wish.get("version", "*")
    version = str(wish).strip()
    if "pixi" in keys or keys[0] in ("dependencies", "feature", "target", "host-dependencies"):
        found = parse_spec(f"{name} {version}" if _BARE.match(version) else name + version, line)
        yield from [found] if found is not None else []
    elif _BARE.fullmatch(version):
        yield build_package(name, version, line)
    else:
        yield from _parse_wish(
            f"{name}{version}" if re.match("[=<>!~]=?", version) else name, lines
        )


def _parse_wish(entry: str, lines: LineFinder) -> _Found:
    return parse_wish(entry, lines.line_of(entry))
