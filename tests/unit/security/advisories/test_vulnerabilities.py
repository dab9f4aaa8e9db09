"""Vulnerabilities: aliases told once, withdrawn ones not at all, and what cannot be judged."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resources.advisory_feed.store import AdvisoryStore, Update
from security.advisories.database import AdvisoryDatabase
from security.advisories.packages.package import Package
from security.advisories.severity import Rating
from security.advisories.vulnerability import group_aliases, match_packages
from tests.osv_records import NOW, affected, osv_record, write_directory

KINDS = ("introduced", "fixed")
VICTIM = Package("PyPI", "victim", "1.0", "victim==1.0", 3)


def build(tmp_path: Path, *records: dict[str, Any]) -> AdvisoryDatabase:
    """Index records."""
    store = AdvisoryStore(tmp_path / "store")
    store.update(Update([str(write_directory(tmp_path / "records", list(records)))]), now=NOW)
    return store.load()


def vector(impact: str) -> list[dict[str, str]]:
    """Return a severity."""
    score = f"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:{impact}/I:{impact}/A:{impact}"
    return [{"type": "CVSS_V3", "score": score}]


def test_aliases_are_one_vulnerability_with_the_worst_severity(tmp_path: Path) -> None:
    database = build(
        tmp_path,
        osv_record("PYSEC-1", aliases=["CVE-1"], severity=vector("L")),
        osv_record("GHSA-1", aliases=["CVE-1"], severity=vector("H")),
        osv_record("PYSEC-2", aliases=["CVE-2"]),
    )
    one, other = match_packages(database, [VICTIM], at=NOW).vulnerabilities
    assert one.ids == ("CVE-1", "GHSA-1", "PYSEC-1")
    assert one.advisories == ("GHSA-1", "PYSEC-1")
    assert one.rating is Rating.CRITICAL
    assert other.ids == ("CVE-2", "PYSEC-2") and other.rating is None


def test_alias_cycle_ends(tmp_path: Path) -> None:
    database = build(
        tmp_path,
        osv_record("A-1", aliases=["B-1"]),
        osv_record("B-1", aliases=["C-1", "B-1"]),
        osv_record("C-1", aliases=["A-1"]),
    )
    (one,) = match_packages(database, [VICTIM], at=NOW).vulnerabilities
    assert one.ids == ("A-1", "B-1", "C-1")


def test_aliases_join_only_what_concerns_the_package(tmp_path: Path) -> None:
    database = build(
        tmp_path,
        osv_record("A-1", aliases=["CVE-1"]),
        osv_record("B-1", aliases=["CVE-1"], affected=[affected("other")]),
    )
    (one,) = match_packages(database, [VICTIM], at=NOW).vulnerabilities
    assert one.advisories == ("A-1",)


def test_one_affirming_record_makes_the_vulnerability_certain(tmp_path: Path) -> None:
    database = build(
        tmp_path,
        osv_record("A-1", aliases=["CVE-1"], affected=[affected(events=[])]),
        osv_record("B-1", aliases=["CVE-1"]),
    )
    (one,) = match_packages(database, [VICTIM], at=NOW).vulnerabilities
    assert one.certain and one.fixed == ("2.0",)


def test_record_with_neither_versions_nor_ranges_is_reported(tmp_path: Path) -> None:
    database = build(tmp_path, osv_record("A-1", affected=[affected(events=[])]))
    (one,) = match_packages(database, [VICTIM], at=NOW).vulnerabilities
    assert not one.certain and "no versions and no ranges" in one.reason


def test_withdrawn_record_is_not_reported_but_its_living_alias_is(tmp_path: Path) -> None:
    database = build(
        tmp_path,
        osv_record("A-1", aliases=["CVE-1"], withdrawn="2025-01-01T00:00:00Z"),
        osv_record("B-1", aliases=["CVE-1"]),
        osv_record("C-1", withdrawn="2025-01-01T00:00:00Z"),
        osv_record("D-1", withdrawn="2099-01-01T00:00:00Z"),
    )
    found = match_packages(database, [VICTIM], at=NOW).vulnerabilities
    assert [one.advisories for one in found] == [("B-1",), ("D-1",)]


def test_unreadable_record_is_reported_for_the_package_it_names(tmp_path: Path) -> None:
    records = [osv_record(f"A-{n}", affected=[affected("other")]) for n in range(200)]
    broken = osv_record("B-1", modified="never", affected=[affected("Victim")])
    database = build(tmp_path, *records, broken)
    assert database.status.unreadable == ("B-1",)
    (one,) = match_packages(database, [VICTIM], at=NOW).vulnerabilities
    assert one.ids == ("B-1",) and not one.certain
    assert "malformed record" in one.reason and "modified" in one.reason


def test_package_of_an_ecosystem_without_advisories_is_unjudged(tmp_path: Path) -> None:
    database = build(
        tmp_path,
        osv_record("A-1"),
        osv_record("D-1", affected=[affected(ecosystem="Debian:11")]),
    )
    packages = [
        VICTIM,
        Package("Debian:12", "victim", "1", "victim", 1),
        Package("npm", "victim", "1", "victim", 2),
        Package("Debian:11", "victim", "1", "victim", 4),
    ]
    matches = match_packages(database, packages, at=NOW)
    assert [one.package.ecosystem for one in matches.unjudged] == ["Debian:12", "npm"]
    assert matches.judged == 2 and len(matches.vulnerabilities) == 2


def test_package_listed_twice_is_judged_once_where_it_stands_first(tmp_path: Path) -> None:
    again = Package("PyPI", "victim", "1.0", "victim==1.0", 9)
    matches = match_packages(build(tmp_path, osv_record("A-1")), [again, VICTIM, again], at=NOW)
    assert matches.judged == 1 and len(matches.vulnerabilities) == 1


def test_debian_source_package_is_matched_by_its_release(tmp_path: Path) -> None:
    entry = affected(
        "openssl",
        [{"introduced": "0"}, {"fixed": "3.0.11-1~deb12u1"}],
        ecosystem="Debian:12",
    )
    record = osv_record(
        "DEBIAN-CVE-2023-1", affected=[{**entry, "ecosystem_specific": {"urgency": "unimportant"}}]
    )
    database = build(tmp_path, record)
    old = Package("Debian:12", "openssl", "3.0.9-1", "libssl3", 1)
    (found,) = match_packages(database, [old], at=NOW).vulnerabilities
    assert found.rating is Rating.NONE and found.fixed == ("3.0.11-1~deb12u1",)


def test_word_of_a_publisher_does_not_take_a_worse_score_away(tmp_path: Path) -> None:
    entry = {**affected(), "ecosystem_specific": {"urgency": "unimportant"}}
    database = build(tmp_path, osv_record("A-1", severity=vector("H"), affected=[entry]))
    (found,) = match_packages(database, [VICTIM], at=NOW).vulnerabilities
    assert found.rating is Rating.CRITICAL and len(found.severities) == 2


def test_range_of_very_many_events_is_matched_in_time(tmp_path: Path) -> None:
    events = [{kind: f"{n}.{m}"} for n in range(5_000) for m, kind in enumerate(KINDS)]
    database = build(tmp_path, osv_record("A-1", affected=[affected(events=events)]))
    packages = [Package("PyPI", "victim", version, "victim", 1) for version in ("4999", "5000")]
    start = time.process_time()
    found = match_packages(database, packages, at=NOW).vulnerabilities
    assert [one.package.version for one in found] == ["4999"]
    assert time.process_time() - start < 5


def test_huge_record_is_matched(tmp_path: Path) -> None:
    versions = [f"1.0.{n}" for n in range(50_000)]
    record = osv_record("A-1", affected=[affected(events=[], versions=versions)])
    assert len(json.dumps(record)) > 400_000
    database = build(tmp_path, record)
    last = Package("PyPI", "victim", "1.0.49999", "victim", 1)
    beyond = Package("PyPI", "victim", "1.0.50000", "victim", 2)
    found = match_packages(database, [last, beyond], at=NOW).vulnerabilities
    assert [one.package for one in found] == [last]


names = st.sampled_from("ABCDEFG")


@given(st.lists(st.tuples(names, st.lists(names, max_size=3)), max_size=7))
def test_any_aliases_are_grouped_as_a_graph_search_groups_them(
    records: list[tuple[str, list[str]]],
) -> None:
    groups = group_aliases(records)
    assert sorted(position for group in groups for position in group) == list(range(len(records)))
    neighbours: dict[str, set[str]] = {}
    for name, aliases in records:
        for alias in aliases:
            neighbours.setdefault(name, set()).add(alias)
            neighbours.setdefault(alias, set()).add(name)

    def reach(name: str) -> frozenset[str]:
        seen, todo = {name}, [name]
        while todo:
            for one in neighbours.get(todo.pop(), set()) - seen:
                seen.add(one)
                todo.append(one)
        return frozenset(seen)

    for group in groups:
        assert len({reach(records[position][0]) for position in group}) == 1
    assert len({reach(name) for name, _ in records}) == len(groups)


@pytest.mark.parametrize("length", [10_000])
def test_long_chain_of_aliases_is_one_vulnerability(length: int) -> None:
    records = [(f"A-{n}", [f"A-{n + 1}"]) for n in range(length)]
    assert len(group_aliases(records)) == 1
