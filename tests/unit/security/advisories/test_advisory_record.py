"""One OSV record: what is read of it, and every way in which one can be malformed."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from security.advisories.advisory import EventKind, RangeKind, name_packages, parse_advisory
from security.advisories.errors import MalformedAdvisoryError
from security.advisories.severity import Labelled, Rating, Scored, Unscored
from tests.osv_records import affected, osv_record

RANGE = {"type": "ECOSYSTEM", "events": [{"introduced": "0"}]}


def entry(**changes: Any) -> list[dict[str, Any]]:
    """Return `affected` with one entry that is changed."""
    return [{**affected(), **changes}]


def ranged(*events: object, kind: object = "ECOSYSTEM") -> list[dict[str, Any]]:
    """Return `affected` with one range of these events."""
    return entry(ranges=[{"type": kind, "events": list(events)}])


def test_all_that_matching_needs_is_read() -> None:
    record = osv_record(
        aliases=["CVE-2025-1"],
        upstream=["CVE-2025-2"],
        withdrawn="2025-12-31T12:00:00Z",
        affected=[affected("A_b", [{"introduced": "0"}, {"last_affected": "3"}], versions=["1"])],
    )
    advisory = parse_advisory(record, "a.json")
    assert (advisory.id, advisory.aliases, advisory.upstream) == (
        "PYSEC-2025-1",
        ("CVE-2025-1",),
        ("CVE-2025-2",),
    )
    (one,) = advisory.affected
    assert (one.ecosystem, one.name, one.versions) == ("PyPI", "A_b", ("1",))
    assert one.ranges[0].kind is RangeKind.ECOSYSTEM
    assert [event.kind for event in one.ranges[0].events] == [
        EventKind.INTRODUCED,
        EventKind.LAST_AFFECTED,
    ]


def test_withdrawal_counts_from_its_time_on() -> None:
    advisory = parse_advisory(osv_record(withdrawn="2025-12-31T12:00:00Z"), "a.json")
    at = datetime(2025, 12, 31, 12, tzinfo=UTC)
    assert advisory.is_withdrawn(at)
    assert not advisory.is_withdrawn(at - timedelta(seconds=1))


def test_optional_fields_may_be_missing_or_null_and_unknown_ones_are_left_alone() -> None:
    bare = parse_advisory({"id": "X-1", "modified": "2025-01-01T00:00:00Z"}, "a.json")
    nulls = dict.fromkeys(["aliases", "affected", "severity", "withdrawn", "details", "upstream"])
    full = {"id": "X-1", "modified": "2025-01-01T00:00:00Z", **nulls, "new_in_1_9": {"a": [1]}}
    assert bare == parse_advisory(full, "a.json")
    assert bare.affected == () and bare.withdrawn is None


MALFORMED = [
    ("not an object", [], "record: not an object"),
    ("a string", "PYSEC-1", "record: not an object"),
    ("nothing", None, "record: not an object"),
    ("no id", osv_record(id=None), "id: missing"),
    ("id a number", osv_record(id=7), "id: not a string"),
    ("id empty", osv_record(id=""), "id: empty"),
    ("id with a newline", osv_record(id="A\nB"), "id: contains a control character"),
    ("id with a space", osv_record(id="A B"), "id: contains a space"),
    ("id endless", osv_record(id="A" * 1000), "id: longer than"),
    (
        "other schema",
        osv_record(schema_version="2.0.0"),
        "schema_version: unsupported schema version",
    ),
    ("schema a number", osv_record(schema_version=1.6), "schema_version: not a string"),
    ("no modified", osv_record(modified=None), "modified: missing"),
    ("modified no time", osv_record(modified="yesterday"), "modified: not an RFC 3339"),
    ("modified local", osv_record(modified="2025-01-01T00:00:00"), "modified: not a time in UTC"),
    (
        "modified elsewhere",
        osv_record(modified="2025-01-01T00:00:00+05:00"),
        "modified: not a time in UTC",
    ),
    ("withdrawn a flag", osv_record(withdrawn=True), "withdrawn: not a string"),
    ("withdrawn no time", osv_record(withdrawn="true"), "withdrawn: not an RFC 3339"),
    ("aliases a string", osv_record(aliases="CVE-1"), "aliases: not a list"),
    ("alias null", osv_record(aliases=[None]), r"aliases\[0\]: missing"),
    ("alias a list", osv_record(aliases=["A", ["B"]]), r"aliases\[1\]: not a string"),
    ("upstream an object", osv_record(upstream={}), "upstream: not a list"),
    ("summary a list", osv_record(summary=["x"]), "summary: not a string"),
    ("severity an object", osv_record(severity={}), "severity: not a list"),
    ("severity empty", osv_record(severity=[{}]), r"severity\[0\].type: missing"),
    (
        "severity a number",
        osv_record(severity=[{"type": "CVSS_V3", "score": 9.8}]),
        r"severity\[0\].score: not a string",
    ),
    ("affected an object", osv_record(affected={}), "affected: not a list"),
    ("affected of strings", osv_record(affected=["x"]), r"affected\[0\]: not an object"),
    ("affected null", osv_record(affected=[None]), r"affected\[0\]: missing"),
    ("package a string", osv_record(affected=entry(package="x")), "package: not an object"),
    ("no ecosystem", osv_record(affected=entry(package={"name": "x"})), "ecosystem: missing"),
    ("no name", osv_record(affected=entry(package={"ecosystem": "PyPI"})), "name: missing"),
    (
        "name a list",
        osv_record(affected=entry(package={"ecosystem": "PyPI", "name": []})),
        "name: not a string",
    ),
    ("versions a string", osv_record(affected=entry(versions="1")), "versions: not a list"),
    (
        "version a number",
        osv_record(affected=entry(versions=["1", 1.1])),
        r"affected\[0\].versions\[1\]: not a string: 1",
    ),
    ("ranges an object", osv_record(affected=entry(ranges={})), "ranges: not a list"),
    ("range empty", osv_record(affected=entry(ranges=[{}])), r"ranges\[0\].type: missing"),
    (
        "range of a new kind",
        osv_record(affected=ranged({"introduced": "0"}, kind="CALVER")),
        r"ranges\[0\].type: not one of",
    ),
    (
        "no events",
        osv_record(affected=entry(ranges=[{"type": "ECOSYSTEM"}])),
        "events: no introduced event",
    ),
    ("never introduced", osv_record(affected=ranged({"fixed": "1"})), "no introduced event"),
    ("event empty", osv_record(affected=ranged({})), r"events\[0\]: not exactly one of"),
    ("event a string", osv_record(affected=ranged("introduced")), "not an object"),
    (
        "event twofold",
        osv_record(affected=ranged({"introduced": "0", "fixed": "1"})),
        r"events\[0\]: not exactly one of .*: introduced, fixed",
    ),
    ("event unknown", osv_record(affected=ranged({"patched": "1"})), "not exactly one of"),
    ("event a number", osv_record(affected=ranged({"introduced": 0})), "not a string"),
    ("event null", osv_record(affected=ranged({"introduced": None})), "introduced: missing"),
    ("event with a tab", osv_record(affected=ranged({"introduced": "1\t2"})), "control character"),
    ("event empty text", osv_record(affected=ranged({"introduced": ""})), "empty"),
]


@pytest.mark.parametrize(
    ("record", "message"), [row[1:] for row in MALFORMED], ids=[row[0] for row in MALFORMED]
)
def test_malformed_record_is_refused_with_its_place(record: object, message: str) -> None:
    with pytest.raises(MalformedAdvisoryError, match=message) as raised:
        parse_advisory(record, "vulns/x.yaml")
    assert raised.value.where.startswith("vulns/x.yaml: ")
    assert raised.value.hint


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
places = st.sampled_from(
    [
        ("id",),
        ("modified",),
        ("withdrawn",),
        ("aliases",),
        ("severity",),
        ("affected",),
        ("affected", 0),
        ("affected", 0, "package"),
        ("affected", 0, "package", "name"),
        ("affected", 0, "versions"),
        ("affected", 0, "ranges"),
        ("affected", 0, "ranges", 0),
        ("affected", 0, "ranges", 0, "events"),
        ("affected", 0, "ranges", 0, "events", 0),
        ("database_specific",),
    ]
)


@given(place=places, value=json_values)
def test_anything_anywhere_is_parsed_or_refused_and_never_crashes(
    place: tuple[str | int, ...], value: object
) -> None:
    record: Any = osv_record(affected=[affected(versions=["1"])])
    target = record
    for step in place[:-1]:
        target = target[step]
    target[place[-1]] = value
    try:
        parse_advisory(record, "x.json")
    except MalformedAdvisoryError:
        pass
    name_packages(record)


def test_packages_of_a_malformed_record_are_still_named() -> None:
    record = osv_record(modified="never", affected=[affected("A"), {"package": "B"}, None])
    assert name_packages(record) == {("PyPI", "A")}
    assert name_packages("text") == frozenset()
    assert name_packages({"affected": 3}) == frozenset()


def test_severities_are_scored_or_say_why_not() -> None:
    record = osv_record(
        severity=[
            {"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"},
            {"type": "CVSS_V2", "score": "AV:N/AC:L/Au:N/C:P/I:P/A:P"},
            {"type": "Ubuntu", "score": "medium"},
        ],
        database_specific={"severity": "MODERATE"},
    )
    advisory = parse_advisory(record, "a.json")
    assert advisory.labels == (Labelled("MODERATE", Rating.MEDIUM),)
    assert advisory.severities == (
        Scored("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", 9.8),
        Unscored("AV:N/AC:L/Au:N/C:P/I:P/A:P", "not a CVSS vector of version 3.0, 3.1 or 4.0"),
        Labelled("medium", Rating.MEDIUM),
    )


@pytest.mark.parametrize("specific", ["text", 3, [], {"severity": 7}, {"severity": ["HIGH"]}])
def test_what_a_publisher_adds_may_be_anything(specific: object) -> None:
    assert parse_advisory(osv_record(database_specific=specific), "a.json").labels == ()


def test_long_details_become_one_short_line() -> None:
    record = osv_record(summary=None, details="first\n\tline " + "x" * 1_000_000)
    summary = parse_advisory(record, "a.json").summary
    assert summary.startswith("first line xxx") and summary.endswith("…") and len(summary) == 240
