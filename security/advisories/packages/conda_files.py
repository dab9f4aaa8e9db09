"""The parsers of conda's files: environments, and the locks of conda, conda-lock and pixi.

Advisories know packages by their names on PyPI. Nearly all Python packages have the same name in
conda's channels; the exceptions are listed here. Packages without Python code have no advisories.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from security.advisories.packages.file_name import name_mismatch, parse_conda_file, parse_wheel
from security.advisories.packages.line_finder import LineFinder
from security.advisories.packages.package import Package, PackageList, Skipped, SkipReason, shorten
from security.advisories.packages.requirements import build_package
from security.advisories.packages.wish import parse_wish
from security.content.document import DocumentError
from security.content.yaml_text import YamlValue, parse_yaml

#: Names on PyPI of packages that conda's channels call otherwise.
_PYPI_NAMES = {
    "dask-core": "dask",
    "matplotlib-base": "matplotlib",
    "mlflow-skinny": "mlflow",
    "msgpack-python": "msgpack",
    "opencv": "opencv-python",
    "py-opencv": "opencv-python",
    "py-xgboost": "xgboost",
    "pytorch": "torch",
    "pytorch-cpu": "torch",
    "pytorch-gpu": "torch",
    "ray-core": "ray",
    "ray-default": "ray",
    "tensorflow-base": "tensorflow",
}
_SPEC = re.compile(r"(?:[\w./:-]+::)?([A-Za-z0-9_][\w.-]*)\s*(.*)", re.DOTALL)
_EXACT = re.compile(r"(?:==\s*|\s+)?([0-9][\w.!+]*)(?:(?:=|\s+)[\w.*]+)?")
_FUZZY = re.compile(r"=\s*([0-9][\w!+]*(?:\.\w+){2,})")
_BUILT = re.compile(r"=\s*([0-9][\w.!+]*)=[\w.]+")
_BRACKETS = re.compile(r"\[.*\bversion=['\"]?=*([0-9][\w.!+]*)['\"]?.*\]")
_EXTRAS = re.compile(r"^\[[\w, -]*\]")
_IN_COMMENT = re.compile(r"#\s*pip\s+(\S+)\s+@\s+(\S+)")


def parse_environment(text: str) -> PackageList:
    """Parse environment.yml, or python_env.yaml of MLflow."""
    document = _load(text)
    if isinstance(document, Skipped):
        return PackageList.collect([document])
    listed = [
        one
        for key, value in (document.items() if isinstance(document, dict) else ())
        if key.endswith("dependencies") and isinstance(value, list)
        for one in value
    ]
    if not listed:
        return PackageList.collect([Skipped.file("no dependencies")])
    lines = LineFinder(text)
    return PackageList.collect(one for entry in listed for one in _parse_dependency(entry, lines))


def parse_conda_lock(text: str) -> PackageList:
    """Parse conda-lock.yml: the list ``package``, of conda's and pip's packages."""
    return _parse_entries(text, ("package", "packages"))


def parse_pixi_lock(text: str) -> PackageList:
    """Parse pixi.lock, in the versions 4 to 6."""
    return _parse_entries(text, ("packages", "package"))


def parse_explicit(text: str) -> PackageList:
    """Parse an explicit list of conda: one URL in each line, pip's packages in comments."""
    return PackageList.collect(_parse_lines(text))


def parse_spec(spec: str, line: int) -> Package | Skipped | None:
    """Parse a dependency of conda: ``channel::name=1.2.3=build``.

    None stands for a package that is not one of Python, such as ``_libgcc_mutex``.
    """
    found = _SPEC.fullmatch(spec.strip())
    if found is None:
        return Skipped(shorten(spec), line, SkipReason.NOT_UNDERSTOOD)
    name, rest = found[1], _EXTRAS.sub("", found[2]).strip()
    patterns = (_EXACT, _BUILT, _FUZZY, _BRACKETS)
    exact = next((m for pattern in patterns if (m := pattern.fullmatch(rest))), None)
    if exact is None:
        wish = Skipped(shorten(spec), line, SkipReason.RANGE)
        return None if _package(name, "0", line) is None else wish
    return _package(name, exact[1], line)


def _package(name: str, version: str, line: int) -> Package | None:
    lower = name.lower()
    if lower == "python" or lower.startswith("_"):
        return None
    return build_package(_PYPI_NAMES.get(lower, lower), version, line)


def _load(text: str) -> YamlValue | Skipped:
    try:
        return parse_yaml(text.encode("utf-8"))
    except DocumentError as error:
        return Skipped.file(error.message)


def _parse_dependency(entry: YamlValue, lines: LineFinder) -> Iterator[Package | Skipped | None]:
    if isinstance(entry, dict):
        for key, listed in entry.items():
            if key != "pip" or not isinstance(listed, list):
                yield Skipped(shorten(key), lines.line_of(key), SkipReason.NOT_UNDERSTOOD)
                continue
            for one in listed:
                yield from parse_wish(str(one), lines.line_of(str(one)))
    elif isinstance(entry, str):
        line = lines.line_of(entry)
        if entry.startswith("-") or re.search(r"://|\s@\s", entry):  # of pip, in MLflow
            file = parse_conda_file(entry)
            yield from [_package(*file, line)] if file else parse_wish(entry, line)
        else:
            yield parse_spec(entry, line)


def _parse_lines(text: str) -> Iterator[Package | Skipped | None]:
    for number, line in enumerate(text.splitlines(), start=1):
        entry = line.strip()
        comment = _IN_COMMENT.match(entry)
        if comment is not None:
            yield from _parse_entry({"name": comment[1], "url": comment[2]}, line=number)
        elif entry and not entry.startswith(("#", "@")):
            file = parse_conda_file(entry)
            yield (
                _package(*file, number)
                if file is not None
                else Skipped(shorten(entry), number, SkipReason.NOT_UNDERSTOOD)
            )


def _parse_entries(text: str, tables: tuple[str, str]) -> PackageList:
    document = _load(text)
    if isinstance(document, Skipped):
        return PackageList.collect([document])
    if not isinstance(document, dict) or not isinstance(document.get(tables[0]), list):
        return PackageList.collect([Skipped.file(f"no list {tables[0]}")])
    decoys = [Skipped.file(f"both {' and '.join(sorted(tables))}")] if tables[1] in document else []
    entries = [one for name in tables if isinstance(e := document.get(name), list) for one in e]
    lines = LineFinder(text)
    found = (one for entry in entries for one in _parse_entry(entry, lines))
    return PackageList.collect([*decoys, *found])


def _parse_entry(
    entry: object, lines: LineFinder | None = None, line: int = 1
) -> Iterator[Package | Skipped | None]:
    """Parse one package; its name and version may be in the name of its file only."""
    if not isinstance(entry, dict):
        yield Skipped(shorten(str(entry)), line, SkipReason.NOT_UNDERSTOOD, "not a table")
        return
    address = next((str(entry[key]) for key in ("url", "conda", "pypi") if entry.get(key)), "")
    if lines is not None:
        line = lines.line_of(address or str(entry.get("name", "")))
    file = parse_conda_file(address) or parse_wheel(address)
    name, version = entry.get("name") or (file and file[0]), entry.get("version")
    version = version or (file and file[1])
    if file is None and re.match(r"git\+|\.{0,2}/|\.$|file:", address):
        yield Skipped(shorten(address), line, SkipReason.NOT_FROM_INDEX)
    elif not isinstance(name, str) or not isinstance(version, str):
        yield Skipped(shorten(address or str(name)), line, SkipReason.NOT_PINNED)
    else:
        yield _package(name, version, line)
        if detail := name_mismatch(address, name, version):
            yield Skipped(shorten(name), line, SkipReason.NOT_UNDERSTOOD, detail)
