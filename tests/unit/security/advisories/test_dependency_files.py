"""Dependency files: what they list is what pip and the others would install, or is told."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from pip_audit._dependency_source import RequirementSource  # type: ignore[import-untyped]
from pip_audit._dependency_source.pylock import PyLockSource  # type: ignore[import-untyped]

from security.advisories.packages import dependency_text
from security.advisories.packages.dependency_files import Listing, read_dependency_files
from security.advisories.packages.file_kind import is_dependency_file

ROOT = Path(__file__).parents[4]
UV_LOCK = """\
version = 1
[manifest]
members = ["project", "part"]
[[package]]
name = "project"
version = "0.1.0"
source = { editable = "." }
[[package]]
name = "part"
source = { virtual = "parts/part" }
[[package]]
name = "victim"
version = "1.0"
source = { registry = "https://index.invalid/simple" }
"""


def read_files(root: Path, files: dict[str, str | bytes]) -> Listing:
    for path, content in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content.encode() if isinstance(content, str) else content)
    return read_dependency_files(root, sorted(path for path in files if is_dependency_file(path)))


def names(listing: Listing) -> list[str]:
    return sorted(f"{one.package.name}=={one.package.version}" for one in listing.packages)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("requirements.txt", True),
        ("deep/er/requirements-dev.txt", True),
        ("dev-requirements.txt", True),
        ("requirements/run.lock", True),
        ("service/requirements/base.txt", True),
        ("constraints.txt", True),
        ("pylock.toml", True),
        ("pylock.dev.toml", True),
        ("sub/uv.lock", True),
        ("poetry.lock", True),
        ("pdm.lock", True),
        ("REQUIREMENTS.TXT", True),
        ("Pipfile.lock", True),
        ("requirements.in", False),
        ("requirements/base.in", False),
        ("pyproject.toml", False),
        ("setup.cfg", False),
        ("dvc.lock", False),
        ("myrequirements/run.lock", False),
        ("src/uv.lock.py", False),
    ],
)
def test_files_are_known_by_their_names(path: str, expected: bool) -> None:
    assert is_dependency_file(path) is expected


@pytest.mark.parametrize("name", ["run.lock", "dev.lock", "build.lock"])
def test_locked_requirements_are_those_that_pip_audit_collects(name: str) -> None:
    path = ROOT / "requirements" / name
    theirs = RequirementSource([path], no_deps=True, disable_pip=True).collect()
    collected = {f"{one.canonical_name}=={one.version}" for one in theirs}
    ours = read_dependency_files(ROOT, [f"requirements/{name}"])
    # pip-audit leaves out what a marker leaves out here; elsewhere it may be installed.
    lines = path.read_text().splitlines()
    marked = {
        f"{one.package.name}=={one.package.version}"
        for one in ours.packages
        if " ; " in lines[one.package.line - 1]
    }
    assert len(collected) > 5 and not ours.hidden
    assert set(names(ours)) - marked == collected - marked
    # What has extras is pinned without them as well, in the same version (tools/lock.sh).
    found = set(names(ours))
    assert len({one.partition("==")[0] for one in found}) == len(found) and collected <= found


def test_pylock_is_what_pip_audit_collects(tmp_path: Path) -> None:
    text = (
        'lock-version = "1.0"\ncreated-by = "us"\n[[packages]]\nname = "a-b"\nversion = "1.0"\n'
        '[[packages]]\nname = "c"\nversion = "2.0.post1"\n'
    )
    ours = read_files(tmp_path, {"pylock.toml": text})
    theirs = PyLockSource([tmp_path / "pylock.toml"]).collect()
    collected = sorted(f"{one.canonical_name}=={one.version}" for one in theirs)
    assert names(ours) == collected == ["a-b==1.0", "c==2.0.post1"]


def test_lock_in_requirements_is_read_by_its_content(tmp_path: Path) -> None:
    found = read_files(
        tmp_path,
        {
            "requirements/a.lock": "one==1.0\n",
            "requirements/b.lock": '[[package]]\nname = "two"\nversion = "2.0"\n',
        },
    )
    assert names(found) == ["one==1.0", "two==2.0"] and not found.hidden


def test_the_project_and_its_directories_hide_nothing(tmp_path: Path) -> None:
    found = read_files(
        tmp_path,
        {
            "uv.lock": UV_LOCK,
            "requirements.txt": "-e .\n.[dev]\n-e ./lib[extra]\n./other\nvictim==1.0\n",
            "sub/poetry.lock": '[[package]]\nname = "lib"\nversion = "1"\n'
            '[package.source]\ntype = "directory"\nurl = "../lib"\n',
            "pdm.lock": '[[package]]\nname = "p"\nversion = "1"\npath = "./p"\neditable = true\n',
            "pylock.toml": '[[packages]]\nname = "d"\ndirectory = { path = "." }\n',
        },
    )
    assert not found.hidden and found.own == 9
    assert names(found) == ["victim==1.0", "victim==1.0"]


@pytest.mark.parametrize(
    "source",
    [
        '{ editable = "../other" }',
        '{ virtual = "/opt/other" }',
        '{ directory = "a/../../b" }',
        '{ path = "vendor/x.whl" }',
        '{ editable = "vendor/x.tar.gz" }',
        '{ git = "https://git.invalid/x" }',
        '{ editable = ".", url = "https://files.invalid/x.whl" }',
        '{ editable = "https://files.invalid/x" }',
    ],
)
def test_local_source_elsewhere_hides_a_package(tmp_path: Path, source: str) -> None:
    text = f'[[package]]\nname = "x"\nversion = "1"\nsource = {source}\n'
    found = read_files(tmp_path, {"uv.lock": text})
    assert found.own == 0 and len(found.hidden) == 1 and "not from an index" in found.hidden[0]


@pytest.mark.parametrize("first", [True, False])
def test_name_of_the_project_covers_no_second_entry(tmp_path: Path, first: bool) -> None:
    other = '[[package]]\nname = "project"\nsource = { git = "https://git.invalid/x" }\n'
    head, tables = UV_LOCK.split("[manifest]")
    text = f"{head}{other}[manifest]{tables}" if first else UV_LOCK + other
    assert len(read_files(tmp_path, {"uv.lock": text}).hidden) == 2


@pytest.mark.parametrize(
    "entry",
    [
        "victim>=1",
        "victim",
        "victim==1.*",
        "victim @ https://files.invalid/victim.whl",
        "https://files.invalid/victim.whl",
        "git+https://git.invalid/victim",
        "-e git+https://git.invalid/victim#egg=victim",
        "-e ../victim",
        "-e /opt/victim",
        "-e file:///opt/victim",
        "./wheels/victim-1.0-py3-none-any.whl",
        "../victim",
        "-e ./a/../../victim",
        "--editable-or-not",
        ".\\victim",
        "..",
        "-r other.in",
        "-r ../../../etc/passwd",
        "-r /etc/passwd",
        "-r https://files.invalid/requirements.txt",
        "-c https://files.invalid/constraints.txt",
        "--config-settings x",
        "victim==1.0 ; ???",
        "${VICTIM}",
        "victim==${VERSION}",
        "évil==1.0",
    ],
)
def test_entry_that_may_hide_a_package_is_told(tmp_path: Path, entry: str) -> None:
    found = read_files(tmp_path, {"requirements.txt": f"other==1.0\n{entry}\n"})
    assert names(found) == ["other==1.0"]
    assert len(found.hidden) == 1 and found.hidden[0].startswith("requirements.txt:2: ")


def test_reference_to_what_is_read_hides_nothing(tmp_path: Path) -> None:
    found = read_files(
        tmp_path,
        {
            "requirements/dev.txt": "-r base.txt\n-r ../requirements.txt\n-c ../constraints.txt\n",
            "requirements/base.txt": "a==1\n-rdev.txt\n--requirement=base.txt\n",
            "requirements.txt": "b==1\n",
            "constraints.txt": "c<2\nd==1\n",
        },
    )
    assert names(found) == ["a==1", "b==1", "d==1"] and not found.hidden


def test_constraints_that_are_required_hide_what_they_do_not_pin(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {"requirements.txt": "-r constraints.txt\n"}
    found = read_files(tmp_path, {**files, "constraints.txt": "c<2\n"})
    assert len(found.hidden) == 1 and "constraints.txt:1: c<2" in found.hidden[0]


def test_reference_to_a_file_that_was_refused_hides_it(tmp_path: Path) -> None:
    found = read_files(
        tmp_path, {"requirements.txt": "-r requirements-b.txt\n", "requirements-b.txt": b"\xff\xfe"}
    )
    assert len(found.hidden) == 2


@pytest.mark.parametrize(
    "content",
    [
        "victim==1.0".encode("utf-16"),
        b"victim==1.0 # \xe9\n",
        b"# coding: utf-7\n# +AAo-victim==1.0\n",
        b"#\n# -*- coding: cp500 -*-\n",
        b"# coding: nobody-knows-it\n",
        b"# coding: \xff\n",
        b"# vim: set fileencoding=rot13 :\n",
    ],
)
def test_requirement_in_another_encoding_is_not_overlooked(tmp_path: Path, content: bytes) -> None:
    found = read_files(tmp_path, {"requirements.txt": content})
    assert not found.packages and len(found.hidden) == 1


def test_encoding_that_is_utf_8_anyway_is_read(tmp_path: Path) -> None:
    found = read_files(tmp_path, {"requirements.txt": b"\xef\xbb\xbf# coding: UTF8\nvictim==1.0\n"})
    assert names(found) == ["victim==1.0"] and not found.hidden


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\f", "\v", "\x1c", "\x85", "\u2028", " \\\n"])
def test_line_ends_where_pip_ends_it(tmp_path: Path, end: str) -> None:
    found = read_files(tmp_path, {"requirements.txt": f"# nothing{end}victim==1.0"})
    assert names(found) == ["victim==1.0"]


@pytest.mark.parametrize(
    "name", ["vic\\u0000tim", "vic\\ntim", "\\u001b[2Jvictim", "víctim", "a b"]
)
def test_name_that_no_package_has_is_told_on_one_line(tmp_path: Path, name: str) -> None:
    found = read_files(tmp_path, {"uv.lock": f'[[package]]\nname = "{name}"\nversion = "1.0"\n'})
    assert not found.packages and len(found.hidden) == 1
    assert "not a name" in found.hidden[0] and found.hidden[0].isprintable()


@pytest.mark.parametrize(
    "bomb",
    [
        "a = " + "[" * 200_000,
        "a = " + "{a=" * 200_000,
        "[" + "a." * 200_000 + "a]\n" + "b = 1\n" * 1000,
        ".".join(["a"] * 200_000) + " = 1",
        '"a".' * 200_000 + "a = 1",
        "'a' . " * 200_000 + "a = 1",
        "[" + 'a."""x""".' * 100_000 + "a]",
        '"""' * 333_333,
        '"""\\' * 250_000,
        '"' * 999_999,
        "'''" * 333_332 + "'",
        "[[package]]\n" * 80_000,
        "a" * 1_000_000,
        " " * 1_000_000,
        "a " * 500_000,
    ],
)
def test_lock_file_made_to_hang_is_refused_at_once(tmp_path: Path, bomb: str) -> None:
    started = time.process_time()
    found = read_files(tmp_path, {"uv.lock": bomb})
    assert time.process_time() - started < 4
    assert not found.packages and found.hidden


def test_dots_in_texts_and_dates_are_no_nesting(tmp_path: Path) -> None:
    url = ".".join(["part"] * 100)
    text = (
        f'# {url}\n[[package]]\nname = "victim"\nversion = "1.0"\n'
        f"[package.a.b.c]\nx = '{url}'\ny = \"\\\"{url}\"\nz = '''{url}\n'{url}'''\n"
        f'w = """"{url}""""\nv = [1.5, 2.5, 3.5, {", ".join(["1.5"] * 100)}]\n'
    )
    found = read_files(tmp_path, {"uv.lock": text})
    assert names(found) == ["victim==1.0"] and not found.hidden


def test_files_beyond_the_limits_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dependency_text, "MOST_LINES", 3)
    files: dict[str, str | bytes] = {"requirements-a.txt": "a==1\nb==1\n"}
    found = read_files(tmp_path, {**files, "requirements-b.txt": "c==1\nd==1\n"})
    assert names(found) == ["a==1", "b==1"]
    assert found.hidden == ("requirements-b.txt: dependency files exceed the total limit: 3 lines",)
    monkeypatch.setattr(dependency_text, "MOST_BYTES", 15)
    found = read_files(tmp_path, {**files, "requirements-b.txt": "c==1\n# 45678"})
    assert names(found) == ["a==1", "b==1"] and "MiB" in found.hidden[0]


def test_huge_file_is_never_read_whole(tmp_path: Path) -> None:
    with open(tmp_path / "requirements.txt", "wb") as stream:
        stream.truncate(1 << 40)
    found = read_dependency_files(tmp_path, ["requirements.txt"])
    assert "total limit: 32 MiB" in found.hidden[0]


def test_as_many_lines_as_are_allowed_take_seconds(tmp_path: Path) -> None:
    started = time.process_time()
    lines = dependency_text.MOST_LINES - 1
    text = "a==1 \\\n" + "    --hash=sha256:0 \\\n" * lines
    assert names(read_files(tmp_path, {"requirements.txt": text})) == ["a==1"]
    assert time.process_time() - started < 6


@pytest.mark.parametrize("text", ["\n", " \n", "[[package]\n", "a==1 \\\n", "#\n", "-r x.txt\n"])
def test_lines_without_end_take_seconds(tmp_path: Path, text: str) -> None:
    started = time.process_time()
    read_files(tmp_path, {"requirements/a.lock": text * 90_000})
    assert time.process_time() - started < 6


def test_links_pipes_and_lost_files_are_told(tmp_path: Path) -> None:
    (tmp_path / "outside.txt").write_text("victim==1.0\n")
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "requirements-a.txt").symlink_to(tmp_path / "outside.txt")
    os.mkfifo(tree / "requirements-b.txt")
    (tree / "requirements-c.txt").mkdir()
    paths = [f"requirements-{name}.txt" for name in "abcd"]
    found = read_dependency_files(tree, paths)
    assert not found.packages and [one.partition(":")[0] for one in found.hidden] == paths
