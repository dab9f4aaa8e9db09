"""``ml-assets advisories`` as typed: it installs whole databases, or leaves what was there."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from security.advisories.database import load_database
from security.content.digest import digest_bytes
from tests.integration.advisory_feed.bulk_server import BulkServer
from tests.osv_records import (
    affected,
    many_records,
    osv_record,
    write_directory,
    write_zip,
    zip_bytes,
)

ROOT = Path(__file__).parents[3]
_PR_CAPBSET_DROP, _CAP_DAC_OVERRIDE = 24, 1


@dataclass(frozen=True)
class Answer:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """Return the one document on standard output."""
        return json.loads(self.out)


class Command:
    """The command line of a user of its own."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.database = home / ".local" / "share" / "ml-assets" / "advisories" / "advisories.sqlite"
        self.environment = {"PATH": os.defpath, "HOME": str(home)}

    def start(self, *arguments: str, **settings: Any) -> subprocess.Popen[str]:
        """Start it."""
        variables = {**self.environment, **settings.pop("variables", {})}
        return subprocess.Popen(
            [sys.executable, "-m", "ml_assets.cli", "advisories", *arguments],
            cwd=settings.pop("cwd", ROOT),
            env=variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **settings,
        )

    def __call__(self, *arguments: str, **settings: Any) -> Answer:
        """Run it to its end."""
        return end(self.start(*arguments, **settings))

    def update(self, *arguments: str) -> Any:
        """Update, and return the document."""
        answer = self("update", "--json", *arguments)
        assert answer.code == 0, answer
        return answer.document


def end(process: subprocess.Popen[str]) -> Answer:
    """Wait for a command."""
    out, err = process.communicate(timeout=60)
    return Answer(process.returncode, out, err)


@pytest.fixture
def command(tmp_path: Path) -> Command:
    """Make a user without advisories."""
    home = tmp_path / "home"
    home.mkdir()
    return Command(home)


@pytest.fixture
def server() -> Iterator[BulkServer]:
    """Serve 60 records."""
    with BulkServer(zip_bytes(many_records(60))) as running:
        yield running


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until something is so."""
    until = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < until, "it never came to that"
        time.sleep(0.01)


def test_first_status_tells_the_age_of_the_bundled_advisories(command: Command) -> None:
    answer = command("status")
    assert (answer.code, answer.err) == (0, "")
    assert "PyPI       2661        2024-10-10" in answer.out
    assert "from: bundled:pypa-advisories-2024-10-10 (2661)" in answer.out
    assert command.database.is_file()
    document = command("status", "--json").document
    assert document["path"] == str(command.database) and document["unreadable"] == []
    (ecosystem,) = document["ecosystems"]
    assert ecosystem["advisories"] == 2661 and ecosystem["age_days"] > 400
    with load_database(command.database) as database:
        assert document["sha256"] == database.status.sha256


def test_update_replaces_adds_and_tells_the_sources(command: Command, tmp_path: Path) -> None:
    checkout = write_directory(tmp_path / "checkout", many_records(20))
    first = command.update("--from", str(checkout))
    assert first["changed"] and first["advisories"] == 20
    record = tmp_path / "one.json"
    record.write_text(
        json.dumps(osv_record("D-1", affected=[affected("a", ecosystem="Debian:12")]))
    )
    archive = write_zip(tmp_path / "all.zip", many_records(20))
    second = command.update("--from", str(archive), str(record), "--add")
    assert second["advisories"] == 21 and len(second["sources"]) == 3
    answer = command("update", "--from", str(archive), "--from", str(record))
    assert answer.code == 0 and f"reading: {archive}\nreading: {record}\n" in answer.err
    assert "Debian:12  1 " in answer.out and "21 advisories, indexed" in answer.out


def test_unreadable_and_foreign_records_are_told(command: Command, tmp_path: Path) -> None:
    records = many_records(200)
    records[7]["affected"][0]["ranges"][0]["events"] = []
    foreign = osv_record("N-1", affected=[affected("left-pad", ecosystem="npm")])
    answer = command("update", "--from", str(write_zip(tmp_path / "a.zip", [*records, foreign])))
    assert answer.code == 0
    assert "skipped records of other ecosystems: 1\n" in answer.out
    assert "unreadable records, treated as unknown: 1: PYSEC-2025-7\n" in answer.out
    assert command("status", "--json").document["unreadable"] == ["PYSEC-2025-7"]


def test_address_is_compared_with_its_checksum(command: Command, server: BulkServer) -> None:
    wrong = command("update", "--from", server.url(), "--sha256", "0" * 64)
    assert wrong.code == 3 and not command.database.exists()
    error, hint = wrong.err.splitlines()[-2:]
    assert "the requested sha256" in error and hint.startswith("hint: ")
    right = digest_bytes(server.behaviour.content).sha256
    assert command.update("--from", server.url(), "--sha256", right)["advisories"] == 60
    again = command("update", "--from", server.url())
    assert again.code == 0 and again.out.startswith("already up to date\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_update_that_is_stopped_midway_leaves_what_was_there_and_goes_on(
    command: Command, server: BulkServer, tmp_path: Path, number: signal.Signals
) -> None:
    command.update("--from", str(write_directory(tmp_path / "old", many_records(50))))
    before = command.database.read_bytes()
    server.behaviour.content = zip_bytes(many_records(500))
    server.behaviour.drip = 0.01
    process = command.start("update", "--from", server.url(), "--json")
    wait_for(lambda: any(one.sent > 80_000 for one in server.asked))
    process.send_signal(number)
    answer = end(process)
    assert answer.code == (-9 if number is signal.SIGKILL else 130)
    if number is not signal.SIGKILL:
        assert answer.document["error"]["kind"] == "interrupted"
        assert "the advisories are unchanged" in answer.document["error"]["message"]
    assert command.database.read_bytes() == before
    assert command("status", "--json").document["advisories"] == 50
    server.behaviour.drip = 0.0
    assert command.update("--from", server.url())["advisories"] == 500
    assert server.asked[-1].range.startswith("bytes=") and server.asked[-1].status == 206
    assert not list((command.database.parent / "downloads").iterdir())


def test_update_that_is_killed_at_any_time_leaves_a_whole_database(
    command: Command, tmp_path: Path
) -> None:
    command.update("--from", str(write_directory(tmp_path / "old", many_records(50))))
    archive = write_zip(tmp_path / "new.zip", many_records(2000))
    for seconds in (0.15, 0.4):
        process = command.start("update", "--from", str(archive))
        assert process.stderr is not None and process.stderr.readline().startswith("reading: ")
        time.sleep(seconds)
        process.kill()
        end(process)
        with load_database(command.database) as database:
            assert database.status.advisories in (50, 2000)
    assert command.update("--from", str(archive))["advisories"] == 2000
    left = {one.name for one in command.database.parent.iterdir()}
    assert left <= {"advisories.sqlite", "update.lock", "downloads"}


@pytest.mark.parametrize("fault", ["cut", "garbage", "truncated", "status", "silent"])
def test_failed_update_is_told_in_two_lines(
    command: Command, server: BulkServer, fault: str, tmp_path: Path
) -> None:
    command.update("--from", str(write_directory(tmp_path / "old", many_records(50))))
    before = command.database.read_bytes()
    if fault == "cut":
        server.behaviour.cut = [100] * 8
    elif fault == "garbage":
        server.behaviour.content = b"\x00" * 5000
    elif fault == "truncated":
        server.behaviour.content = server.behaviour.content[:-50]
    elif fault == "status":
        server.behaviour.statuses = [403]
    url = "http://127.0.0.1:9/all.zip" if fault == "silent" else server.url()
    answer = command("update", "--from", url)
    assert answer.code == 3 and answer.out == ""
    reading, error, hint = answer.err.splitlines()
    assert reading == f"reading: {url}" and error.startswith("error: ")
    assert hint.startswith("hint: ")
    assert command.database.read_bytes() == before


def test_update_that_loses_advisories_is_refused_until_allowed(
    command: Command, tmp_path: Path
) -> None:
    command.update("--from", str(write_directory(tmp_path / "many", many_records(50))))
    few = str(write_directory(tmp_path / "few", many_records(5)))
    refused = command("update", "--from", few)
    assert refused.code == 3 and "5 advisories for PyPI, the database has 50" in refused.err
    assert "--allow-loss" in refused.err.splitlines()[-1]
    assert command.update("--from", few, "--allow-loss")["advisories"] == 5


def test_damaged_database_is_told_and_replaced(command: Command, tmp_path: Path) -> None:
    records = str(write_directory(tmp_path / "records", many_records(50)))
    command.update("--from", records)
    content = bytearray(command.database.read_bytes())
    content[content.index(b"PYSEC-2025-7")] ^= 1
    command.database.write_bytes(content)
    answer = command("status", "--json")
    assert answer.code == 3 and answer.document["error"]["kind"] == "advisory-database"
    assert answer.document["error"]["hint"] == "rebuild it: ml-assets advisories update"
    assert command.update("--from", records)["advisories"] == 50


@pytest.mark.parametrize("action", ["status", "update"])
def test_directory_that_cannot_be_written_is_told(
    command: Command, tmp_path: Path, action: str
) -> None:
    def obey_permissions() -> None:
        if os.geteuid() == 0:  # for root too
            ctypes.CDLL(None).prctl(_PR_CAPBSET_DROP, _CAP_DAC_OVERRIDE, 0, 0, 0)

    place = tmp_path / "sealed"
    place.mkdir(mode=0o555)
    more = ["--from", str(write_directory(tmp_path / "records", many_records(5)))]
    answer = command(
        *(action, *(more if action == "update" else ())),
        variables={"ML_ASSETS_ADVISORIES": str(place / "advisories")},
        preexec_fn=obey_permissions,
    )
    assert answer.code == 3 and "error: permission denied: " in answer.err
    assert "hint: correct owner and permissions" in answer.err
    assert not list(place.iterdir())


@pytest.mark.parametrize(
    ("arguments", "variables", "message"),
    [
        (["update", "--from", "/nowhere/all.zip"], {}, "no source of advisories"),
        (["update", "--from", "http://osv.invalid/all.zip"], {}, "plain http"),
        (["update", "--from", "ftp://osv.invalid/all.zip"], {}, "not an http or https address"),
        (["update", "--from", "/etc", "--sha256", "0" * 64], {}, "needs exactly one address"),
        (["update", "--unknown"], {}, "unrecognized arguments: --unknown"),
        ([], {}, "the following arguments are required: ACTION"),
        (["status"], {"ML_ASSETS_ADVISORIES": "here"}, "not absolute"),
        (["status"], {"HOME": ""}, "no directory for advisories"),
    ],
)
def test_wrong_usage_is_told_and_changes_nothing(
    command: Command, arguments: list[str], variables: dict[str, str], message: str
) -> None:
    answer = command(*arguments, variables=variables)
    assert answer.code == 2 and message in answer.err and "\nhint: " in answer.err
    assert not command.database.exists()


def test_database_in_the_checkout_is_not_used(command: Command, tmp_path: Path) -> None:
    command.update("--from", str(write_directory(tmp_path / "records", many_records(50))))
    checkout = tmp_path / "checkout"
    for name in ("advisories", ".local/share/ml-assets/advisories", ".ml-assets/state/advisories"):
        (checkout / name).mkdir(parents=True)
        (checkout / name / "advisories.sqlite").write_bytes(b"planted")
    (checkout / "advisories.sqlite").write_bytes(b"planted")
    paths = {"PYTHONPATH": str(ROOT), "PYTHONSAFEPATH": "1", "XDG_DATA_HOME": "."}
    answer = command("status", "--json", cwd=checkout, variables=paths)
    assert answer.document["path"] == str(command.database)
    assert answer.document["advisories"] == 50
