"""Lists of packages: requirements, lock files, dpkg's status. Nothing that they say is dropped."""

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from security.advisories.packages.dpkg_status import parse_dpkg_status
from security.advisories.packages.lock_files import parse_lock_file
from security.advisories.packages.package import Package, Skipped, SkipReason
from security.advisories.packages.requirements import parse_requirements

ROOT = Path(__file__).resolve().parents[4]
NOT_PINNED, NOT_FROM_INDEX = SkipReason.NOT_PINNED, SkipReason.NOT_FROM_INDEX
NOT_FOLLOWED, NOT_UNDERSTOOD = SkipReason.NOT_FOLLOWED, SkipReason.NOT_UNDERSTOOD


def test_pins_are_read_with_their_lines() -> None:
    text = (
        "# a comment\n"
        "-i https://example.invalid/simple\n"
        "Django==4.2.1  # why\n"
        "\n"
        "gql[requests,http]==3.5.0 ; python_version < '3.13' \\\n"
        "    --hash=sha256:aa \\\n"
        "    --hash=sha256:bb\n"
        "Foo_Bar===1.0.0\r\n"
        "pinned==1.0,>=0.9\n"
        "spaced == 1.0.0 --hash=sha256:cc\n"
        "bracketed (==1.0)\n"
    )
    found = parse_requirements(text)
    assert found.skipped == ()
    assert [(one.name, one.version, one.line) for one in found.packages] == [
        ("django", "4.2.1", 3),
        ("gql", "3.5.0", 5),
        ("foo-bar", "1.0.0", 8),
        ("pinned", "1.0", 9),
        ("spaced", "1.0.0", 10),
        ("bracketed", "1.0", 11),
    ]
    assert found.packages[0] == Package("PyPI", "django", "4.2.1", "Django==4.2.1", 3)


SKIPPED = [
    ("django", NOT_PINNED),
    ("django>=4", NOT_PINNED),
    ("django~=4.2.1", NOT_PINNED),
    ("django==4.*", NOT_PINNED),
    ("django!=4.2", NOT_PINNED),
    ("django==4.1,==4.2", NOT_PINNED),
    ("django[argon2]", NOT_PINNED),
    ("-r other.txt", NOT_FOLLOWED),
    ("--requirement=other.txt", NOT_FOLLOWED),
    ("-rother.txt", NOT_FOLLOWED),
    ("-c constraints.txt", NOT_FOLLOWED),
    ("-e .", NOT_FROM_INDEX),
    ("--editable=git+https://example.invalid/x.git#egg=x", NOT_FROM_INDEX),
    ("django @ https://example.invalid/django-4.2.zip", NOT_FROM_INDEX),
    ("https://example.invalid/django-4.2.zip", NOT_FROM_INDEX),
    ("git+ssh://git@example.invalid/x.git@main", NOT_FROM_INDEX),
    ("git+https://user@example.invalid/x.git", NOT_FROM_INDEX),
    ("./local/package", NOT_FROM_INDEX),
    ("../package", NOT_FROM_INDEX),
    ("/srv/package", NOT_FROM_INDEX),
    ("wheels/django-4.2-py3-none-any.whl", NOT_FROM_INDEX),
    ("--unheard-of option", NOT_UNDERSTOOD),
    ("django=4.2", NOT_UNDERSTOOD),
    ("django==", NOT_UNDERSTOOD),
    ("django==4.2 ; python_version <", NOT_UNDERSTOOD),
    ("${PACKAGE}==1.0", NOT_UNDERSTOOD),
    ("two words==1.0", NOT_UNDERSTOOD),
    ("<<<<<<< HEAD", NOT_UNDERSTOOD),
    ("\x00\x1b[2J==1", NOT_UNDERSTOOD),
]


@pytest.mark.parametrize(("line", "reason"), SKIPPED)
def test_what_is_not_pinned_is_told_with_a_reason(line: str, reason: SkipReason) -> None:
    found = parse_requirements(f"first==1.0\n{line}\nlast==2.0\n")
    assert [one.name for one in found.packages] == ["first", "last"]
    (skipped,) = found.skipped
    assert (skipped.line, skipped.reason) == (2, reason)
    assert skipped.text.isprintable() and found.unjudged == (skipped,)


@pytest.mark.parametrize(
    "line",
    ["--require-hashes", "--pre", "--find-links /wheels", "-f /wheels", "--no-binary :all:", "#x"],
)
def test_options_that_name_no_package_say_nothing(line: str) -> None:
    found = parse_requirements(f"{line}\n")
    assert found.packages == () and found.skipped == ()


def test_comment_does_not_swallow_a_continued_requirement() -> None:
    found = parse_requirements("# note \\\nhidden==1.0\nother==2.0 \\\n# note\nthird==3.0\n")
    assert [one.name for one in found.packages] == ["hidden", "other", "third"]


@pytest.mark.parametrize("end", ["\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\r"])
def test_line_that_ends_as_pip_ends_it_hides_nothing(end: str) -> None:
    found = parse_requirements(f"# a comment{end}hidden==1.0\n")
    assert [one.name for one in found.packages] == ["hidden"]


@pytest.mark.parametrize(
    "line", ["a==1" + " " * 500_000 + "x", " " * 500_000, "a" * 500_000, "a==1 ;" + "(" * 500_000]
)
def test_endless_line_takes_no_endless_time(line: str) -> None:
    start = time.process_time()
    found = parse_requirements(f"{line}\nlast==1.0\n")
    assert found.packages[-1].name == "last"
    assert time.process_time() - start < 2


def test_hash_in_an_address_is_no_comment() -> None:
    (skipped,) = parse_requirements("https://example.invalid/a.zip#sha256=aa\n").skipped
    assert skipped.text.endswith("#sha256=aa")


def test_last_line_may_be_cut_off() -> None:
    assert [one.name for one in parse_requirements("a==1\nb==2 \\").packages] == ["a", "b"]


def test_version_that_pep_440_does_not_know_is_still_a_package() -> None:
    (one,) = parse_requirements("a===2019-09-12\n").packages
    assert one.version == "2019-09-12"


@given(st.text(max_size=200))
def test_any_text_is_listed_or_skipped_and_never_crashes(text: str) -> None:
    parse_requirements(text)
    parse_lock_file(text)
    parse_dpkg_status(text, release="12")


@given(st.lists(st.text(alphabet="ab=1.<>-\\# [];@:/'", min_size=1, max_size=20), max_size=6))
def test_every_line_with_content_leaves_a_trace(lines: list[str]) -> None:
    text = "\n".join(line.replace("\\", "") for line in lines)
    found = parse_requirements(text)
    told = {one.line for one in (*found.packages, *found.skipped)}
    for number, line in enumerate(text.split("\n"), 1):
        content = line.split("#")[0] if line.lstrip().startswith("#") else line
        if content.strip() and not content.lstrip().startswith(("-", "#")):
            assert number in told


def test_own_lock_file_is_understood_whole() -> None:
    text = (ROOT / "requirements" / "dev.lock").read_text()
    found = parse_requirements(text)
    pins = [line for line in text.splitlines() if "==" in line.split("--hash")[0]]
    assert found.skipped == ()
    assert len(found.packages) == len(pins) > 200


UV_LOCK = """\
version = 1
[[package]]
name = "Django"
version = "4.2.1"
source = { registry = "https://example.invalid/simple" }

[[package]]
name = "own-project"
version = "0.1.0"
source = { virtual = "." }

[[package]]
name = "from-git"
version = "1.0"
source = { git = "https://example.invalid/x.git?rev=1#abc" }

[[package]]
name = "versionless"
source = { registry = "https://example.invalid/simple" }

[[package]]
version = "1.0"
"""
POETRY_LOCK = """\
[[package]]
name = "a"
version = "1.0"
description = ""

[[package]]
name = "b"
version = "2.0"
[package.source]
type = "git"
url = "https://example.invalid/b.git"

[[package]]
name = "c"
version = "3.0"
[package.source]
type = "legacy"
url = "https://example.invalid/simple"
"""
PYLOCK = """\
lock-version = "1.0"
[[packages]]
name = "a"
version = "1.0"
[[packages.wheels]]
url = "https://example.invalid/a.whl"
[[packages]]
name = "b"
[packages.vcs]
type = "git"
"""


@pytest.mark.parametrize(
    ("text", "packages", "skipped"),
    [
        (
            UV_LOCK,
            [("django", "4.2.1", 2)],
            [
                (7, NOT_FROM_INDEX),
                (12, NOT_FROM_INDEX),
                (17, NOT_PINNED),
                (21, NOT_UNDERSTOOD),
            ],
        ),
        (POETRY_LOCK, [("a", "1.0", 1), ("c", "3.0", 13)], [(6, NOT_FROM_INDEX)]),
        (PYLOCK, [("a", "1.0", 2)], [(7, NOT_FROM_INDEX)]),
        ("[[package", [], [(1, NOT_UNDERSTOOD)]),
        ("", [], [(1, NOT_UNDERSTOOD)]),
        ("package = 3", [], [(1, NOT_UNDERSTOOD)]),
        ('package = ["a"]', [], [(1, NOT_UNDERSTOOD)]),
    ],
    ids=["uv", "poetry", "pylock", "not TOML", "empty", "other TOML", "not tables"],
)
def test_lock_files_give_packages_and_reasons(
    text: str, packages: list[tuple[str, str, int]], skipped: list[tuple[int, SkipReason]]
) -> None:
    found = parse_lock_file(text)
    assert [(one.name, one.version, one.line) for one in found.packages] == packages
    assert [(one.line, one.reason) for one in found.skipped] == skipped


DPKG = """\
Package: libssl3
Status: install ok installed
Source: openssl
Version: 3.0.9-1
Description: text
 Package: not-a-field
 .
 more

Package: bash
Status: install ok installed
Version: 5.2.15-2+b2
Source: bash (5.2.15-2)

Package: adduser
Status: install ok installed
Version: 3.134

Package: gone
Status: deinstall ok config-files
Version: 1.0

Package: half
Status: install ok half-configured
Version: 1.0
"""


def test_debian_packages_are_read_by_source_and_source_version() -> None:
    found = parse_dpkg_status(DPKG, release="12")
    assert found.packages == (
        Package("Debian:12", "openssl", "3.0.9-1", "libssl3 3.0.9-1", 1),
        Package("Debian:12", "bash", "5.2.15-2", "bash 5.2.15-2+b2", 10),
        Package("Debian:12", "adduser", "3.134", "adduser 3.134", 15),
        Package("Debian:12", "half", "1.0", "half 1.0", 23),
    )
    assert found.skipped == (Skipped("gone 1.0", 19, SkipReason.NOT_INSTALLED),)
    assert found.unjudged == ()


def test_unknown_release_asks_the_advisories_of_every_release() -> None:
    (one,) = parse_dpkg_status("Package: a\nVersion: 1\n", release="").packages
    assert one.ecosystem == "Debian"


@pytest.mark.parametrize(
    "paragraph",
    [
        "Version: 1.0",
        "Package: a",
        "Package: A_B\nVersion: 1",
        "Package: a\nVersion: 1\nSource: b c d",
        "Package: a\nVersion: 1\nSource:",
        "Package: a\nVersion: 1\nPackage: b",
        "Package: a\nVersion: 1\nno colon in this line",
        " starts with a continuation",
        "Package: a\x1b[31m\nVersion: 1",
    ],
)
def test_paragraph_that_cannot_be_understood_is_told(paragraph: str) -> None:
    found = parse_dpkg_status(f"{paragraph}\n\nPackage: z\nVersion: 1\n", release="12")
    assert [one.name for one in found.packages] == ["z"]
    (skipped,) = found.unjudged
    assert skipped.reason is NOT_UNDERSTOOD and skipped.text.isprintable()


@pytest.mark.system("dpkg")
def test_status_of_this_machine_is_understood_whole() -> None:
    status = Path("/var/lib/dpkg/status")
    if not status.exists():
        pytest.skip("no dpkg database")
    text = status.read_text()
    found = parse_dpkg_status(text, release="12")
    assert found.unjudged == ()
    assert len(found.packages) + len(found.skipped) == text.count("\nPackage: ") + 1
