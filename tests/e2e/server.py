"""The server under test: `ml-assets ui` or `dagster dev` as a process, and its GraphQL."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self, TypeVar

import psutil

from .trap import Trap

Value = TypeVar("Value")

_START = 120.0  # seconds that a server may take to answer
_STOP = 40.0  # seconds that a server may take to end
_PAUSE = 0.3  # seconds between two looks at a condition, each of which costs CPU time

_ASSETS = """
{
  assetNodes {
    assetKey { path }
    groupName
    kinds
    description
    staleStatus
    staleCauses { category reason }
    dependencyKeys { path }
    owners { ... on TeamAssetOwner { team } ... on UserAssetOwner { email } }
    assetMaterializations(limit: 1) { runId tags { key value } }
  }
}
"""
_LOGS = """
query Logs($key: [String!]!) { capturedLogs(logKey: $key) { stdout stderr } }
"""
_EVENTS = """
query Events($run: ID!) {
  logsForRun(runId: $run) {
    ... on EventConnection {
      events {
        __typename
        ... on MessageEvent { message }
        ... on LogsCapturedEvent { fileKey }
        ... on MaterializationEvent { assetKey { path } }
      }
    }
  }
}
"""


def wait_until(look: Callable[[], Value | None], what: str, seconds: float = 30.0) -> Value:
    """Look until there is something to see, and return it; None and False are nothing."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        seen = look()
        if seen is not None and seen is not False:
            return seen
        time.sleep(_PAUSE)
    raise AssertionError(f"not within {seconds:.0f} s: {what}")


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Server:
    """A running server.

    Args:
        command: what to start.
        announces: whether it prints a JSON document with its address; otherwise it is asked until
            it answers.
    """

    def __init__(
        self,
        command: Sequence[str],
        port: int,
        *,
        environment: Mapping[str, str],
        directory: Path,
        log: Path,
        announces: bool,
    ) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.announced: dict[str, Any] = {}
        self._log = log
        with open(log, "wb") as stream:
            self._process = subprocess.Popen(
                list(command),
                cwd=directory,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE if announces else stream,
                stderr=stream,
            )
        try:
            if announces:
                self.announced = self._read_announcement()
            wait_until(self._answers, f"an answer of {command}", _START)
        except BaseException:
            self.stop()
            raise

    def __enter__(self) -> Self:
        """Serve."""
        return self

    def __exit__(self, *_: object) -> None:
        """End it."""
        self.stop()

    @property
    def address(self) -> str:
        """The address that a user opens: with the token, where there is one."""
        token = self.announced.get("token")
        return f"{self.url}/?token={token}" if token else self.url

    @property
    def authorization(self) -> dict[str, str]:
        """The header with the token; none for `dagster dev`, which has no token."""
        token = self.announced.get("token")
        return {"Authorization": f"Bearer {token}"} if token else {}

    @property
    def output(self) -> str:
        """What it has written to standard error so far."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self._process.poll() is None

    def _read_announcement(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, f"ended without a word on standard output: {self.output}"
        document = json.loads(line)
        assert isinstance(document, dict), line
        return document

    def _answers(self) -> bool:
        assert self._process.poll() is None, self.output
        try:
            with urllib.request.urlopen(f"{self.url}/server_info", timeout=5):
                return True
        except (urllib.error.URLError, OSError):
            return False

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Ask it to end; return its exit code.

        Raises:
            AssertionError: it, or a process that it started, goes on.
        """
        if self._process.poll() is not None:
            return self._process.returncode
        family = psutil.Process(self._process.pid).children(recursive=True)
        self._process.send_signal(number)
        try:
            code = self._process.wait(_STOP)
        except subprocess.TimeoutExpired:
            code = -1
            family.append(psutil.Process(self._process.pid))
        if self._process.stdout is not None:
            self._process.stdout.close()
        _, rest = psutil.wait_procs(family, timeout=10)
        alive = [process for process in rest if not _is_dead(process)]
        for process in alive:
            process.kill()
        assert not alive, f"still there after {number.name}: {alive}"
        return code

    def query(self, text: str, **variables: Any) -> dict[str, Any]:
        """Ask its GraphQL, which must answer without errors."""
        body = json.dumps({"query": text, "variables": variables}).encode()
        headers = {"Content-Type": "application/json", **self.authorization}
        request = urllib.request.Request(f"{self.url}/graphql", data=body, headers=headers)
        with urllib.request.urlopen(request, timeout=60) as response:
            document = json.load(response)
        assert not document.get("errors"), document
        data: dict[str, Any] = document["data"]
        return data

    def reload(self) -> None:
        """Load the definitions anew."""
        self.query("mutation { reloadWorkspace { __typename } }")

    def assets(self) -> dict[str, dict[str, Any]]:
        """Return what it knows of every asset, by key."""
        nodes = self.query(_ASSETS)["assetNodes"]
        return {"/".join(node["assetKey"]["path"]): node for node in nodes}

    def stale(self) -> dict[str, list[str]]:
        """Return why assets are not up to date, by key; those that are, are not in it."""
        return {
            key: [cause["reason"] for cause in node["staleCauses"]] or [node["staleStatus"]]
            for key, node in self.assets().items()
            if node["staleStatus"] != "FRESH"
        }

    def data_versions(self) -> dict[str, str | None]:
        """Return the last recorded data version of every asset, by key."""
        return {
            key: next((tags[_VERSION] for tags in _tags(node) if _VERSION in tags), None)
            for key, node in self.assets().items()
        }

    def status(self, run: str) -> str:
        """Return the status of a run."""
        answer = self.query(
            "query S($run: ID!) { runOrError(runId: $run) { ... on Run { status } } }", run=run
        )
        return str(answer["runOrError"]["status"])

    def events(self, run: str) -> list[dict[str, Any]]:
        """Return the events of a run."""
        events: list[dict[str, Any]] = self.query(_EVENTS, run=run)["logsForRun"]["events"]
        return events

    def materialized(self, run: str) -> set[str]:
        """Return the names of the files whose materialization a run has recorded."""
        return {event["assetKey"]["path"][-1] for event in self.events(run) if "assetKey" in event}

    def standard_output(self, run: str) -> str:
        """Return what the steps of a run have written to standard output."""
        keys = [event["fileKey"] for event in self.events(run) if "fileKey" in event]
        assert keys, f"no output was captured in run {run}"
        logs = [self.query(_LOGS, key=[run, "compute_logs", key])["capturedLogs"] for key in keys]
        return "".join(log["stdout"] or "" for log in logs)


def _is_dead(process: psutil.Process) -> bool:
    """Say whether nothing but its exit code is left of a process."""
    try:
        return bool(process.status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


@contextmanager
def serve(root: Path, environment: Mapping[str, str], log: Path, *options: str) -> Iterator[Server]:
    """Run `ml-assets ui` on the repository at `root`; it may not try to reach another host."""
    port = free_port()
    trap = Trap()
    command = ["ml-assets", "--project", str(root), "ui", "--port", str(port), "--json"]
    command += options
    try:
        with Server(
            command,
            port,
            environment={**environment, **trap.variables},
            directory=root.parent,
            log=log,
            announces=True,
        ) as server:
            yield server
            code = server.stop() if server.running else 0
            assert code == 0, f"{code}: {server.output}"
        assert trap.knocks == []
    finally:
        trap.close()


_VERSION = "dagster/data_version"


def _tags(node: dict[str, Any]) -> list[dict[str, str]]:
    return [
        {tag["key"]: tag["value"] for tag in materialization["tags"]}
        for materialization in node["assetMaterializations"]
    ]
