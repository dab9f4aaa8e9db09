"""The service: `ml-assets ui` on a pushed repository, and what Dagster knows of its runs."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import dagster as dg
import psutil
from dagster._core.scheduler.instigation import InstigatorTick, TickStatus

from tests.e2e.server import free_port

from .pushed import Pushed

T = TypeVar("T")

ENDED = (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)
_START = 180.0  # seconds that a server may take to answer
#: A daemon of Dagster's that starts its processes as the server does.
_DAEMON = """\
from dagster._daemon.cli import main
from ml_assets.orchestration.web.fork_server import use_fork_server
use_fork_server()
main()
"""
_PAUSE = 0.5  # a look costs CPU time that what is waited for needs


def wait_until(look: Callable[[], T | None], what: str, seconds: float = 90.0) -> T:
    """Look until there is something to see, and return it; None and False are nothing."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        seen = look()
        if seen is not None and seen is not False:
            return seen
        time.sleep(_PAUSE)
    raise AssertionError(f"not within {seconds:.0f} s: {what}")


class Service:
    """A running server over a repository.

    Args:
        arguments: of the command, after its options.
        prefix: of the command line: what it is started by.
    """

    def __init__(
        self, pushed: Pushed, *arguments: str, prefix: Sequence[str] = (), checkout: bool = True
    ) -> None:
        self.pushed = pushed
        self.port = free_port()
        self._opened = ExitStack()
        self._instance: dg.DagsterInstance | None = None
        self.log = pushed.home / "server.log"
        self.token = secrets.token_hex(32)
        with open(self.log, "ab") as stream:
            self._process = subprocess.Popen(
                [*prefix, "ml-assets", "ui", "--port", str(self.port), "--json", *arguments],
                cwd=pushed.served if checkout else pushed.home / "user",
                env={**pushed.environment, "ML_ASSETS_UI_TOKEN": self.token},
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                start_new_session=True,
            )
        try:
            wait_until(self._answers, f"an answer: {self.output[-4000:]}", _START)
        except BaseException:
            self.kill()
            raise

    @property
    def output(self) -> str:
        """What it, and servers before it on the same repository, have written."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    @property
    def dagster_home(self) -> Path:
        """Where Dagster's instance lies."""
        own = self.pushed.served / ".ml-assets" / "state" / "dagster"
        if own.is_dir():
            return own
        return next((self.pushed.home / "user" / "state").glob("ml-assets/watch/*/state/dagster"))

    @property
    def watch_home(self) -> Path:
        """Where the mirror and the worktrees lie."""
        return next((self.pushed.home / "user" / "state").glob("ml-assets/watch/*"))

    def family(self) -> list[psutil.Process]:
        """Return its processes: itself, and all that it has started and that is there yet."""
        found = psutil.Process(self._process.pid)
        return [found, *found.children(recursive=True)]

    def find(self, *words: str) -> list[psutil.Process]:
        """Find those of its processes whose command line holds some words."""
        found = []
        for one in self.family():
            try:
                line = " ".join(one.cmdline())
            except psutil.Error:
                continue
            if all(word in line for word in words):
                found.append(one)
        return found

    def named(self, name: str) -> list[psutil.Process]:
        """Find its forked processes by their name: all have the command line of the fork server."""
        return [one for one in self.family() if one.is_running() and one.name() == name]

    def stop(self) -> int:
        """Interrupt it, as Ctrl-C does; return its exit code."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
        return self._process.wait(60)

    def kill(self) -> None:
        """Kill it, and all that it has started, at once."""
        self._opened.close()
        try:
            family = self.family()
        except psutil.NoSuchProcess:
            return
        for one in family:  # none of them gets to know of the end of another
            _signal(one, signal.SIGSTOP)
        for one in family:
            _signal(one, signal.SIGKILL)
        self._process.wait(30)
        psutil.wait_procs(family, timeout=30)

    def _answers(self) -> bool:
        assert self._process.poll() is None, self.output
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/server_info", timeout=5):
                return True
        except (urllib.error.URLError, OSError):
            return False

    def query(self, text: str, **variables: Any) -> dict[str, Any]:
        """Ask its GraphQL, which must answer without errors."""
        body = json.dumps({"query": text, "variables": variables}).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/graphql",
            data=body,
            headers={
                "Content-Type": "application/json",
                "Authorization": f"Bearer {self.token}",
            },
        )
        with urllib.request.urlopen(request, timeout=60) as response:
            document = json.load(response)
        assert not document.get("errors"), document
        data: dict[str, Any] = document["data"]
        return data

    def assets(self) -> set[str]:
        """Return the keys of the assets that it shows."""
        nodes = self.query("{ assetNodes { assetKey { path } } }")["assetNodes"]
        return {"/".join(node["assetKey"]["path"]) for node in nodes}

    def worker(self, run: dg.DagsterRun) -> psutil.Process:
        """Return the process of a run that goes on."""
        return psutil.Process(int((self.dagster_home / "workers" / run.run_id).read_text()))

    @contextmanager
    def instance(self) -> Iterator[dg.DagsterInstance]:
        """Open Dagster's instance in this process, and keep it: to open it costs 20 looks.

        It is not entered: that would make its storage the current one of this process, also for the
        tests after this server.
        """
        if self._instance is None:
            self._instance = dg.DagsterInstance.from_config(str(self.dagster_home))
            self._opened.callback(setattr, self, "_instance", None)
            self._opened.callback(self._instance.dispose)
        yield self._instance

    def runs(self, commit: str | None = None) -> list[dg.DagsterRun]:
        """Return the runs, of a commit or all, oldest first."""
        tags = {"ml-assets/commit": commit} if commit else {}
        with self.instance() as instance:
            found = list(instance.get_runs(dg.RunsFilter(tags=tags)))
        return found[::-1]

    def wait_for_run(self, commit: str, seconds: float = 120.0) -> dg.DagsterRun:
        """Wait until the one run of a commit has ended, and return it.

        Raises:
            AssertionError: it has not, or there are several.
        """

        def look() -> dg.DagsterRun | None:
            found = self.runs(commit)
            assert len(found) < 2, found
            return found[0] if found and found[0].status in ENDED else None

        return wait_until(look, f"the end of a run of {commit}", seconds)

    def wait_for_pass(self, commit: str, seconds: float = 120.0) -> dg.DagsterRun:
        """Wait until the one run of a commit has passed, and return it."""
        run = self.wait_for_run(commit, seconds)
        assert run.status is dg.DagsterRunStatus.SUCCESS, self.why(run)
        return run

    def wait_until_idle(self, seconds: float = 180.0) -> None:
        """Wait until a whole tick has found nothing to do, and no run is waiting or going on."""

        def look() -> bool:
            self.wait_for_tick()
            return all(run.status in ENDED for run in self.runs())

        wait_until(look, "an end of all runs", seconds)

    def why(self, run: dg.DagsterRun) -> str:
        """Return what a run says of its failures."""
        with self.instance() as instance:
            events = [entry.dagster_event for entry in instance.all_logs(run.run_id)]
        texts: list[str] = []
        for event in events:
            if event is None or not event.is_failure:
                continue
            texts.append(event.message or "")
            data: Any = event.event_specific_data
            error = getattr(data, "error", None)
            texts += [str(error.message)] if error is not None else []
            failure = getattr(data, "user_failure_data", None)
            texts += [str(failure.description)] if failure is not None else []
        return "\n".join(texts)

    def ticks(self) -> list[InstigatorTick]:
        """Return the ticks of the sensor, newest first."""
        with self.instance() as instance:
            states = instance.all_instigator_state()
            return [
                tick
                for state in states
                for tick in instance.get_ticks(
                    state.instigator_origin_id, state.selector_id, limit=500
                )
            ]

    def cursor(self) -> dict[str, Any]:
        """Return the cursor of the sensor."""
        with self.instance() as instance:
            data: Any = instance.all_instigator_state()[0].instigator_data
        document: dict[str, Any] = json.loads(data.cursor)
        return document

    def wait_for_tick(self, seconds: float = 60.0) -> InstigatorTick:
        """Wait for a tick that begins from now on, and ends."""
        since = time.time()

        def look() -> InstigatorTick | None:
            ticks = [one for one in self.ticks() if one.timestamp > since]
            ended = [one for one in ticks if one.status is not TickStatus.STARTED]
            return ended[-1] if ended else None

        return wait_until(look, "a tick", seconds)

    def said(self) -> list[str]:
        """Return what the ticks have said, newest first."""
        return [one.skip_reason or "" for one in self.ticks()]


class Daemon:
    """Another daemon of Dagster's on a server's instance, with a code server of its own."""

    def __init__(self, service: Service) -> None:
        directory = service.pushed.home / "empty"
        directory.mkdir(exist_ok=True)
        with open(service.pushed.home / "daemon.log", "ab") as stream:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", _DAEMON, "run", "-m", "ml_assets.definitions"]
                + ["--working-directory", str(directory)],
                cwd=directory,
                env={
                    **service.pushed.environment,
                    "DAGSTER_HOME": str(service.dagster_home),
                    "ML_ASSETS_PROJECT": str(service.pushed.served),
                    "ML_ASSETS_WATCH": str(service.watch_home),
                },
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                start_new_session=True,
            )

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self._process.poll() is None

    def kill(self) -> None:
        """Kill the daemon alone; what it has started goes on."""
        self._process.kill()
        self._process.wait(30)

    def end(self) -> None:
        """Kill it, and all that it has started."""
        family = psutil.Process(self._process.pid).children(recursive=True)
        self.kill()
        for one in family:
            _signal(one, signal.SIGKILL)


def _signal(process: psutil.Process, number: signal.Signals) -> None:
    try:
        os.kill(process.pid, number)
    except ProcessLookupError:
        pass


@contextmanager
def serve(pushed: Pushed, *arguments: str, checkout: bool = True) -> Iterator[Service]:
    """Serve a repository within the block."""
    service = Service(pushed, *arguments, checkout=checkout)
    try:
        yield service
    finally:
        service.kill()
