"""The findings of bandit that count: without asserts of tests, and with what silences them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

from security.finding import Finding, Silencing
from security.gates.python.test_files import find_test_code

_ASSERT = "B101"


def leave_out_asserts(
    found: Sequence[tuple[Finding, str]], run: Collection[str], root: Path
) -> list[tuple[Finding, str]]:
    """Return the findings without the asserts of test code.

    Args:
        found: each finding with its identity in a baseline.
        run: files that stages run.
        root: a directory with the files.
    """
    paths = sorted({one.path for one, _ in found if one.id == _ASSERT and one.path})
    tests = find_test_code(root, paths, run)
    return [one for one in found if one[0].id != _ASSERT or one[0].path not in tests]


def mark_silenced(
    found: Sequence[tuple[Finding, str]], commented: Counter[Finding], known: Counter[str]
) -> tuple[Finding, ...]:
    """Steps 2 and 4: mark the findings that a comment or the baseline silences."""
    times = Counter(identity for _, identity in found)
    findings = []
    for finding, identity in found:
        if commented[finding] > 0:
            commented[finding] -= 1
            finding = replace(finding, silenced=Silencing.COMMENT)
        elif 0 < times[identity] <= known[identity]:
            finding = replace(finding, silenced=Silencing.BASELINE)
        findings.append(finding)
    return tuple(findings)
