"""The dependencies gate: what is vulnerable is found, and what nobody can judge is never clean."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from resources.advisory_feed.store import AdvisoryStore, Update
from security.advisories.database import AdvisoryDatabase
from security.advisories.errors import DatabaseError
from security.finding import Finding, Severity
from security.gates.dependencies import gate as dependencies
from security.gates.dependencies.gate import DependenciesGate
from security.gates.interface import GateError, Kind, Place, Report
from tests.osv_records import NOW, affected, osv_record, write_directory
from tests.unit.security.gates.gate_tasks import build_task, write_file

CRITICAL = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"
HARMLESS = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:N"
RECORDS = [
    osv_record("PYSEC-2025-1", aliases=["CVE-2025-1"]),
    osv_record("GHSA-1", aliases=["CVE-2025-1"]),
    osv_record(
        "X-crit", severity=[{"type": "CVSS_V3", "score": CRITICAL}], affected=[affected("c")]
    ),
    osv_record(
        "X-none", severity=[{"type": "CVSS_V3", "score": HARMLESS}], affected=[affected("n")]
    ),
    osv_record("X-vague", affected=[affected("vague", events=[])]),
    osv_record("X-gone", withdrawn="2025-12-01T00:00:00Z", affected=[affected("gone")]),
    osv_record("X-going", withdrawn="2026-12-01T00:00:00Z", affected=[affected("going")]),
]


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AdvisoryDatabase]:
    """Index some records."""
    root = tmp_path_factory.mktemp("advisories")
    store = AdvisoryStore(root / "store")
    store.update(Update([str(write_directory(root / "records", RECORDS))]), now=NOW)
    with store.load() as opened:
        yield opened


@pytest.fixture
def gate(database: AdvisoryDatabase) -> DependenciesGate:
    """Make a gate that asks nobody."""
    return DependenciesGate(lambda: database, lambda: database.status.sha256, at=NOW)


@pytest.fixture
def judge(gate: DependenciesGate, tmp_path: Path) -> Callable[..., Report]:
    """Judge files."""

    def run(files: dict[str, str | bytes], **overrides: Any) -> Report:
        return gate.judge(build_task(tmp_path, gate, files, **overrides))

    return run


@pytest.fixture
def python(tmp_path: Path) -> Path:
    """Make an environment without packages; return its interpreter, which runs."""
    binary = tmp_path / "environment" / "bin" / "python"
    binary.parent.mkdir(parents=True)
    real = Path(sys.executable).resolve()
    binary.symlink_to(real)
    (binary.parent.parent / "pyvenv.cfg").write_text(
        f"home = {real.parent}\ninclude-system-site-packages = false\n"
    )
    return binary


def packages_of(python: Path) -> Path:
    """Return where the packages of an environment lie."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    return python.parent.parent / "lib" / version / "site-packages"


def install(python: Path, name: str, version: str, **more: str) -> Path:
    """Lay down the metadata of an installed package."""
    directory = packages_of(python) / f"{name}-{version}.dist-info"
    write_file(directory / "METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    for file, text in more.items():
        write_file(directory / file.replace("_json", ".json"), text)
    return directory


def test_clean_project_has_no_findings(judge: Callable[..., Any]) -> None:
    report = judge({"requirements.txt": "victim==2.0\nother==1.0\n", "a.py": ""})
    assert report.findings == () and report.judged == 2 and report.unjudged is None
    assert report.facts == {
        "packages": 2,
        "own_directories": 0,
        "vulnerabilities": 0,
        "advisories": len(RECORDS),
        "advisories_sha256": report.facts["advisories_sha256"],
        "advisories_newest": "2025-12-31",
    }


def test_vulnerable_pin_is_found_where_it_is_listed(judge: Callable[..., Any]) -> None:
    report = judge({"sub/requirements-dev.txt": "other==1.0\nVictim==1.0\n"})
    assert report.unjudged is None and report.judged == 2
    (found,) = report.findings
    assert found == Finding(
        id="CVE-2025-1",
        message=found.message,
        path="sub/requirements-dev.txt",
        line=2,
        package="victim==1.0",
        aliases=("GHSA-1", "PYSEC-2025-1"),
    )
    assert found.message.startswith("a package breaks; fixed in 2.0; ")


def test_severities_are_those_of_the_advisories(judge: Callable[..., Any]) -> None:
    report = judge({"requirements.txt": "c==1\nn==1\nvictim==1\n"})
    found = {one.id: one.severity for one in report.findings}
    assert found == {"X-crit": Severity.CRITICAL, "X-none": Severity.LOW, "CVE-2025-1": None}


def test_what_is_not_certain_is_a_finding_too(judge: Callable[..., Any]) -> None:
    (found,) = judge({"requirements.txt": "vague==1\n"}).findings
    assert found.id == "X-vague" and found.message.startswith("may be affected: ")


def test_record_counts_until_it_is_withdrawn(judge: Callable[..., Any]) -> None:
    report = judge({"requirements.txt": "gone==1\ngoing==1\n"})
    assert [one.id for one in report.findings] == ["X-going"] and report.judged == 2


@pytest.mark.process
def test_package_in_several_files_and_the_environment_is_told_once(
    judge: Callable[..., Any], python: Path
) -> None:
    install(python, "Victim", "1.0")
    files = {f"{n}/requirements.txt": f"{'# ' * n}\nvictim==1.0\n" for n in range(8)}
    report = judge(files, python=python)
    (found,) = report.findings
    assert (found.path, found.line, report.judged) == ("0/requirements.txt", 2, 1)
    assert "also in 1/requirements.txt:2, 2/requirements.txt:2" in found.message
    assert found.message.endswith("5/requirements.txt:2 and 3 more")


def test_two_versions_of_a_package_are_two_findings(judge: Callable[..., Any]) -> None:
    report = judge({"requirements.txt": "victim==1.0\nvictim==1.1\nvictim==2.0\n"})
    assert [one.package for one in report.findings] == ["victim==1.0", "victim==1.1"]


@pytest.mark.process
def test_installed_package_is_judged_wherever_it_came_from(
    judge: Callable[..., Any], python: Path
) -> None:
    origin = {"url": "file:///opt/project", "dir_info": {"editable": True}}
    install(python, "project", "0.1", direct_url_json=json.dumps(origin))
    install(python, "victim", "1.0+local")
    report = judge({}, python=python)
    assert report.judged == 2 and report.unjudged is None
    (found,) = report.findings
    assert (found.id, found.path, found.line) == ("CVE-2025-1", "", None)
    assert found.package == "victim==1.0+local" and "installed in the environment" in found.message


@pytest.mark.process
def test_installed_package_that_cannot_be_read_is_not_judged(
    judge: Callable[..., Any], python: Path
) -> None:
    install(python, "victim", "2.0")
    (install(python, "broken", "1.0") / "METADATA").write_bytes(b"\x00")
    report = judge({}, python=python)
    assert report.judged == 1 and "the environment: " in report.unjudged


def test_environment_that_does_not_answer_is_not_judged(judge: Callable[..., Any]) -> None:
    report = judge({"requirements.txt": "victim==1.0\n"}, python=Path("/nowhere/python"))
    assert len(report.findings) == 1 and "interpreter missing: /nowhere/python" in report.unjudged


def test_entry_that_may_hide_a_package_is_not_judged(judge: Callable[..., Any]) -> None:
    entries = "".join(f"hidden-{n}\n" for n in range(7))
    report = judge({"requirements.txt": f"{entries}victim==1.0\n"})
    assert len(report.findings) == 1 and report.judged == 1
    assert report.unjudged.startswith(
        "7 dependencies not checked: requirements.txt:1: hidden-0 (not pinned"
    )
    assert report.unjudged.endswith("hidden-4 (not pinned to one version); and 2 more")


def test_project_that_lists_nothing_is_an_error(judge: Callable[..., Any]) -> None:
    with pytest.raises(GateError, match="no packages listed"):
        judge({"pyproject.toml": "[project]\ndependencies = ['victim']\n"})


@pytest.mark.parametrize("text", ["", "# nothing\n", "-e .\n", "--index-url https://x.invalid\n"])
def test_file_that_lists_nothing_is_not_judged(judge: Callable[..., Any], text: str) -> None:
    report = judge({"requirements.txt": text})
    assert (
        report.judged == 0 and report.unjudged == "1 dependencies not checked: no packages listed"
    )


def test_ecosystem_without_advisories_is_not_judged(tmp_path: Path) -> None:
    debian = osv_record("D-1", affected=[affected("victim", ecosystem="Debian:12")])
    store = AdvisoryStore(tmp_path / "store")
    store.update(Update([str(write_directory(tmp_path / "records", [debian]))]), now=NOW)
    with store.load() as opened:
        gate = DependenciesGate(lambda: opened, lambda: opened.status.sha256, at=NOW)
        report = gate.judge(build_task(tmp_path, gate, {"requirements.txt": "victim==1.0\n"}))
    assert report.judged == 0 and "no advisories for PyPI" in (report.unjudged or "")
    assert "advisories_newest" not in report.facts


def test_database_that_cannot_be_used_is_an_error(gate: DependenciesGate, tmp_path: Path) -> None:
    def damaged() -> Any:
        raise DatabaseError("advisory database damaged", "rebuild it")

    files: dict[str, str | bytes] = {"requirements.txt": "victim==2.0\n"}
    task = build_task(tmp_path, gate, files)
    with pytest.raises(GateError, match="damaged"):
        DependenciesGate(damaged, damaged, at=NOW).tool(task)
    with pytest.raises(GateError, match="damaged"):
        DependenciesGate(damaged, lambda: "0" * 64, at=NOW).judge(task)


def test_advisories_that_changed_meanwhile_are_an_error(
    database: AdvisoryDatabase, gate: DependenciesGate, tmp_path: Path
) -> None:
    task = build_task(tmp_path, gate, {"requirements.txt": "victim==2.0\n"})
    with pytest.raises(GateError, match="changed during the check"):
        DependenciesGate(lambda: database, lambda: "0" * 64, at=NOW).judge(task)


def test_database_in_the_checkout_is_not_even_read(gate: DependenciesGate) -> None:
    assert (gate.name, gate.kind, gate.place) == ("dependencies", Kind.SOURCE, Place.COPY)
    for path in ("advisories.sqlite", ".ml-assets/state/advisories/advisories.sqlite", "pip.conf"):
        assert not gate.reads(path)
    assert not gate.configures("requirements.txt")


@pytest.mark.process
def test_what_judged_is_bound_to_advisories_and_environment(
    database: AdvisoryDatabase, gate: DependenciesGate, tmp_path: Path, python: Path
) -> None:
    task = build_task(tmp_path, gate, {"requirements.txt": "victim==2.0\n"})
    first = gate.tool(task).sha256
    assert first == gate.tool(replace(task, scratch=tmp_path / "other")).sha256
    assert gate.tool(task).configuration["advisories"] == database.status.sha256
    other = DependenciesGate(lambda: database, lambda: "0" * 64, at=NOW)
    assert other.tool(task).sha256 != first
    with_python = replace(task, python=python)
    empty = gate.tool(with_python).sha256
    install(python, "victim", "1.0")
    assert len({first, empty, gate.tool(with_python).sha256}) == 3
    lost = replace(task, python=Path("/nowhere/python"))
    assert gate.tool(lost).sha256 not in (first, empty)


def test_more_packages_and_findings_than_anybody_has_are_not_judged(
    judge: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "".join(f"victim==1.{n}\n" for n in range(20))
    monkeypatch.setattr(dependencies, "MOST_FINDINGS", 5)
    report = judge({"requirements.txt": text})
    assert (len(report.findings), report.judged) == (5, 5) and "15 more packages" in report.unjudged
    monkeypatch.setattr(dependencies, "MOST_PACKAGES", 3)
    report = judge({"requirements.txt": text})
    assert (report.judged, report.facts["packages"]) == (
        3,
        20,
    ) and "17 more packages" in report.unjudged


def test_file_name_cannot_break_a_line(judge: Callable[..., Any]) -> None:
    report = judge(
        {"a\nb\x1b[2J/requirements.txt": "victim==1.0\nhidden\n", "requirements.txt": ""}
    )
    (found,) = report.findings
    assert found.message.isprintable() and report.unjudged.isprintable()


@pytest.mark.process
def test_planted_code_of_pip_is_not_executed(
    judge: Callable[..., Any], tmp_path: Path, python: Path
) -> None:
    mark = tmp_path / "executed"
    code = f"open({str(mark)!r}, 'w')\n"
    install(python, "victim", "2.0")
    site = packages_of(python)
    for name in ("sitecustomize.py", "pip.py", "usercustomize.py"):
        write_file(site / name, code)
        write_file(tmp_path / "tree" / name, code)
    write_file(site / "evil.pth", f"import os; {code}")
    report = judge({"requirements.txt": "victim==2.0\n"}, python=python)
    assert report.judged == 1 and not mark.exists()


@pytest.mark.process
def test_result_is_the_same_twice(gate: DependenciesGate, tmp_path: Path, python: Path) -> None:
    install(python, "victim", "1.0")
    files: dict[str, str | bytes] = {"requirements.txt": "vague==1\nvictim==1.1\nc\n"}
    task = build_task(tmp_path, gate, files, python=python)
    said = [hashlib.sha256(repr(gate.judge(task)).encode()).hexdigest() for _ in range(2)]
    assert said[0] == said[1]
