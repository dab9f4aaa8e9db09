"""Secrets are planted wherever a server can know them, and are found nowhere that it writes to.

Not searched is what keeps a secret on purpose, for the user alone (mode 0600): the mirror's own
settings, which hold the address that was given, and a worktree's ``.dvc/config.local``.
"""

from __future__ import annotations

import base64
import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.integration.watch.pushed import Pushed
from tests.integration.watch.service import Service, serve, wait_until

from .git_server import GitServer
from .watched import make_watched

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

#: What must be found nowhere, by where it is planted.
PLANTED = {
    "the environment of the server": "plantedCloudKey0x7f31",
    "a token in the environment": "plantedToken0x52ac",
    "the address of the repository": "plantedGitPassword0x91be",
    "the local configuration of DVC": "plantedDvcPassword0x3cd8",
    "the passphrase of the signing key": "plantedPassphrase0xe410",
}
#: What must be found, so that a search that finds nothing is known to have looked.
PRINTED = "printedByTheStage0x6a"
#: A stage that prints all that it is given, and where its checkout comes from.
PRYING = f"""\
import os
import pathlib

print({PRINTED!r})
for name, value in os.environ.items():
    print(name, value)
pathlib.Path("data.csv").write_text(pathlib.Path("raw.csv").read_text())
"""


@dataclass(frozen=True)
class Pried(Pushed):
    """A repository whose commands get secrets in their environment."""

    @property
    def environment(self) -> dict[str, str]:
        """The variables of every command."""
        return {
            **super().environment,
            "AWS_SECRET_ACCESS_KEY": PLANTED["the environment of the server"],
            "GITHUB_TOKEN": PLANTED["a token in the environment"],
            "ML_ASSETS_KEY_PASSPHRASE": PLANTED["the passphrase of the signing key"],
        }


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A server that has run a prying commit, and then lost its remote."""
    made = make_watched(tmp_path_factory.mktemp("secrets"))
    pushed = Pried(made.home)
    pushed.must("git", "config", "http.receivepack", "true", directory=pushed.remote)
    password = PLANTED["the address of the repository"]
    with GitServer(pushed.home, "somebody", password) as git:
        url = f"http://somebody:{password}@{git.host}/remote.git"
        pushed.must("git", "remote", "set-url", "origin", url, directory=pushed.served)
        dvc = ("dvc", "remote", "modify", "--quiet", "--local")
        pushed.must(
            "dvc", "remote", "add", "--local", "web", "http://127.0.0.1:1/", directory=pushed.served
        )
        secret = PLANTED["the local configuration of DVC"]
        pushed.must(*dvc, "web", "password", secret, directory=pushed.served)
        pushed.must("ml-assets", "keys", "generate", directory=pushed.served)
        with serve(pushed) as service:
            service.wait_for_tick()
            commit = pushed.push("main", {"prepare.py": PRYING}, "A stage that pries")
            service.wait_for_pass(commit)
            git.stop()
            wait_until(
                lambda: any("retrying in" in said for said in service.said()),
                "a tick that does not reach the remote",
            )
            yield service


def _written(service: Service) -> Iterator[tuple[str, bytes]]:
    """Yield all that the server has written, as bytes, by where it lies."""
    state = service.dagster_home.parent
    files = [service.log, *state.rglob("*"), *service.watch_home.glob("worktrees/*/*/dvc.lock")]
    for file in files:
        if file.is_file() and not file.is_symlink():
            content = file.read_bytes()
            yield str(file), content
            if content.startswith(b"SQLite format 3"):
                yield from _rows(file)
            elif "ledger" in file.parts:
                yield f"the statement of {file}", _payload(content)


def _rows(file: Path) -> Iterator[tuple[str, bytes]]:
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
        tables = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        for (table,) in tables:
            for row in database.execute(f'SELECT * FROM "{table}"'):
                yield f"{table} of {file}", repr(row).encode()


def _payload(content: bytes) -> bytes:
    envelope = json.loads(content)["dsseEnvelope"]
    return base64.b64decode(envelope["payload"])


def _find(pieces: Mapping[str, bytes] | Iterator[tuple[str, bytes]], text: str) -> list[str]:
    pairs = pieces.items() if isinstance(pieces, Mapping) else pieces
    return [where for where, content in pairs if text.encode() in content]


def test_secrets_that_have_to_be_kept_are_kept_from_other_users(server: Service) -> None:
    """Git's and DVC's own settings hold them, and only the user can read these."""
    kept = {
        "the address of the repository": "mirror.git/config",
        "the local configuration of DVC": "worktrees/main/*/.dvc/config.local",
    }
    for place, pattern in kept.items():
        files = list(server.watch_home.glob(pattern))
        assert files, pattern
        for file in files:
            assert PLANTED[place] in file.read_text("utf-8"), place
            assert file.stat().st_mode & 0o077 == 0, place


def test_secrets_are_in_nothing_that_the_server_has_written(server: Service) -> None:
    """Events, logs, run config, metadata, ticks, statements and lock files, of all their tables."""
    written = list(_written(server))
    assert [one for one, _ in written if "compute_logs" in one or "logs" in one]
    assert _find(iter(written), PRINTED), "the search does not find what a stage has printed"
    assert any(where.startswith("the statement of") for where, _ in written)
    assert any(where.startswith("event_logs of") for where, _ in written)
    found = {place: _find(iter(written), text) for place, text in PLANTED.items()}
    assert found == {place: [] for place in PLANTED}


def test_secrets_are_in_no_lock_that_is_pushed(server: Service) -> None:
    """What runs write back to the remote is searched object by object."""
    pushed = server.pushed
    listed = pushed.must("git", "rev-list", "--objects", "--all", directory=pushed.remote)
    names = [line.split()[0] for line in listed.splitlines()]
    refs = pushed.must("git", "for-each-ref", "refs/ml-assets", directory=pushed.remote)
    assert "refs/ml-assets/locks/main" in refs
    objects = {
        name: pushed.must("git", "cat-file", "-p", name, directory=pushed.remote).encode()
        for name in names
    }
    assert _find(objects, "raw.csv")
    assert {place: _find(objects, text) for place, text in PLANTED.items()} == {
        place: [] for place in PLANTED
    }


def test_secrets_are_in_no_answer_of_the_web_server(server: Service) -> None:
    """What a browser is told of assets, runs and ticks holds none of them."""
    answer = server.query("""{
          assetNodes { assetKey { path } description metadataEntries { ...entry }
            assetMaterializations { metadataEntries { ...entry } tags { key value } } }
          runsOrError { ... on Runs { results { runConfigYaml tags { key value } } } }
          workspaceOrError { ... on Workspace { locationEntries { locationOrLoadError {
            ... on RepositoryLocation { repositories { sensors { description sensorState {
              ticks { cursor skipReason error { message } } } } } } } } } }
        }
        fragment entry on MetadataEntry { label
          ... on TextMetadataEntry { text } ... on UrlMetadataEntry { url }
          ... on MarkdownMetadataEntry { mdStr } ... on PathMetadataEntry { path } }""")
    said = json.dumps(answer).encode()
    assert b"never run: not in dvc.lock" in said
    assert b"retrying in" in said
    assert [place for place, text in PLANTED.items() if text.encode() in said] == []
