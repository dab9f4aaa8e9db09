"""Requests to reload, to a code server that is slow."""

import socket

import pytest

from resources.code_server import CodeServer

pytestmark = [
    pytest.mark.process,
    pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning"),
]


def test_reload_is_requested_once_until_the_server_answers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        server = CodeServer(None, "127.0.0.1", silent.getsockname()[1])
        first = server.reload()
        assert server.reload() is first
        assert CodeServer(None, "127.0.0.1", server.port).reload() is first

    first.join(60)
    assert not first.is_alive()
    again = server.reload()
    assert again is not first
    again.join(60)
