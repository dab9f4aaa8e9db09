"""Waivers: they cover just what they name, until just the day they name."""

import datetime
from dataclasses import replace

import pytest

from security.finding import Finding
from security.policy.waiver import Waiver, WaiverIndex, find_deadlines, matches_path, waiver_for

DAY = datetime.date(2026, 12, 31)
BEFORE = DAY - datetime.timedelta(days=1)
WAIVER = Waiver("dependencies", "CVE-2024-34064", "not used", "ml-platform", DAY)
FINDING = Finding("PYSEC-2024-1", "bad", package="jinja2==3.1.3", aliases=("CVE-2024-34064",))


def test_waiver_stops_working_on_the_day_it_expires() -> None:
    assert WAIVER.works(BEFORE)
    assert not WAIVER.works(DAY)
    assert WaiverIndex([WAIVER], "dependencies", BEFORE).find(FINDING) == WAIVER
    assert WaiverIndex([WAIVER], "dependencies", DAY).find(FINDING) is None
    assert find_deadlines([WAIVER], BEFORE).expired == ()
    assert find_deadlines([WAIVER], DAY).expired == (WAIVER,)


def test_waiver_renewed_beside_the_expired_one_works() -> None:
    renewed = replace(WAIVER, expires=datetime.date(2027, 6, 30))
    assert WaiverIndex([WAIVER, renewed], "dependencies", DAY).find(FINDING) == renewed


@pytest.mark.parametrize("name", ["PYSEC-2024-1", "CVE-2024-34064"])
def test_finding_is_waived_by_any_of_its_names(name: str) -> None:
    assert replace(WAIVER, finding=name).covers("dependencies", FINDING)


@pytest.mark.parametrize("name", ["CVE-2024-3406", "cve-2024-34064", "CVE-2024-34064 ", "*", ""])
def test_name_that_is_only_like_it_waives_nothing(name: str) -> None:
    waiver = replace(WAIVER, finding=name)
    assert not waiver.covers("dependencies", FINDING)
    assert WaiverIndex([waiver], "dependencies", BEFORE).find(FINDING) is None


def test_waiver_of_another_gate_waives_nothing() -> None:
    assert not WAIVER.covers("secrets", FINDING)
    assert WaiverIndex([WAIVER], "secrets", BEFORE).find(FINDING) is None


@pytest.mark.parametrize("package", ["jinja2", "Jinja2", "jinja2==3.1.3", "JINJA2==3.1.3"])
def test_package_is_known_by_its_normal_name(package: str) -> None:
    assert replace(WAIVER, package=package).covers("dependencies", FINDING)


@pytest.mark.parametrize("package", ["jinja", "jinja2==3.1.30", "jinja2==3.1", "a==jinja2"])
def test_waiver_of_another_package_or_version_waives_nothing(package: str) -> None:
    assert not replace(WAIVER, package=package).covers("dependencies", FINDING)


def test_separators_in_package_names_are_one() -> None:
    finding = replace(FINDING, package="ruamel_yaml--clib==1")
    assert replace(WAIVER, package="Ruamel.YAML-clib").covers("dependencies", finding)


def test_waiver_of_a_package_waives_no_finding_without_one() -> None:
    assert not replace(WAIVER, package="jinja2").covers(
        "dependencies", replace(FINDING, package="")
    )


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("src/a.py", "src/a.py"),
        ("src/*.py", "src/a.py"),
        ("*/a.py", "src/a.py"),
        ("**/a.py", "a.py"),
        ("**/a.py", "src/b/c/a.py"),
        ("src/**", "src/b/c/a.py"),
        ("src/**/a.py", "src/a.py"),
        ("src/**/c/**/a.py", "src/b/c/d/e/a.py"),
        ("**", "a\nb/c"),
        ("src/?.py", "src/a.py"),
        ("src/[ab].py", "src/a.py"),
        ("**/**/a.py", "src/a.py"),
    ],
)
def test_path_matches_name_by_name(pattern: str, path: str) -> None:
    assert matches_path(pattern, path)


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("src/*.py", "src/b/a.py"),
        ("*.py", "src/a.py"),
        ("src", "src/a.py"),
        ("src/", "src/a.py"),
        ("src/*", "src"),
        ("SRC/a.py", "src/a.py"),
        ("src/**/a.py", "lib/src/a.py"),
        ("src/**/c/a.py", "src/b/a.py"),
        ("a.py", "a.py\n"),
        ("**", ""),
        ("*", ""),
        ("src/*/a.py", "src//a.py"),
    ],
)
def test_path_that_is_only_like_it_does_not_match(pattern: str, path: str) -> None:
    assert not matches_path(pattern, path)


def test_waiver_of_a_path_holds_there_only() -> None:
    finding = Finding("B602", "shell", path="src/a.py", line=3)
    waiver = replace(WAIVER, gate="code-security", finding="B602", path="src/*.py")
    assert waiver.covers("code-security", finding)
    assert not waiver.covers("code-security", replace(finding, path="scripts/a.py"))
    assert not waiver.covers("code-security", replace(finding, path=""))


def test_pattern_and_path_made_to_take_long_do_not() -> None:
    assert not matches_path("/".join(["**", "a*a*a*a*b"] * 40), "/".join(["a" * 60] * 200))


def test_waiver_says_what_it_is_about() -> None:
    waiver = replace(WAIVER, path="a/b", package="jinja2")
    assert waiver.about == "dependencies: CVE-2024-34064 in a/b of jinja2"


IMPORT = Finding(
    "pickle-import", "a name", path="m.pkl", aliases=("pickle-import:os.system", "sha256:ab")
)
MODEL = replace(WAIVER, gate="model-file", path="m.pkl")


@pytest.mark.parametrize("name", ["pickle-import:os.system", "sha256:ab"])
def test_finding_of_a_class_is_waived_by_its_subject_or_its_bytes(name: str) -> None:
    assert replace(MODEL, finding=name).covers("model-file", IMPORT)


@pytest.mark.parametrize(
    "name",
    ["pickle-import", "pickle-import:", "pickle-import:os", "unjudged", "sha256:a", "sha256"],
)
def test_class_of_findings_waives_nothing(name: str) -> None:
    waiver = replace(MODEL, finding=name)
    assert not waiver.covers("model-file", IMPORT)
    assert WaiverIndex([waiver], "model-file", BEFORE).find(IMPORT) is None


def test_waiver_of_a_class_is_reported_where_it_would_match() -> None:
    waiver = replace(MODEL, finding="pickle-import")
    index = WaiverIndex([waiver], "model-file", BEFORE)
    assert index.find_wide(IMPORT) == waiver
    assert index.find_wide(replace(IMPORT, path="other.pkl")) is None


def test_words_of_a_waiver_are_ready_to_copy() -> None:
    wanted = 'gate = "model-file", finding = "pickle-import:os.system", path = "m.pkl"'
    assert waiver_for("model-file", IMPORT) == wanted


def test_waivers_that_end_within_two_weeks_are_named() -> None:
    days = {
        left: replace(WAIVER, expires=BEFORE + datetime.timedelta(left)) for left in (0, 1, 14, 15)
    }
    found = find_deadlines(list(days.values())[::-1], BEFORE)
    assert found.expired == (days[0],)
    assert found.expiring == (days[1], days[14])
