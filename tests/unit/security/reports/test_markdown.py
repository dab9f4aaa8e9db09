"""Markdown: what the judged text says is never markup, and nothing is left out in silence."""

import re
from dataclasses import replace

import pytest

from security.finding import Finding, Severity
from security.gates.interface import Report
from security.reports import markdown
from security.reports.markdown import code, write_summary
from tests.unit.security.reports.decisions import (
    HOSTILE,
    WAIVER,
    all_kinds,
    decide,
    decide_findings,
)

SPAN = re.compile(r"(?<!`)(`+)(?!`)(.*?)(?<!`)\1(?!`)")


def outside_code(text: str) -> str:
    """Return what is left of Markdown without its code spans, as CommonMark 6.1 finds them."""
    return SPAN.sub("", text)


def summary(**how: object) -> str:
    """Return the summary of judgements of all kinds."""
    return write_summary(all_kinds(), title="Gates", **how)  # type: ignore[arg-type]


def test_table_has_a_row_for_each_judgement() -> None:
    lines = summary(commit="abc123", environment="staging").splitlines()
    assert lines[0] == "## Gates"
    assert lines[2] == "**❌ failed** for `staging` at `abc123` · 7 of 9 block"
    rows = [line for line in lines if line.startswith("| `")]
    assert len(rows) == 9
    assert rows[0] == (
        "| `code-security` | `source` | ❌ failed (blocks) | 5 | 1.50 | new | "
        "`1 finding fails: B605 at src/a.py:3; 1 waived; 2 silenced` |"
    )
    assert rows[2] == "| `format` | `source` | ✅ passed | 0 | 1.50 | stored | `nothing found` |"
    assert (
        rows[7] == "| `types` | `source` | ⛔ error (blocks) | – | 1.50 | missing | `no result` |"
    )


def test_every_row_has_as_many_cells_as_the_head() -> None:
    rows = [line for line in summary().splitlines() if line.startswith("|")]
    assert {row.count("|") for row in rows} == {8}


def test_findings_are_listed_with_how_bad_and_where() -> None:
    assert "- fails (high): `B605` at `src/a.py:3`: `a shell`" in summary()
    assert "- warns (low): `B101` at `src/a.py:9`: `an assert`" in summary()
    assert "- fails (no severity): `PYSEC-1` at `jinja2==3.1.3`: `bad`" in summary()


def test_judged_text_is_code_and_nothing_else() -> None:
    text = summary(unused=[replace(WAIVER, reason=HOSTILE, owner=HOSTILE, finding=HOSTILE)])
    left = outside_code(text)
    for sign in ("<", "@", "#1", "[", "](", "http", "www", "`", "*b*", "{0}"):
        assert sign not in left.replace("&#124;", ""), sign
    assert not re.search("[\x00-\x09\x0b-\x1f\u202e\ud800\ufffe]", text)
    assert {line for line in text.splitlines() if line.startswith("#")} == {
        "## Gates",
        "### `code-security` · `source`",
        "### `dependencies` · `source`",
        "### `model-file` · `m/a.pkl`",
        f"### `workflows` · {code(HOSTILE)}",
        "### Waived",
        "### Unused waivers (remove them)",
    }


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("a.py", "`a.py`"),
        ("a`b", "``a`b``"),
        ("`a``", "``` `a`` ```"),
        ("a|b", "`a`&#124;`b`"),
        ("a\\|b", "`a\\`&#124;`b`"),
        ("||", "&#124;&#124;"),
        (" a", "`  a `"),
        ("a\nb", "`a\\nb`"),
        (" ", "&#32;"),
        ("", "–"),
        ("\\", "`\\`"),
    ],
)
def test_text_stays_code(text: str, written: str) -> None:
    assert code(text) == written


def test_more_findings_than_have_room_are_counted() -> None:
    text = write_summary([decide_findings(10_000)], title="Gates")
    assert text.count("- fails") == 20 and "- … and 9980 more" in text


def test_more_rows_than_have_room_are_counted_and_those_that_block_are_kept() -> None:
    clean = [decide("data", Report((), 1), subject=f"data/{index}") for index in range(600)]
    text = write_summary([*clean, decide("lint", None)], title="Gates")
    assert text.count("\n| `data`") == 499 and text.count("\n| `lint`") == 1
    assert "101 more rows are omitted." in text


def test_summary_stays_below_the_size_that_is_thrown_away(monkeypatch: pytest.MonkeyPatch) -> None:
    finding = Finding("E1" * 200, "ü" * 300, Severity.HIGH, path="ü" * 300)
    many = [
        decide("data", Report((finding,) * 20, 1), subject=f"data/{index}") for index in range(120)
    ]
    assert len(write_summary(many, title="Gates").encode()) < 1 << 20
    monkeypatch.setattr(markdown, "LARGEST", 50_000)
    text = write_summary(many[:20], title="Gates")
    assert len(text.encode()) < 50_000
    assert re.search(r"\n\d+ more sections are omitted: the summary is at its size limit.\n$", text)


def test_waivers_are_shown_used_and_unused() -> None:
    text = summary(unused=[replace(WAIVER, finding="B999", path="src/**")])
    used = "- 1 × `code-security: B602` (`<me>`, expires 2027-01-01): `re]]>viewed `&#124;` @all`"
    assert text.index("### Waived\n") < text.index(used.replace("viewed `", "viewed  `")[:40])
    assert "- `code-security: B999 in src/**` (`<me>`, expires 2027-01-01)" in text
    assert "### Waive" not in write_summary([decide("lint", Report((), 1))], title="Gates")


def test_nothing_judged_is_no_success() -> None:
    assert "**⛔ error** · nothing was judged" in write_summary([], title="Gates")


def test_title_with_markup_is_code() -> None:
    assert write_summary([], title="a](b) @c").startswith("## `a](b) @c`\n")
