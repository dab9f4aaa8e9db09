"""How the server of `ml-assets ui` starts and ends."""

from __future__ import annotations

import signal
import socket
from pathlib import Path

import pytest

from .sample import Sample, copy_sample
from .server import serve

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
