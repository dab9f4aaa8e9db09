"""Matching one package with one record: every rule of OSV's evaluation, and attacks on it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

from security.advisories.advisory import parse_advisory
from security.advisories.matching import MatchStatus, judge
from security.advisories.packages.package import Package
from tests.osv_records import affected, osv_record

YES, NO, UNKNOWN = MatchStatus.AFFECTED, MatchStatus.NOT_AFFECTED, MatchStatus.UNKNOWN


def package(version: str, name: str = "victim", ecosystem: str = "PyPI") -> Package:
    """Return a package."""
    return Package(ecosystem, name, version, name, 1)


def answer(version: str, *entries: dict[str, Any], **of_package: str) -> MatchStatus:
    """Judge a version by a record of these entries."""
    advisory = parse_advisory(osv_record(affected=list(entries)), "x.json")
    return judge(advisory, package(version, **of_package)).status


def events(*pairs: tuple[str, str]) -> list[dict[str, str]]:
    """Write events."""
    return [{kind: version} for kind, version in pairs]


INTRODUCED, FIXED, LAST, LIMIT = "introduced", "fixed", "last_affected", "limit"
CASES = [
    # (events, {version: answer})
    ([(INTRODUCED, "0")], {"0.0.dev0": YES, "999": YES, "no version": YES}),
    ([(INTRODUCED, "0"), (FIXED, "2")], {"1.9": YES, "2.0rc1": YES, "2": NO, "2.0.0": NO, "3": NO}),
    ([(INTRODUCED, "1"), (FIXED, "2")], {"0.9": NO, "1.0": YES, "1.0rc1": NO, "2": NO}),
    ([(INTRODUCED, "1"), (LAST, "2")], {"1": YES, "2": YES, "2.0.0": YES, "2.0.1": NO}),
    ([(INTRODUCED, "2"), (LAST, "2")], {"1": NO, "2": YES, "3": NO}),
    # not sorted, as PyPA's records often are
    (
        [(INTRODUCED, "5"), (FIXED, "6"), (INTRODUCED, "1"), (FIXED, "2")],
        {"0": NO, "1": YES, "2": NO, "4": NO, "5.5": YES, "6": NO},
    ),
    ([(FIXED, "2"), (INTRODUCED, "1")], {"1.5": YES, "2": NO}),
    # 1.10 is above 1.9: not sorted as text
    ([(INTRODUCED, "1.9"), (FIXED, "1.10")], {"1.9.5": YES, "1.10": NO, "1.2": NO}),
    # one interval ends where the next begins, in every order
    (
        [(INTRODUCED, "1"), (FIXED, "2"), (INTRODUCED, "2"), (FIXED, "3")],
        {"1.5": YES, "2": YES, "2.5": YES, "3": NO},
    ),
    (
        [(INTRODUCED, "2"), (FIXED, "3"), (INTRODUCED, "1"), (FIXED, "2")],
        {"1.5": YES, "2": YES, "2.5": YES, "3": NO},
    ),
    # an empty interval
    ([(INTRODUCED, "2"), (FIXED, "2")], {"1": NO, "2": NO, "3": NO}),
    # introduced twice, fixed twice
    ([(INTRODUCED, "0"), (INTRODUCED, "1"), (FIXED, "3"), (FIXED, "2")], {"1.5": YES, "2.5": NO}),
    ([(INTRODUCED, "0"), (LIMIT, "2")], {"1": YES, "2": NO, "3": NO}),
    ([(INTRODUCED, "0"), (LIMIT, "2"), (LIMIT, "4")], {"3": YES, "4": NO}),
    ([(INTRODUCED, "0"), (LIMIT, "*")], {"999": YES}),
    ([(INTRODUCED, "0"), (FIXED, "2"), (LIMIT, "*")], {"1": YES, "2": NO}),
    # what has no order is unknown: in the record, in the package, in a limit
    ([(INTRODUCED, "0"), (FIXED, "0.2.0-n653")], {"0.1": UNKNOWN, "9": UNKNOWN}),
    ([(INTRODUCED, "0"), (FIXED, "2")], {"2019-09-12": UNKNOWN}),
    ([(INTRODUCED, "0"), (LIMIT, "later")], {"1": YES}),
]


@pytest.mark.parametrize(
    ("pairs", "version", "expected"),
    [(pairs, version, value) for pairs, table in CASES for version, value in table.items()],
)
def test_range_is_walked_as_the_specification_says(
    pairs: list[tuple[str, str]], version: str, expected: MatchStatus
) -> None:
    assert answer(version, affected(events=events(*pairs))) is expected


def test_one_of_several_ranges_is_enough() -> None:
    entry = affected()
    entry["ranges"] = [
        {"type": "ECOSYSTEM", "events": events((INTRODUCED, "1"), (FIXED, "2"))},
        {"type": "ECOSYSTEM", "events": events((INTRODUCED, "3"), (FIXED, "bogus-"))},
        {"type": "SEMVER", "events": events((INTRODUCED, "5.0.0"), (FIXED, "6.0.0"))},
    ]
    assert answer("1.5", entry) is YES
    assert answer("5.5.0", entry) is YES
    assert answer("7", entry) is UNKNOWN  # the second range cannot tell


def test_listed_version_is_affected_whatever_the_ranges_say() -> None:
    entry = affected(
        events=events((INTRODUCED, "0"), (FIXED, "1")), versions=["5.0", "odd-version"]
    )
    assert answer("5", entry) is YES
    assert answer("odd-version", entry) is YES
    assert answer("5.1", entry) is NO
    assert answer("other-odd-version", entry) is UNKNOWN


def test_version_in_a_range_is_affected_whatever_the_list_says() -> None:
    assert answer("1.5", affected(versions=["1.0"])) is YES


def test_list_without_ranges_is_the_whole_truth() -> None:
    entry = affected(events=[], versions=["1.0"])
    assert answer("1.0.0", entry) is YES
    assert answer("1.1", entry) is NO


@pytest.mark.parametrize("ranges", [[], [{"type": "GIT", "events": [{"introduced": "0"}]}]])
def test_record_with_neither_versions_nor_ranges_is_unknown(ranges: list[Any]) -> None:
    entry = {**affected(events=[]), "ranges": ranges}
    assert answer("1.0", entry) is UNKNOWN


def test_commits_are_not_versions() -> None:
    entry = affected(versions=["1.0"])
    entry["ranges"] = [{"type": "GIT", "events": events((INTRODUCED, "0"), (FIXED, "abc"))}]
    assert answer("2.0", entry) is NO


@pytest.mark.parametrize(("name", "same"), [("Victim", 1), ("VICTIM", 1), ("vic-tim", 0)])
def test_names_of_pypi_are_compared_normalized(name: str, same: int) -> None:
    assert answer("1", affected(name)) is (YES if same else NO)


def test_separators_in_names_of_pypi_are_one() -> None:
    assert answer("1", affected("A__b.C"), name="a-b-c") is YES


def test_other_ecosystem_is_another_package() -> None:
    assert answer("1", affected(ecosystem="npm")) is NO
    assert answer("1", affected(ecosystem="Debian")) is NO
    assert answer("1", affected(ecosystem="pypi")) is NO


def test_package_of_an_unknown_ecosystem_is_unknown_and_not_clean() -> None:
    assert answer("1", affected(ecosystem="npm"), ecosystem="npm") is UNKNOWN


@pytest.mark.parametrize(
    ("theirs", "ours", "expected"),
    [
        ("Debian:12", "Debian:12", YES),
        ("Debian:11", "Debian:12", NO),
        ("Debian:12", "Debian:1", NO),
        ("Debian", "Debian:12", YES),
        ("Debian:12", "Debian", YES),
    ],
)
def test_debian_release_counts_where_both_name_one(
    theirs: str, ours: str, expected: MatchStatus
) -> None:
    assert answer("1.0-1", affected(ecosystem=theirs), ecosystem=ours) is expected


def test_debian_versions_are_ordered_as_debian_does() -> None:
    entry = affected(
        ecosystem="Debian:12", events=events((INTRODUCED, "0"), (FIXED, "1.0-1+deb12u2"))
    )
    assert answer("1.0-1+deb12u1", entry, ecosystem="Debian:12") is YES
    assert answer("1.0-1+deb12u10", entry, ecosystem="Debian:12") is NO
    assert answer("1.0~rc1-9", entry, ecosystem="Debian:12") is YES
    assert answer("1:0.1", entry, ecosystem="Debian:12") is NO


@pytest.mark.parametrize(
    ("version", "expected"),
    [("2.1.0+cu118", YES), ("2.1.0", YES), ("2.1.1+cu118", NO), ("2.1.0.post1+cpu", NO)],
)
def test_local_build_does_not_slip_past_last_affected(version: str, expected: MatchStatus) -> None:
    entry = affected(events=events((INTRODUCED, "0"), (LAST, "2.1.0")))
    assert answer(version, entry) is expected


def test_local_build_of_a_listed_version_is_affected() -> None:
    assert answer("1.0+ours", affected(events=[], versions=["1.0"])) is YES
    assert answer("1.0", affected(events=[], versions=["1.0+theirs"])) is NO


def test_any_entry_of_the_package_counts_and_others_do_not() -> None:
    fixed = affected(events=events((INTRODUCED, "0"), (FIXED, "1")))
    broken = affected(events=events((INTRODUCED, "2"), (FIXED, "3")))
    assert answer("2.5", fixed, broken) is YES
    assert answer("2.5", fixed, affected("another", events=events((INTRODUCED, "0")))) is NO


def test_fixed_versions_above_are_told_lowest_first() -> None:
    pairs = [(INTRODUCED, "0"), (FIXED, "1.10"), (INTRODUCED, "1.11"), (FIXED, "1.12")]
    pairs += [(INTRODUCED, "0.5"), (FIXED, "1.9")]
    advisory = parse_advisory(osv_record(affected=[affected(events=events(*pairs))]), "x")
    assert judge(advisory, package("1.2")).fixed == ("1.9", "1.10", "1.12")


def test_severity_of_the_package_replaces_the_records() -> None:
    vector = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:{}/I:N/A:N"
    entry = {**affected(), "severity": [{"type": "CVSS_V3", "score": vector.format("H")}]}
    record = osv_record(
        affected=[entry, affected("other")],
        severity=[{"type": "CVSS_V3", "score": vector.format("L")}],
    )
    advisory = parse_advisory(record, "x")
    assert [one.rating for one in judge(advisory, package("1")).severities] == [3]
    assert [one.rating for one in judge(advisory, package("1", "other")).severities] == [2]


def reference(version: Version, pairs: list[tuple[str, str]]) -> bool:
    """Walk events as the schema's pseudo-code does; for events of different versions."""
    vulnerable = False
    for kind, text in sorted(pairs, key=lambda pair: Version(pair[1])):
        if kind == INTRODUCED and version >= Version(text):
            vulnerable = True
        if kind == FIXED and version >= Version(text):
            vulnerable = False
        if kind == LAST and version > Version(text):
            vulnerable = False
    return vulnerable


@given(
    pairs=st.lists(
        st.tuples(st.sampled_from([INTRODUCED, FIXED, LAST]), st.integers(1, 30).map(str)),
        min_size=1,
        max_size=8,
        unique_by=lambda pair: pair[1],
    ),
    version=st.integers(0, 31).map(str),
)
def test_any_range_is_judged_as_the_pseudo_code_does(
    pairs: list[tuple[str, str]], version: str
) -> None:
    pairs = [(INTRODUCED, "31"), *pairs]
    expected = YES if reference(Version(version), pairs) else NO
    assert answer(version, affected(events=events(*pairs))) is expected
    assert answer(version, affected(events=events(*reversed(pairs)))) is expected
