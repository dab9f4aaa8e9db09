"""The online service: what it knows is added, and no answer is never taken for a clean one."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from resources.advisory_feed.store import AdvisoryStore, Update
from security.advisories.database import AdvisoryDatabase
from security.advisories.packages.package import Package
from security.advisories.packages.requirements import build_package
from security.advisories.vulnerability import Vulnerability
from security.gates.dependencies import online_advisories
from security.gates.dependencies.gate import DependenciesGate
from security.gates.dependencies.online_advisories import (
    merge_vulnerabilities,
    query_service,
    verify_service,
)
from security.gates.interface import GateError, Task
from security.gates.tool.tool_process import ToolExit
from tests.osv_records import NOW, affected, osv_record, write_directory
from tests.unit.security.gates.dependencies.osv_service import OsvService
from tests.unit.security.gates.gate_tasks import ENVIRONMENT, build_task

pytestmark = pytest.mark.process

RECORD = osv_record("GHSA-aaaa", aliases=["CVE-2025-7", "PYSEC-2025-7"])


@pytest.fixture
def service() -> Iterator[OsvService]:
    """Serve one record."""
    with OsvService({("victim", "1.0"): [RECORD]}) as running:
        yield running


@pytest.fixture
def task(tmp_path: Path) -> Task:
    """Make a task whose tree and scratch directory lie in wait for whoever works there."""
    tree, scratch = tmp_path / "tree", tmp_path / "scratch"
    for directory in (tree, scratch):
        directory.mkdir()
        (directory / "pip.py").write_text(f"open({str(tmp_path / 'executed')!r}, 'w')\n")
        (directory / "pip_audit.py").write_text(f"open({str(tmp_path / 'executed')!r}, 'w')\n")
        (directory / "pip.conf").write_text("[global\nbroken")
    hostile = {
        "PIP_AUDIT_OUTPUT": str(tmp_path / "elsewhere"),
        "PIP_CONFIG_FILE": str(tree / "pip.conf"),
        "PIPAPI_PYTHON_LOCATION": "/bin/false",
        "PYTHONPATH": str(tree),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
    }
    return Task("source", tree, (), scratch, {**ENVIRONMENT, **hostile}, timeout=60.0)


def packages(*pins: str) -> list[Package]:
    """Return packages of such pins as a requirements file has them."""
    split = [pin.partition("==") for pin in pins]
    return [build_package(name, version, 1) for name, _, version in split]


def test_what_the_service_knows_is_found_and_nobody_else_has_a_say(
    service: OsvService, task: Task, tmp_path: Path
) -> None:
    asked = packages("Victim==1.0", "other_one==2.0+local")
    (found,) = query_service(service.url, asked, task)
    assert found.package == asked[0] and found.certain and found.rating is None
    assert found.ids == ("CVE-2025-7", "GHSA-aaaa", "PYSEC-2025-7")
    assert found.fixed == ("2.0",) and found.summary == "a package breaks"
    assert service.asked == [("victim", "1.0"), ("other-one", "2.0+local")]
    left = {one.name for one in tmp_path.iterdir()}
    assert left == {"tree", "scratch"}, "a planted file or variable had a say"


def test_nothing_known_is_an_answer_too(service: OsvService, task: Task) -> None:
    assert query_service(service.url, packages("victim==2.0"), task) == []
    assert service.asked == [("victim", "2.0")]


def test_one_name_in_two_versions_is_asked_for_twice(service: OsvService, task: Task) -> None:
    asked = packages("victim==1.0", "victim==2.0", "other==1.0")
    found = query_service(service.url, asked, task)
    assert [one.package.version for one in found] == ["1.0"]
    assert sorted(service.asked) == [("other", "1.0"), ("victim", "1.0"), ("victim", "2.0")]


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, b"{}"),
        (404, b"{}"),
        (429, b"{}"),
        (200, b"<html>sign in to this network</html>"),
        (200, b'{"vulns": [{"id": "X-1"'),
        (200, b'{"next_page_token": "more"}'),
        (200, json.dumps({"vulns": [{**RECORD, "schema_version": "2.0.0"}]}).encode()),
        (200, json.dumps({"vulns": [{**RECORD, "affected": None}]}).encode()),
    ],
)
def test_answer_that_is_none_is_an_error(
    service: OsvService, task: Task, status: int, body: bytes
) -> None:
    service.status, service.body = status, body
    with pytest.raises(GateError):
        query_service(service.url, packages("other==1.0"), task)
    assert service.asked


def test_service_that_is_down_is_an_error(task: Task) -> None:
    with pytest.raises(GateError, match="unreadable report of pip-audit: .*Max retries exceeded"):
        query_service("http://127.0.0.1:9/v1/query", packages("victim==1.0"), task)


def test_version_that_cannot_be_looked_up_is_an_error(service: OsvService, task: Task) -> None:
    with pytest.raises(GateError, match="not a PEP 440 name and version: victim==not-a-version"):
        query_service(service.url, packages("other==1", "victim==not-a-version"), task)
    assert not service.asked


def test_missing_pip_audit_is_an_error(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(GateError, match="tool missing: pip_audit"):
        query_service("http://127.0.0.1:9/v1/query", packages("victim==1.0"), task)


@pytest.mark.parametrize(
    "url",
    [
        "http://osv.invalid/v1/query",
        "ftp://127.0.0.1/",
        "file:///etc/passwd",
        "https://user:word@osv.invalid/",
        "https://osv.invalid/\n--output=x",
        "--output=x",
        "",
    ],
)
def test_address_that_may_not_be_used_is_refused(url: str) -> None:
    with pytest.raises(GateError):
        verify_service(url)


def test_refused_address_is_not_asked(service: OsvService, task: Task) -> None:
    url = service.url.replace("127.0.0.1", "user@127.0.0.1")
    with pytest.raises(GateError, match="password"):
        query_service(url, packages("victim==1.0"), task)
    assert not service.asked


def test_addresses_that_nobody_can_read_along_are_allowed() -> None:
    for url in ("https://api.osv.invalid/v1/query", "http://[::1]:80/", "http://localhost/q"):
        verify_service(url)


ENTRY = {"name": "victim", "version": "1.0", "vulns": []}
FOUND = {"id": "X-1", "aliases": [], "fix_versions": [], "description": ""}


@pytest.mark.parametrize(
    ("code", "dependencies", "errors", "message"),
    [
        (1, [ENTRY], "", "exit code 1 with 0 vulnerabilities"),
        (0, [{**ENTRY, "vulns": [FOUND]}], "", "exit code 0 with 1 vulnerabilities"),
        (2, [{**ENTRY, "vulns": [FOUND]}], "", "exit code 2"),
        (0, [], "", "0 packages instead of 1"),
        (0, [ENTRY, ENTRY], "", "2 packages instead of 1"),
        (0, [{**ENTRY, "version": "1.1"}], "", "1 packages instead of 1"),
        (0, [{"name": "victim", "skip_reason": "unknown"}], "", "unreadable report"),
        (
            0,
            [ENTRY],
            "WARNING:pip_audit._service.osv:is missing 'affected' list",
            "warning of pip-audit",
        ),
        (0, [ENTRY], "ERROR:pip_audit._cli:anything", "warning of pip-audit: anything"),
        (0, None, "", "unreadable report"),
        (1, "victim", "", "unreadable report"),
        (1, [{**ENTRY, "vulns": [{"id": "X-1"}]}], "", "unreadable report"),
    ],
)
def test_document_that_contradicts_itself_is_no_answer(
    code: int, dependencies: Any, errors: str, message: str
) -> None:
    output = json.dumps({"dependencies": dependencies, "fixes": []}).encode()
    (victim,) = packages("victim==1.0")
    with pytest.raises(GateError, match=message):
        online_advisories._parse_report(ToolExit(code, output, errors), {"victim": victim})


def test_warnings_of_every_run_are_none() -> None:
    output = json.dumps({"dependencies": [ENTRY], "fixes": []}).encode()
    errors = "WARNING:pip_audit._cli:--no-deps is supported, but\nNo known vulnerabilities found\n"
    (victim,) = packages("victim==1.0")
    assert online_advisories._parse_report(ToolExit(0, output, errors), {"victim": victim}) == []


def test_more_versions_than_anybody_locks_are_refused(task: Task) -> None:
    asked = packages(*(f"victim==1.{n}" for n in range(9)))
    with pytest.raises(GateError, match="more than 8 versions"):
        query_service("http://127.0.0.1:9/v1/query", asked, task)


def vulnerability(package: Package, *ids: str) -> Vulnerability:
    """Return one vulnerability."""
    return Vulnerability(package, ids, ids[:1], True, "", (), (), "")


def test_vulnerability_that_is_known_is_told_once() -> None:
    old, new = packages("victim==1.0", "victim==2.0")
    known = [vulnerability(old, "CVE-1", "PYSEC-1"), vulnerability(new, "CVE-1")]
    more = [
        vulnerability(old, "GHSA-1", "PYSEC-1"),
        vulnerability(new, "GHSA-2"),
        vulnerability(new, "GHSA-2", "OTHER-2"),
    ]
    merged = merge_vulnerabilities(known, more)
    assert [(one.package.version, one.ids) for one in merged] == [
        ("1.0", ("CVE-1", "PYSEC-1", "GHSA-1")),
        ("2.0", ("CVE-1",)),
        ("2.0", ("GHSA-2", "OTHER-2")),
    ]


def test_withdrawn_record_is_none(service: OsvService, task: Task) -> None:
    gone = osv_record("X-2", withdrawn="2025-12-31T00:00:00Z", affected=[affected("other")])
    service.records["other", "1.0"] = [gone]
    assert query_service(service.url, packages("other==1.0"), task) == []


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AdvisoryDatabase]:
    """Index one record."""
    root = tmp_path_factory.mktemp("advisories")
    records = write_directory(root / "records", [osv_record(aliases=["CVE-2025-1"])])
    store = AdvisoryStore(root / "store")
    store.update(Update([str(records)]), now=NOW)
    with store.load() as opened:
        yield opened


def test_online_result_holds_for_its_day_and_service(
    database: AdvisoryDatabase, tmp_path: Path
) -> None:
    bare = Task("source", tmp_path, (), tmp_path, ENVIRONMENT)

    def online(at: datetime, url: str | None) -> str:
        made = DependenciesGate(lambda: database, lambda: database.status.sha256, at=at, online=url)
        return made.tool(bare).sha256

    one, other = "https://one.invalid/v1/query", "https://other.invalid/v1/query"
    same = {online(NOW, one), online(NOW.replace(hour=23), one)}
    assert len(same) == 1
    assert len(same | {online(NOW.replace(day=3), one), online(NOW, other), online(NOW, None)}) == 4
    with pytest.raises(GateError, match="unencrypted URL"):
        online(NOW, "http://one.invalid/v1/query")


def test_service_adds_what_the_database_does_not_know(
    database: AdvisoryDatabase, tmp_path: Path
) -> None:
    known = osv_record("GHSA-other", aliases=["PYSEC-2025-1"])
    new = osv_record("GHSA-new", aliases=["CVE-2026-1"], affected=[affected("other")])
    with OsvService({("victim", "1.0"): [known], ("other", "1.0"): [new]}) as service:
        gate = DependenciesGate(
            lambda: database, lambda: database.status.sha256, at=NOW, online=service.url
        )
        files: dict[str, str | bytes] = {"requirements.txt": "victim==1.0\nother==1.0\n"}
        report = gate.judge(build_task(tmp_path, gate, files))
    assert report.unjudged is None
    first, second = report.findings
    assert first.aliases == ("PYSEC-2025-1", "GHSA-other")
    assert (second.id, second.line, second.severity) == ("CVE-2026-1", 2, None)
    assert report.facts["advisories_newest"] == "2026-01-02"


def test_service_that_does_not_answer_leaves_it_not_judged(
    database: AdvisoryDatabase, tmp_path: Path
) -> None:
    url = "http://127.0.0.1:9/v1/query"
    gate = DependenciesGate(lambda: database, lambda: database.status.sha256, at=NOW, online=url)
    report = gate.judge(build_task(tmp_path, gate, {"requirements.txt": "victim==1.0\n"}))
    assert len(report.findings) == 1 and "online service: unreadable report" in (
        report.unjudged or ""
    )
    assert report.facts["advisories_newest"] == "2025-12-31" and "service" not in report.facts
