"""How the server of `ml-assets ui` starts and ends."""

from __future__ import annotations

import signal
import socket
import threading
from pathlib import Path

import psutil
import pytest

from security.sandbox.private_directory import find_private

from .sample import Sample, copy_sample
from .server import Server, serve, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


def test_server_ends_with_its_terminal(template: Sample, tmp_path: Path) -> None:
    """Closing the window leaves no server behind, and its port is free again.

    That SIGTERM ends it with exit code 0 is held by the fixture of the other tests.
    """
    sample = copy_sample(template, tmp_path / "project")
    with serve(sample.root, sample.environment, tmp_path / "server.log") as server:
        assert server.announced["url"] == server.url
        assert server.announced["pid"] > 0
        server.stop(signal.SIGHUP)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", int(server.url.rpartition(":")[2])))


def test_sockets_are_in_one_private_directory_and_the_token_is_in_no_process_table(
    template: Sample, tmp_path: Path
) -> None:
    """Neither `ps` nor `/proc` shows the token, and no other user reaches the code server."""
    sample = copy_sample(template, tmp_path / "project")
    token = "a-token-that-the-user-has-chosen-himself"
    environment = {**sample.environment, "ML_ASSETS_UI_TOKEN": token}
    with serve(sample.root, environment, tmp_path / "server.log") as server:
        assert server.announced["token"] == token
        family = psutil.Process(server.announced["pid"])
        processes = [family, *family.children(recursive=True)]
        assert len(processes) > 3
        for process in processes:
            assert token not in " ".join([*process.cmdline(), *process.environ().values()])
        (directory,) = {
            Path(connection.laddr).parent
            for process in processes
            for connection in process.net_connections(kind="unix")
            if str(connection.laddr).startswith("/")
        }
        assert directory.parent == find_private()
        assert directory.stat().st_mode & 0o777 == 0o700
    assert not directory.exists()


def test_code_server_restarted_during_the_end_is_not_left_behind(
    template: Sample, tmp_path: Path
) -> None:
    """Dagster looks every 5 s whether a code server has ended, also while it waits for a daemon."""
    sample = copy_sample(template, tmp_path / "project")
    with serve(sample.root, sample.environment, tmp_path / "server.log") as server:
        family = psutil.Process(server.announced["pid"]).children(recursive=True)
        (daemon,) = (one for one in family if "dagster._daemon" in one.cmdline())
        before = {one.pid for one in family}
        daemon.suspend()
        ending = threading.Thread(target=server.stop)
        ending.start()
        restarted = wait_until(lambda: _started(server, before), "a restarted code server")
        daemon.resume()
        ending.join()
        assert psutil.wait_procs([*family, *restarted], timeout=5)[1] == []


def _started(server: Server, before: set[int]) -> list[psutil.Process] | None:
    family = psutil.Process(server.announced["pid"]).children(recursive=True)
    return [one for one in family if one.pid not in before] or None
